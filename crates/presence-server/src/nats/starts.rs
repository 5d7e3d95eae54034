//! The starts of other nodes that were heard. A start counts once it has answered a question of this node: before that,
//! what is heard of it may be a recording.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use presence_core::{LinkId, NodeHash, NodeName};

use super::seal::{Lane, OpenedSeal, ReplayWindow, SealHeader, SealOpener, StartId};
use super::subjects::{self, SubjectParts};
use crate::config::is_token;
use crate::identity::sha256;

/// Core knows 256 nodes; each may have been restarted a few times in the last minute.
const STARTS_MAX: usize = 1_024;
/// A message is dropped if it took this much longer than others of its sender: as long as core's lease, after which it would
/// make a silent node seem live.
pub(super) const LATE_MS: u64 = 4_500;
/// How often a start is asked to confirm itself because of what was heard of it.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// A start that is linked confirms itself again after this time: clocks drift.
const CONFIRM_EVERY: Duration = Duration::from_secs(60);
/// How long a start that has not confirmed itself is known.
const UNCONFIRMED_FOR: Duration = Duration::from_secs(10);
/// How long a start that is not heard is known.
const UNHEARD_FOR: Duration = Duration::from_secs(60);

/// A key of the mesh, and the mesh's name in subjects.
#[derive(Clone)]
pub(crate) struct MeshKey {
    pub(crate) mesh: String,
    pub(crate) key: [u8; 32],
}

/// All that are known.
#[derive(Default)]
pub(super) struct HeardStarts(BTreeMap<StartId, HeardStart>);

struct HeardStart {
    name: String,
    node: NodeHash,
    opener: SealOpener,
    heard_at: Instant,
    asked_at: Option<Instant>,
    confirmed: Option<Confirmed>,
    link: Option<LinkId>,
}

struct Confirmed {
    at: Instant,
    heard_at: Instant,
    windows: [ReplayWindow; 2],
    /// How far this node's clock is ahead of the sender's, plus the time that the fastest message took.
    ahead_ms: i64,
}

/// Whether an opened message counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    News,
    /// Its sender has not confirmed its start yet.
    Unconfirmed,
    Repeated,
    /// This many ms later than other messages of its sender.
    Late(u64),
}

impl HeardStarts {
    /// Opens a message. A start that is heard for the first time becomes known, if it has a key of the mesh.
    pub(super) fn open(
        &mut self,
        keys: &[MeshKey],
        parts: SubjectParts<'_>,
        subject: &str,
        message: &[u8],
    ) -> Option<(SealHeader, OpenedSeal)> {
        let header = SealHeader::read(message)?;
        if let Some(known) = self.0.get(&header.start) {
            let opened = known.opener.open(subject, message).filter(|_| known.name == parts.from)?;
            return Some((header, opened));
        }
        let name = NodeName::new(parts.from).filter(|name| is_token(name.as_str()))?;
        // The keys of that mesh; all of them for an answer, whose subject names the mesh of the question.
        let (opener, opened) = keys.iter().find_map(|MeshKey { key, .. }| {
            let opener = SealOpener::new(key, parts.from, header.start);
            let opened = opener.open(subject, message)?;
            Some((opener, opened))
        })?;
        if self.0.len() < STARTS_MAX {
            let start = HeardStart {
                node: NodeHash::of(&name, sha256),
                name: parts.from.to_owned(),
                opener,
                heard_at: Instant::now(),
                asked_at: None,
                confirmed: None,
                link: None,
            };
            self.0.insert(header.start, start);
        }
        Some((header, opened))
    }

    /// Judges an opened message; `now_ms` is this node's clock.
    pub(super) fn judge(&mut self, header: SealHeader, sent_ms: u64, now_ms: u64) -> Verdict {
        let Some(start) = self.0.get_mut(&header.start) else { return Verdict::Unconfirmed };
        start.heard_at = Instant::now();
        let Some(confirmed) = &mut start.confirmed else { return Verdict::Unconfirmed };
        if !confirmed.windows[header.lane as usize].take(header.counter) {
            return Verdict::Repeated;
        }
        let took_ms = difference(now_ms, sent_ms);
        confirmed.ahead_ms = confirmed.ahead_ms.min(took_ms);
        let late_ms = u64::try_from(took_ms.saturating_sub(confirmed.ahead_ms)).unwrap_or(0);
        if header.lane == Lane::Messages && late_ms > LATE_MS {
            return Verdict::Late(late_ms);
        }
        confirmed.heard_at = start.heard_at;
        Verdict::News
    }

