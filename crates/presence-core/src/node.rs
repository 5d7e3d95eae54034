//! Input in, outputs out: where presence, facts, peers and the app meet.

use std::sync::Arc;

use crate::app::{App, Outcome, ReflexCall, Refusal, Write};
use crate::clock::Clock;
use crate::drawing::{Drawing, Source};
use crate::facts::{self, EntryId, Fact, FactKey, Facts, Merged};
use crate::id::{ConnectionId, Digest, NodeHash, NodeName, Region, Room, SubscriptionId, UserId};
use crate::input::{Input, Now, Output};
use crate::own::{Own, row_key};
use crate::presence::{Presence, Weight};
use crate::room::{Place, RegionState, RegionView};
use crate::row::TableKey;

/// Ticks come at least this often.
const TICK_MS: u64 = 200;

/// What a node is told once, at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its region.
    pub region: Region,
    /// The region's name and place, announced to the others.
    pub place: Place,
    /// Its name, unique in the mesh.
    pub name: NodeName,
    /// Greater than at any start before.
    pub incarnation: u64,
    /// A random number drawn at this start: two nodes with one name differ in it.
    pub birth: u64,
    /// Its addresses as others reach them.
    pub advertised: Vec<String>,
    /// Whether there is a mesh at all; a node alone publishes nothing.
    pub meshed: bool,
    /// SHA-256.
    pub digest: Digest,
}

/// One running node. The driver owns it, alone.
pub struct Node {
    pub(crate) settings: Settings,
    pub(crate) hash: NodeHash,
    app: Arc<dyn App>,
    pub(crate) presence: Presence,
    pub(crate) own: Own,
    pub(crate) facts: Facts,
    clock: Clock,
    entries: u64,
    drawing: Drawing,
    ticked_ms: u64,
    outputs: Vec<Output>,
}

impl Node {
    /// A node at its start, with what it kept on disk: the records of [`Output::Keep`]. A record that can't be read is
    /// skipped. Outputs of the start (views, first dials) come with the first [`Input::Ticked`].
    pub fn new(settings: Settings, app: Arc<dyn App>, records: &[Vec<u8>], now: Now) -> Self {
        let hash = NodeHash::of(&settings.name, settings.digest);
        let key = TableKey { node: hash, incarnation: settings.incarnation };
        let mut presence = Presence::new(settings.digest);
        presence.open_table(key, &settings.region, Weight::Counted);
        let mut facts = Facts::new(settings.digest);
        let mut clock = Clock::new(hash, settings.incarnation);
        for record in records {
            facts.merge(record, u64::MAX, now.wall_ms);
        }
        if let Some(newest) = facts.newest() {
            clock.see(newest);
        }
        let mut drawing = Drawing::default();
        for room in facts.rooms() {
            drawing.open(&room, now.mono_ms);
        }
        Self {
            hash,
            app,
            presence,
            own: Own::new(key),
            facts,
            clock,
            entries: 0,
            drawing,
            ticked_ms: now.mono_ms,
            outputs: Vec::new(),
            settings,
        }
    }

