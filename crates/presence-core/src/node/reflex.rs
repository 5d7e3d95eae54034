//! What a click becomes: the values that the app made of it are stamped and written.

use crate::app::reflex::{Outcome, ReflexError, Write};
use crate::facts::NewFact;
use crate::id::{Room, UserId};
use crate::local::sharing::SHARES_MAX;
use crate::node::Node;
use crate::presence::row::{RowKey, Share};
use crate::time::Now;

/// Longest value that a user shares.
const SHARED_BYTES_MAX: usize = 256;
/// Longest key of one.
const SHARED_KEY_BYTES_MAX: usize = 64;

impl Node {
    /// Writes what a click means. The user may have left by now, and the room may be gone. The click still counts.
    pub(super) fn clicked(
        &mut self,
        room: &Room,
        user: UserId,
        writes: Result<Vec<Write>, ReflexError>,
        now: Now,
    ) -> Outcome {
        let written =
            writes.and_then(|writes| writes.into_iter().try_for_each(|write| self.write(room, user, write, now)));
        written.map_or_else(Outcome::Failed, |()| Outcome::Done)
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