    /// A start has answered a question of this node: from now on what it says counts, but nothing that it said before.
    /// Returns whether it is confirmed for the first time.
    pub(super) fn confirm(&mut self, header: SealHeader, last_message: u64, sent_ms: u64, now_ms: u64) -> bool {
        let Some(start) = self.0.get_mut(&header.start) else { return false };
        let now = Instant::now();
        let ahead_ms = difference(now_ms, sent_ms);
        start.heard_at = now;
        match &mut start.confirmed {
            Some(confirmed) => {
                (confirmed.at, confirmed.heard_at, confirmed.ahead_ms) = (now, now, ahead_ms);
                confirmed.windows[Lane::Requests as usize].take(header.counter);
                false
            }
            None => {
                let windows = [ReplayWindow::after(last_message), ReplayWindow::after(header.counter)];
                start.confirmed = Some(Confirmed { at: now, heard_at: now, windows, ahead_ms });
                true
            }
        }
    }

    /// Whether a start is to be asked to confirm itself now, because something of it was heard. Notes that it is.
    pub(super) fn is_to_be_asked(&mut self, start: StartId) -> Option<String> {
        let start = self.0.get_mut(&start)?;
        if start.asked_at.is_some_and(|at| at.elapsed() < ASK_EVERY) {
            return None;
        }
        start.asked_at = Some(Instant::now());
        Some(start.name.clone())
    }

    /// Whether a start has confirmed itself, and was heard this recently.
    pub(super) fn is_heard(&self, start: StartId, within: Duration) -> bool {
        let confirmed = self.0.get(&start).and_then(|start| start.confirmed.as_ref());
        confirmed.is_some_and(|confirmed| confirmed.heard_at.elapsed() < within)
    }

    /// The other starts of that node that have confirmed themselves.
    pub(super) fn others_of(&self, name: &str, start: StartId) -> Vec<StartId> {
        let others =
            self.0.iter().filter(|(id, other)| **id != start && other.name == name && other.confirmed.is_some());
        others.map(|(id, _)| *id).collect()
    }

    /// The starts that are linked and have not confirmed themselves for long.
    pub(super) fn due(&self) -> Vec<(String, StartId)> {
        let due = |start: &HeardStart| {
            start.link.is_some() && start.confirmed.as_ref().is_some_and(|last| last.at.elapsed() >= CONFIRM_EVERY)
        };
        self.0.iter().filter(|(_, start)| due(start)).map(|(id, start)| (start.name.clone(), *id)).collect()
    }

    /// Begins a link to a confirmed start. Returns its node and the link that it had.
    pub(super) fn link(&mut self, start: StartId, link: LinkId) -> Option<(NodeHash, Option<LinkId>)> {
        let start = self.0.get_mut(&start).filter(|start| start.confirmed.is_some())?;
        Some((start.node, start.link.replace(link)))
    }

    pub(super) fn link_of(&self, start: StartId) -> Option<LinkId> {
        self.0.get(&start).and_then(|start| start.link)
    }

    pub(super) fn node_of(&self, start: StartId) -> Option<NodeHash> {
        self.0.get(&start).map(|start| start.node)
    }

    pub(super) fn linked(&self, link: LinkId) -> Option<(String, StartId)> {
        let found = self.0.iter().find(|(_, start)| start.link == Some(link));
        found.map(|(id, start)| (start.name.clone(), *id))
    }

    pub(super) fn unlink(&mut self, link: LinkId) {
        for start in self.0.values_mut().filter(|start| start.link == Some(link)) {
            start.link = None;
        }
    }

    /// A start is over. Returns the link that led there.
    pub(super) fn remove(&mut self, start: StartId) -> Option<LinkId> {
        self.0.remove(&start).and_then(|start| start.link)
    }

    /// The addresses of the confirmed starts.
    pub(super) fn addresses(&self) -> Vec<String> {
        let confirmed = self.0.iter().filter(|(_, start)| start.confirmed.is_some());
        confirmed.map(|(id, start)| subjects::address(&start.name, *id)).collect()
    }

    /// Forgets starts that were not heard for long.
    pub(super) fn prune(&mut self) {
        self.0.retain(|_, start| {
            let known_for = if start.confirmed.is_some() { UNHEARD_FOR } else { UNCONFIRMED_FOR };
            start.link.is_some() || start.heard_at.elapsed() < known_for
        });
    }
}