    /// Takes one input and says what is to be done.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Output> {
        match input {
            Input::Ticked => self.tick(now),
            Input::Joined { connection, subscription, room, user, info } => {
                let key = row_key(room.hash(self.settings.digest), user);
                let at = (now.mono_ms, now.wall_ms);
                self.own.joined((connection, subscription), &room, key, info, &mut self.presence, at);
                self.drawing.arrived(&room, (connection, subscription), None, now.mono_ms);
            }
            Input::Listened { connection, subscription, room, user } => {
                let key = row_key(room.hash(self.settings.digest), user);
                self.own.listened(connection, subscription, room.clone(), key);
                self.drawing.arrived(&room, (connection, subscription), Some(user), now.mono_ms);
            }
            Input::Unsubscribed { connection, subscription } => {
                self.own.unsubscribed(connection, subscription, &mut self.presence, now.mono_ms);
            }
            Input::Disconnected { connection, ended } => {
                self.own.disconnected(connection, ended, &mut self.presence, now.mono_ms);
            }
            Input::Served { room, user } => {
                let key = row_key(room.hash(self.settings.digest), user);
                self.own.served(key, now.mono_ms);
                self.drawing.open(&room, now.mono_ms);
            }
            Input::Clicked { connection, subscription, room, user, call } => {
                self.clicked((connection, subscription), &room, user, call, now);
            }
            _ => {}
        }
        self.settle(now);
        std::mem::take(&mut self.outputs)
    }

    /// The `mono_ms` at which [`Input::Ticked`] is due next, at the latest 200 ms after the last one.
    pub fn wake_at_ms(&self) -> u64 {
        let tick_ms = self.ticked_ms + TICK_MS;
        self.drawing.due_ms().map_or(tick_ms, |due_ms| due_ms.min(tick_ms))
    }

    fn tick(&mut self, now: Now) {
        self.ticked_ms = now.mono_ms;
        self.own.expire(&mut self.presence, now.mono_ms);
    }

    /// What follows from every input: rows that others must know, and pages that look different.
    fn settle(&mut self, now: Now) {
        for (hash, dirty) in self.presence.take_dirty() {
            let name = self.presence.room(&hash).and_then(|room| room.name.clone()).or_else(|| dirty.closed.clone());
            if let Some(room) = name {
                self.drawing.counted(&room, dirty, now.mono_ms);
            }
        }
        let regions = vec![RegionView {
            region: self.settings.region.clone(),
            place: self.settings.place.clone(),
            state: RegionState::Live,
            since_ms: 0,
            whole: true,
            heard_ms_ago: 0,
            round_trip_ms: None,
            users: 0,
            tabs: 0,
            unsure: 0,
        }];
        let source = Source {
            presence: &self.presence,
            facts: &self.facts,
            own: &self.own,
            app: &*self.app,
            regions: &regions,
            here: &self.settings.region,
            digest: self.settings.digest,
            time_ms: now.wall_ms,
            limit_ms: now.wall_ms + facts::FUTURE_MS,
        };
        self.drawing.draw(&source, now.mono_ms, &mut self.outputs);
    }

    fn clicked(
        &mut self,
        (connection, subscription): (ConnectionId, SubscriptionId),
        room: &Room,
        user: UserId,
        call: ReflexCall,
        now: Now,
    ) {
        let outcome = match self.drawing.view(room) {
            None => Outcome::Failed("Join the room before you click in it.".to_owned()),
            Some(view) => match self.app.reflex(&call, view) {
                Err(Refusal::Unknown) => Outcome::Failed(format!("There is no reflex {}.", call.target)),
                Err(Refusal::Because(why)) => Outcome::Failed(why),
                Ok(writes) => self.write_all(room, user, writes, now).map_or_else(Outcome::Failed, |()| Outcome::Done),
            },
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
            Write::Set { key, value, lasts_ms } => (key, value, lasts_ms, 0),
            Write::Append { key, value, cap, lasts_ms } => (key, value, lasts_ms, cap.clamp(1, facts::CAP_MAX)),
        };
        if value.len() > facts::VALUE_BYTES_MAX {
            return Err(format!("A value may have {} bytes at most.", facts::VALUE_BYTES_MAX));
        }
        let (used, known) = self.facts.keys_used(room, key);
        if !known && used >= facts::KEYS_MAX {
            return Err(format!("A room may hold {} facts at most.", facts::KEYS_MAX));
        }
        let entry = (cap > 0).then(|| {
            self.entries += 1;
            EntryId { node: self.hash, incarnation: self.settings.incarnation, count: self.entries }
        });
        let stamp = self.clock.stamp(now.wall_ms);
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
        let bytes = minicbor::to_vec(&fact).expect("writing to memory can't fail");
        self.take_fact(&bytes, now);
        Ok(())
    }

    /// Takes a fact, whoever wrote it: from here on a click on this node and one on another are the same.
    fn take_fact(&mut self, bytes: &[u8], now: Now) {
        let limit_ms = now.wall_ms + facts::FUTURE_MS;
        if let Merged::Taken { key, displaced } = self.facts.merge(bytes, limit_ms, now.wall_ms) {
            if let Some(kept) = self.facts.get(&key) {
                self.clock.see(kept.fact.stamp);
                self.outputs.push(Output::Keep { key: kept.hash.to_vec(), record: Some(bytes.to_vec()) });
            }
            self.fact_changed(&key, now);
            for key in displaced {
                self.fact_gone(&key, now);
            }
        }
    }

    fn fact_gone(&mut self, key: &FactKey, now: Now) {
        let record = None;
        self.outputs.push(Output::Keep { key: facts::key_hash(key, self.settings.digest).to_vec(), record });
        self.fact_changed(key, now);
    }

    fn fact_changed(&mut self, key: &FactKey, now: Now) {
        match key.entry {
            Some(_) => self.drawing.logged(&key.room, &key.key, now.mono_ms),
            None => self.drawing.set(&key.room, &key.key, now.mono_ms),
        }
    }
}
