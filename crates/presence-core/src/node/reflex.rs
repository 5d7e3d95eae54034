//! What a click becomes: the values that the app made of it are checked together, then stamped and written.

use crate::app::reflex::{Outcome, ReflexError};
use crate::app::write::Write;
use crate::facts::fact::FactKey;
use crate::facts::plan::ClickAuthor;
use crate::id::{Room, UserId};
use crate::io::output::{ClickAnswer, Output};
use crate::io::query::Found;
use crate::local::sharing::SHARES_MAX;
use crate::node::Node;
use crate::presence::row::{RowKey, Share};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Now;
use crate::trace::TraceContext;

/// Longest value that a user shares.
const SHARED_BYTES_MAX: usize = 256;
/// Longest key of one.
const SHARED_KEY_BYTES_MAX: usize = 64;

impl Node {
    /// Writes what a click means, or nothing of it. The user may have left by now, and the room may be gone. The click still
    /// counts. Also returns the keys of what was added to counters.
    pub(super) fn clicked(
        &mut self,
        room: &Room,
        user: UserId,
        writes: Result<Vec<Write>, ReflexError>,
        trace: Option<&TraceContext>,
        now: Now,
    ) -> (Outcome, Vec<FactKey>) {
        match writes.and_then(|writes| self.write(room, user, writes, trace, now)) {
            Ok(counted) => (Outcome::Done, counted),
            Err(error) => (Outcome::Failed(error), Vec::new()),
        }
    }

    /// Answers a click: what was added to counters must not be lost any more then.
    pub(super) fn answer(&mut self, answer: ClickAnswer, outcome: Outcome, counted: Vec<FactKey>) {
        if counted.is_empty() || self.fact_settings.has_disk || !self.me.meshed || injected(Fault::AnswersEarly) {
            let kept = !counted.is_empty() && self.fact_settings.has_disk && !injected(Fault::AnswersEarly);
            self.out.push(Output::Answer { answer, outcome, kept });
        } else {
            self.facts.answer_when_held(answer, counted, &mut self.out);
        }
    }

    fn write(
        &mut self,
        room: &Room,
        user: UserId,
        writes: Vec<Write>,
        trace: Option<&TraceContext>,
        now: Now,
    ) -> Result<Vec<FactKey>, ReflexError> {
        let clock = self.membership.clock(now);
        let row = RowKey::new(room.hash(self.me.digest), user);
        let shares: Vec<(String, Vec<u8>)> = writes.iter().filter_map(shared).collect();
        if let Some(error) = self.refused_share(row, &shares)
            && !injected(Fault::HalfAClick)
        {
            return Err(error);
        }
        let author = ClickAuthor { me: &self.me, room, user, trace };
        let plan = self.facts.plan(&author, writes, self.fact_settings, clock)?;
        let counted = self.facts.commit(&author, plan, clock, &mut self.out);
        self.show_shares(row, shares, now);
        Ok(counted)
    }

    /// Writes the facts of an operator, who is no user, and answers.
    pub(super) fn write_facts(&mut self, query: u64, room: &Room, writes: Vec<Write>, now: Now) {
        let (clock, author) =
            (self.membership.clock(now), ClickAuthor { me: &self.me, room, user: UserId([0; 32]), trace: None });
        let planned = self.facts.plan(&author, writes, self.fact_settings, clock);
        let written = planned.map(|plan| drop(self.facts.commit(&author, plan, clock, &mut self.out)));
        self.out.push(Output::Found { query, found: Found::Written(written) });
    }

    /// Replaces everything of a name, or one entry, by tombstones. Returns how many facts that were.
    pub(super) fn remove_fact(
        &mut self,
        room: &Room,
        key: &str,
        entry: Option<&str>,
        trace: Option<&TraceContext>,
        now: Now,
    ) -> usize {
        let by = ClickAuthor { me: &self.me, room, user: UserId([0; 32]), trace };
        self.facts.remove(&by, key, entry, self.membership.clock(now), &mut self.out)
    }

    /// Takes facts that were exported, each unless a newer one is known.
    pub(super) fn import_facts(&mut self, query: u64, records: &[Vec<u8>], now: Now) {
        let clock = self.membership.clock(now);
        let results = self.facts.import(self.me.table(), records, clock, &mut self.out);
        self.out.push(Output::Found { query, found: Found::Imported(results) });
    }

    /// Shows what a page shares. A page that may not share is not answered.
    pub(super) fn shared(&mut self, room: &Room, user: UserId, key: String, value: Vec<u8>, now: Now) {
        let (row, shares) = (RowKey::new(room.hash(self.me.digest), user), vec![(key, value)]);
        if self.refused_share(row, &shares).is_none() {
            self.show_shares(row, shares, now);
        }
    }

    fn show_shares(&mut self, row: RowKey, shares: Vec<(String, Vec<u8>)>, now: Now) {
        let clock = self.membership.clock(now);
        for (key, value) in shares {
            let stamp = self.facts.stamp(clock, &mut self.out);
            self.local.share(row, Share { key, stamp, value }, &mut self.presence, now.mono);
        }
    }

    fn refused_share(&self, row: RowKey, shares: &[(String, Vec<u8>)]) -> Option<ReflexError> {
        let is_long =
            |(key, value): &(String, Vec<u8>)| value.len() > SHARED_BYTES_MAX || key.len() > SHARED_KEY_BYTES_MAX;
        if shares.iter().any(is_long) {
            let (bytes_max, key_bytes_max) = (SHARED_BYTES_MAX, SHARED_KEY_BYTES_MAX);
            return Some(ReflexError::ShareTooLong { bytes_max, key_bytes_max });
        }
        let keys = shares.iter().filter(|(_, value)| !value.is_empty()).map(|(key, _)| key.as_str());
        let may = shares.is_empty() || self.local.may_share(&row, keys);
        (!may).then_some(ReflexError::NotShared { keys_max: SHARES_MAX })
    }
}

fn shared(write: &Write) -> Option<(String, Vec<u8>)> {
    match write {
        Write::Share { key, value } => Some((key.to_string(), value.clone())),
        _ => None,
    }
}
