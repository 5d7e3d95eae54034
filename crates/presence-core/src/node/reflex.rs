//! What a click becomes: the app says what it means, and its values are stamped and written.

use crate::app::reflex::{Outcome, ReflexCall, ReflexError, Refusal, Write};
use crate::facts::NewFact;
use crate::id::{Room, SubscriptionKey, UserId};
use crate::io::output::Output;
use crate::local::sharing::SHARES_MAX;
use crate::node::Node;
use crate::presence::row::{RowKey, Share};
use crate::time::Now;

/// Longest value that a user shares.
const SHARED_BYTES_MAX: usize = 256;
/// Longest key of one.
const SHARED_KEY_BYTES_MAX: usize = 64;

impl Node {
    /// Asks the app what a click means, writes that, and answers its sender.
    pub(super) fn clicked(&mut self, at: SubscriptionKey, room: &Room, user: UserId, call: ReflexCall, now: Now) {
        // The user may have left already, and the room with them: the click counts all the same.
        let view = self.render.view_now(room, &self.source(now));
        let written = match self.app.reflex(&call, &view) {
            Err(Refusal::Unknown) => Err(ReflexError::Unknown { target: call.target }),
            Err(Refusal::Because(why)) => Err(ReflexError::Refused(why)),
            Ok(writes) => writes.into_iter().try_for_each(|write| self.write(room, user, write, now)),
        };
        let outcome = written.map_or_else(Outcome::Failed, |()| Outcome::Done);
        let SubscriptionKey { connection, subscription } = at;
        self.out.push(Output::Answer { connection, subscription, echo: call.echo, outcome });
    }

    fn write(&mut self, room: &Room, user: UserId, write: Write, now: Now) -> Result<(), ReflexError> {
        let new = match write {
            Write::Share { key, value } => return self.share(room, user, key, value, now),
            Write::Set { key, value, lasts_ms } => NewFact { key, value, lasts_ms, cap: None },
            Write::Append { key, value, cap, lasts_ms } => NewFact { key, value, lasts_ms, cap: Some(cap) },
        };
        self.facts.write(&self.me, room, user, new, self.membership.clock(now), &mut self.out)
    }

    fn share(&mut self, room: &Room, user: UserId, key: &str, value: Vec<u8>, now: Now) -> Result<(), ReflexError> {
        if value.len() > SHARED_BYTES_MAX || key.len() > SHARED_KEY_BYTES_MAX {
            let (bytes_max, key_bytes_max) = (SHARED_BYTES_MAX, SHARED_KEY_BYTES_MAX);
            return Err(ReflexError::ShareTooLong { bytes_max, key_bytes_max });
        }
        let stamp = self.facts.stamp(self.membership.clock(now), &mut self.out);
        let share = Share { key: key.to_owned(), stamp, value };
        let key = RowKey::new(room.hash(self.me.digest), user);
        let shared = self.local.share(key, share, &mut self.presence, now.mono);
        shared.then_some(()).ok_or(ReflexError::NotShared { keys_max: SHARES_MAX })
    }
}
