//! From what the node says to what is to be told; without it every receiver would have to work out what became different.
//! Every node follows everything, so that any of them can go on where another one ended; one of them tells.

use std::collections::HashMap;
use std::sync::Arc;

use presence_core::{MeshView, NodeName, Now, Room, RoomView};

use super::event::{Letter, Passage, Reason, RoomData, digest};
use super::threshold::Level;
use crate::config::Threshold;

/// After this long a node tells, whether it has heard the others or not.
const PEERS_WAITED_FOR_MS: u64 = 5_000;

/// Something that the node said.
#[derive(Clone, Debug)]
pub(super) enum Happened {
    Arrived(Passage),
    Left(Passage),
    /// A room has a new view.
    Viewed(Arc<RoomView>),
    /// Nobody is in a room any more, and nothing is kept of it.
    Forgotten(Room),
    /// The mesh has a new view.
    Meshed(Arc<MeshView>),
    /// What waited for this receiver was given up.
    Stale(usize),
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// Tell every receiver.
    Letter(Letter),
    /// Tell every receiver, or this one, how all is.
    Resync { to: Option<usize>, sync: Arc<Resync> },
}

/// How all is: what is occupied when it begins.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Resync {
    pub(super) id: String,
    /// Occupied rooms, and the thresholds that each is above.
    pub(super) rooms: Vec<(Room, Vec<String>)>,
}

/// What is known of a room that somebody is in.
#[derive(Clone, Debug, Default)]
struct Occupied {
    users: u32,
    /// Whose leaving was the last.
    left: Option<String>,
}

pub(super) struct Watcher {
    node: NodeName,
    incarnation: u64,
    prefixes: Vec<String>,
    thresholds: Vec<Threshold>,
    occupied: HashMap<Room, Occupied>,
    /// Only what is not calm.
    levels: HashMap<(Room, usize), Level>,
    mesh: Option<Arc<MeshView>>,
    started_ms: u64,
    tells: bool,
    resyncs: u64,
}

impl Watcher {
    pub(super) fn new(
        (node, incarnation): (NodeName, u64),
        prefixes: Vec<String>,
        thresholds: Vec<Threshold>,
        now: Now,
    ) -> Self {
        Self {
            node,
            incarnation,
            prefixes,
            thresholds,
            occupied: HashMap::new(),
            levels: HashMap::new(),
            mesh: None,
            started_ms: now.mono_ms,
            tells: false,
            resyncs: 0,
        }
    }

