//! What a click becomes: the app says what it means, and its values are stamped and written.

use std::sync::Arc;

use crate::app::reflex::{Outcome, ReflexCall, Refusal, Write};
use crate::facts::{self, EntryId, Fact};
use crate::id::{ConnectionId, Room, SubscriptionId, UserId};
use crate::io::output::Output;
use crate::local::row_key;
use crate::node::Node;
use crate::presence::row::Share;
use crate::render;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Now;
use crate::time::Stamp;

/// Longest value that a user shares.
const SHARED_BYTES_MAX: usize = 256;

impl Node {
    /// A stamp later than all that were seen, as far as they are believed.
    pub(crate) fn stamp(&mut self, now: Now) -> Stamp {
        let time_ms = self.time_ms(now);
        let stamp = self.clock.stamp(time_ms);
        if stamp.time_ms <= self.limit_ms(now) {
            return stamp;
        }
        // What this one is later than must not stand above it.
        self.restamp_ahead(now);
        self.set_clock_back(now);
        self.clock.stamp(time_ms)
    }

    /// Asks the app what a click means, writes that, and answers who clicked.
    pub(crate) fn clicked(
        &mut self,
        (connection, subscription): (ConnectionId, SubscriptionId),
        room: &Room,
        user: UserId,
        call: ReflexCall,
        now: Now,
    ) {
        // Whoever clicked may have left already, and the room with them: the click counts all the same.
        let view = self.render.view(room).cloned();
        let view = view.unwrap_or_else(|| Arc::new(render::view(room, 0, &self.source(now))));
        let outcome = match self.app.reflex(&call, &view) {
            Err(Refusal::Unknown) => Outcome::Failed(format!("There is no reflex {}.", call.target)),
            Err(Refusal::Because(why)) => Outcome::Failed(why),
            Ok(writes) => self.write_all(room, user, writes, now).map_or_else(Outcome::Failed, |()| Outcome::Done),
        };
        self.outputs.push(Output::Answer { connection, subscription, echo: call.echo, outcome });
    }

    fn write_all(&mut self, room: &Room, user: UserId, writes: Vec<Write>, now: Now) -> Result<(), String> {
        for write in writes {
            self.write(room, user, write, now)?;
        }
        Ok(())
    }

    fn write(&mut self, room: &Room, user: UserId, write: Write, now: Now) -> Result<(), String> {
        let (key, value, lasts_ms, cap) = match write {
            Write::Share { key, value } => return self.share(room, user, key, value, now),
            Write::Set { key, value, lasts_ms } => (key, value, lasts_ms, 0),
            Write::Append { key, value, cap, lasts_ms } => (key, value, lasts_ms, cap.clamp(1, facts::CAP_MAX)),
        };
        if value.len() > facts::VALUE_BYTES_MAX {
            return Err(format!("A value may have {} bytes at most.", facts::VALUE_BYTES_MAX));
        }
        if !self.facts.key_fits(room, key) {
            return Err(format!("A room may hold {} facts at most.", facts::KEYS_MAX));
        }
        let entry = (cap > 0).then(|| {
            self.entries += u64::from(!injected(Fault::OneEntry));
            EntryId { node: self.hash, incarnation: self.settings.incarnation, count: self.entries }
        });
        let stamp = self.stamp(now);
        let fact = Fact {
            room: room.as_str().to_owned(),
            key: key.to_owned(),
            entry,
            cap,
            stamp,
            user,
            region: self.settings.region.clone(),
            value,
            expires_ms: stamp.time_ms.saturating_add(lasts_ms.unwrap_or(facts::LASTS_MS)),
            #[cfg(feature = "later-version")]
            later: Some(7),
        };
        self.write_fact(&fact, now);
        Ok(())
    }

    fn share(&mut self, room: &Room, user: UserId, key: &str, value: Vec<u8>, now: Now) -> Result<(), String> {
        if value.len() > SHARED_BYTES_MAX || key.len() > 64 {
            return Err(format!("What is shared may have {SHARED_BYTES_MAX} bytes at most, and its key 64."));
        }
        let share = Share { key: key.to_owned(), stamp: self.stamp(now), value };
        let key = row_key(room.hash(self.settings.digest), user);
        let may = self.own.share(key, share, &mut self.presence, now.mono_ms);
        may.then_some(()).ok_or_else(|| "Only who is in the room shares something, under 4 keys at most.".to_owned())
    }
}