fn difference(now_ms: u64, sent_ms: u64) -> i64 {
    i64::try_from(i128::from(now_ms) - i128::from(sent_ms)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::seal::Sealer;

    const SUBJECT: &str = "gp.m.all.ams-1";

    fn keys(keys: &[u8]) -> Vec<MeshKey> {
        keys.iter().map(|key| MeshKey { mesh: "m".to_owned(), key: [*key; 32] }).collect()
    }

    /// What became of a message: `None` if it can't be opened.
    fn hear(starts: &mut HeardStarts, keys: &[MeshKey], sealed: &[u8], now_ms: u64) -> Option<Verdict> {
        let parts = subjects::parse(SUBJECT).unwrap();
        let (header, opened) = starts.open(keys, parts, SUBJECT, sealed)?;
        Some(starts.judge(header, opened.sent_ms, now_ms))
    }

    fn confirm(starts: &mut HeardStarts, sealer: &Sealer, now_ms: u64) -> bool {
        let header = SealHeader::read(&sealer.seal(Lane::Requests, "s", 0, 0, b"")).unwrap();
        starts.confirm(header, sealer.last(Lane::Messages), now_ms, now_ms)
    }

    #[test]
    fn what_was_said_before_a_start_confirmed_itself_never_counts() {
        let (mut starts, keys) = (HeardStarts::default(), keys(&[1]));
        let sealer = Sealer::new(&[1; 32], "ams-1", StartId(5));
        let say = || sealer.seal(Lane::Messages, SUBJECT, 1_000, 0, b"hello");
        let recorded = say();
        assert_eq!(hear(&mut starts, &keys, &recorded, 1_000), Some(Verdict::Unconfirmed));
        assert!(confirm(&mut starts, &sealer, 1_000), "for the first time");
        assert_eq!(hear(&mut starts, &keys, &recorded, 1_000), Some(Verdict::Repeated));
        let news = say();
        assert_eq!(hear(&mut starts, &keys, &news, 1_000), Some(Verdict::News));
        assert_eq!(hear(&mut starts, &keys, &news, 1_000), Some(Verdict::Repeated));
        assert!(!confirm(&mut starts, &sealer, 1_000));
        assert_eq!(hear(&mut starts, &keys, &news, 1_000), Some(Verdict::Repeated), "confirming again forgets nothing");
    }

    #[test]
    fn a_stranger_becomes_known_by_no_name_and_both_secrets_are_accepted() {
        let mut starts = HeardStarts::default();
        let say = |key: u8| {
            Sealer::new(&[key; 32], "ams-1", StartId(u64::from(key))).seal(Lane::Messages, SUBJECT, 0, 0, b"")
        };
        assert_eq!(hear(&mut starts, &keys(&[1, 2]), &say(3), 0), None);
        assert!(starts.0.is_empty());
        assert_eq!(hear(&mut starts, &keys(&[1, 2]), &say(1), 0), Some(Verdict::Unconfirmed));
        assert_eq!(hear(&mut starts, &keys(&[1, 2]), &say(2), 0), Some(Verdict::Unconfirmed));
    }

    #[test]
    fn a_message_that_took_longer_than_the_lease_is_late_until_the_clocks_are_compared_again() {
        let (mut starts, keys) = (HeardStarts::default(), keys(&[1]));
        let sealer = Sealer::new(&[1; 32], "ams-1", StartId(5));
        let say = |sent_ms| sealer.seal(Lane::Messages, SUBJECT, sent_ms, 0, b"");
        hear(&mut starts, &keys, &say(0), 0);
        confirm(&mut starts, &sealer, 10_000);
        let mut heard = |sent_ms, now_ms| hear(&mut starts, &keys, &say(sent_ms), now_ms);
        assert_eq!(heard(20_000, 20_000 + LATE_MS), Some(Verdict::News));
        assert_eq!(heard(20_000, 20_001 + LATE_MS), Some(Verdict::Late(LATE_MS + 1)));
        // The sender's clock runs 300 ms behind what was thought: all its messages had been thought faster.
        assert_eq!(heard(40_000, 39_700), Some(Verdict::News));
        assert_eq!(heard(40_000, 40_000 + LATE_MS), Some(Verdict::Late(LATE_MS + 300)));
        // It was suspended, and its clock stood for ten seconds.
        assert_eq!(heard(50_000, 60_000), Some(Verdict::Late(10_300)));
        let header = SealHeader::read(&sealer.seal(Lane::Requests, "s", 0, 0, b"")).unwrap();
        starts.confirm(header, 0, 50_000, 60_000);
        assert_eq!(hear(&mut starts, &keys, &say(50_100), 60_100), Some(Verdict::News));
    }
}