    /// Takes what happened. Nothing is told by a node that is not the one to tell.
    pub(super) fn take(&mut self, happened: Happened, now: Now) -> Vec<Told> {
        match happened {
            Happened::Arrived(passage) => self.arrived(&passage, now),
            Happened::Left(passage) => self.left(&passage, now),
            Happened::Viewed(view) => self.viewed(&view, now),
            Happened::Forgotten(room) => self.counted(&room, 0, false, now),
            Happened::Meshed(view) => {
                self.mesh = Some(view);
                self.judge(now)
            }
            Happened::Stale(receiver) if self.tells => vec![self.resync(Some(receiver))],
            Happened::Stale(_) => Vec::new(),
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Now) -> Vec<Told> {
        let rooms: Vec<Room> = self.levels.keys().map(|(room, _)| room.clone()).collect();
        let mut told = self.judge(now);
        for room in rooms {
            let users = self.occupied.get(&room).map_or(0, |occupied| occupied.users);
            told.extend(self.weigh(&room, users, now));
        }
        told
    }

    /// Begins anew from all that is occupied now, since something that happened was not heard.
    pub(super) fn begin_anew(&mut self, views: &[Arc<RoomView>]) -> Vec<Told> {
        let views = views.iter().filter(|view| view.users + view.unsure > 0 && self.is_for(&view.room));
        self.occupied = views.map(|view| (view.room.clone(), Occupied { users: view.users, left: None })).collect();
        if self.tells { vec![self.resync(None)] } else { Vec::new() }
    }

    fn is_for(&self, room: &Room) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| room.as_str().starts_with(prefix))
    }

    /// Whether this node is the one to tell: of all that are live the one with the lowest name.
    fn judge(&mut self, now: Now) -> Vec<Told> {
        let Some(mesh) = &self.mesh else { return Vec::new() };
        let knows = mesh.exchanged || now.mono_ms.saturating_sub(self.started_ms) >= PEERS_WAITED_FOR_MS;
        let live = mesh.nodes.iter().filter(|node| node.state == "live").map(|node| &node.name);
        let tells = knows && live.min() == Some(&self.node);
        let begins = tells && !self.tells;
        self.tells = tells;
        if begins { vec![self.resync(None)] } else { Vec::new() }
    }

    fn resync(&mut self, to: Option<usize>) -> Told {
        self.resyncs += 1;
        let count = format!("{} {}", self.incarnation, self.resyncs);
        let id = digest(&["resync", self.node.as_str(), &count]);
        let rooms = self.occupied.keys().map(|room| (room.clone(), self.above(room))).collect();
        Told::Resync { to, sync: Arc::new(Resync { id, rooms }) }
    }

    fn above(&self, room: &Room) -> Vec<String> {
        let all = self.thresholds.iter().enumerate();
        let above = all.filter(|(index, _)| self.levels.get(&(room.clone(), *index)).is_some_and(|level| level.above));
        above.map(|(_, threshold)| threshold.text().to_owned()).collect()
    }

    fn letters(&self, letters: impl IntoIterator<Item = Letter>) -> Vec<Told> {
        letters.into_iter().filter(|_| self.tells).map(Told::Letter).collect()
    }

    fn arrived(&mut self, passage: &Passage, now: Now) -> Vec<Told> {
        if !self.is_for(&passage.room) {
            return Vec::new();
        }
        let mut letters = Vec::new();
        if !self.occupied.contains_key(&passage.room) {
            self.occupied.insert(passage.room.clone(), Occupied { users: 1, left: None });
            letters.push(self.room_letter(&passage.room, 1, Reason::Arrived, &passage.name(), now));
        }
        letters.push(Letter::member(passage, true, now.wall_ms));
        self.letters(letters)
    }

    fn left(&mut self, passage: &Passage, now: Now) -> Vec<Told> {
        if !self.is_for(&passage.room) {
            return Vec::new();
        }
        if let Some(occupied) = self.occupied.get_mut(&passage.room) {
            occupied.left = Some(passage.name());
        }
        self.letters([Letter::member(passage, false, now.wall_ms)])
    }

    fn viewed(&mut self, view: &RoomView, now: Now) -> Vec<Told> {
        if self.is_for(&view.room) { self.counted(&view.room, view.users, view.unsure > 0, now) } else { Vec::new() }
    }

    /// So many are in a room now. Somebody of whom only a silent node knows keeps it occupied.
    fn counted(&mut self, room: &Room, users: u32, unsure: bool, now: Now) -> Vec<Told> {
        let mut told = Vec::new();
        if users > 0 || unsure {
            let known = self.occupied.contains_key(room);
            self.occupied.entry(room.clone()).or_default().users = users;
            // Who is in it has not arrived here: that was told of when it was, or is told by a resync.
            if !known && users > 0 {
                told.extend(self.letters([self.room_letter(
                    room,
                    users,
                    Reason::Arrived,
                    &now.wall_ms.to_string(),
                    now,
                )]));
            }
        } else if let Some(occupied) = self.occupied.remove(room) {
            let because = occupied.left.unwrap_or_else(|| now.wall_ms.to_string());
            told.extend(self.letters([self.room_letter(room, 0, Reason::Left, &because, now)]));
        }
        told.extend(self.weigh(room, users, now));
        told
    }

    fn room_letter(&self, room: &Room, users: u32, reason: Reason, because: &str, now: Now) -> Letter {
        let data = RoomData { room: room.to_string(), users, reason, above: self.above(room), resync: None };
        Letter::room(room, &data, because, now.wall_ms)
    }

    /// Puts a room to its thresholds.
    fn weigh(&mut self, room: &Room, users: u32, now: Now) -> Vec<Told> {
        let mut letters = Vec::new();
        for (index, threshold) in self.thresholds.iter().enumerate().filter(|(_, threshold)| threshold.is_for(room)) {
            let key = (room.clone(), index);
            let mut level = self.levels.remove(&key).unwrap_or_default();
            if let Some(above) = level.step(threshold, users, now.mono_ms) {
                // Nodes do not see a crossing in the same millisecond.
                let because = (now.wall_ms / threshold.for_ms()).to_string();
                letters.push(Letter::threshold(room, users, threshold.text(), above, &because, now.wall_ms));
            }
            if !level.is_calm() {
                self.levels.insert(key, level);
            }
        }
        self.letters(letters)
    }
}

#[cfg(test)]
mod tests;
