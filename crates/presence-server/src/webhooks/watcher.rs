//! Turns the node's events into webhook messages. Every node follows all events, so that any node can take over; one of them
//! sends.

use std::collections::HashMap;
use std::sync::Arc;

use presence_core::{MeshView, NodeName, Now, PeerState, Room, RoomView};

use super::message::{RoomData, RoomReason, RoomVisit, ThresholdData, WebhookMessage, digest};
use super::room_reports::{AskApp, ReportedRoom, RoomReports};
use super::threshold::ThresholdState;
use crate::config::Threshold;

/// Something that the node reported.
#[derive(Clone, Debug)]
pub(super) enum NodeEvent {
    Joined(RoomVisit),
    Left(RoomVisit),
    /// A room has a new view.
    RoomChanged(Arc<RoomView>),
    /// A room is empty and forgotten.
    RoomForgotten(Room),
    /// The mesh has a new view.
    MeshChanged(Arc<MeshView>),
    /// Messages for this receiver were dropped.
    Stale(usize),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum WebhookAction {
    /// Send a message to every receiver.
    Send(WebhookMessage),
    /// Send the state of all rooms to this receiver, or to every one.
    Resync { to: Option<usize>, resync: Arc<Resync> },
}

/// All rooms that are occupied when it starts, and those of which the app reports something.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Resync {
    pub(super) id: String,
    pub(super) rooms: Vec<OccupiedRoom>,
    pub(super) reported: Vec<ReportedRoom>,
}

/// An occupied room, and the thresholds that it is above.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct OccupiedRoom {
    pub(super) room: Room,
    pub(super) above: Vec<String>,
}

/// What is known about an occupied room.
#[derive(Clone, Debug, Default)]
struct Occupancy {
    users: u32,
    /// The visit that ended last.
    last_left: Option<String>,
}

/// What a watcher follows.
pub(super) struct WatcherConfig {
    pub(super) node: NodeName,
    pub(super) incarnation: u64,
    /// Only rooms whose name starts with one of these; none: all rooms.
    pub(super) prefixes: Vec<String>,
    pub(super) thresholds: Vec<Threshold>,
    pub(super) ask: AskApp,
}

/// Follows the node's events.
pub(super) struct Watcher {
    config: WatcherConfig,
    occupied: HashMap<Room, Occupancy>,
    /// By room and index of the threshold; only those that are not calm.
    thresholds: HashMap<(Room, usize), ThresholdState>,
    reports: RoomReports,
    mesh: Option<Arc<MeshView>>,
    sends: bool,
    resyncs: u64,
}

impl Watcher {
    pub(super) fn new(config: WatcherConfig) -> Self {
        let (occupied, thresholds) = (HashMap::new(), HashMap::new());
        let reports = RoomReports::new(Arc::clone(&config.ask));
        Self { config, occupied, thresholds, reports, mesh: None, sends: false, resyncs: 0 }
    }

    /// Handles an event. A node that does not send returns nothing.
    pub(super) fn handle(&mut self, event: NodeEvent, now: Now) -> Vec<WebhookAction> {
        match event {
            NodeEvent::Joined(visit) => self.joined(&visit, now),
            NodeEvent::Left(visit) => self.left(&visit, now),
            NodeEvent::RoomChanged(view) => self.room_changed(&view, now),
            NodeEvent::RoomForgotten(room) => {
                self.reports.forget(&room);
                self.vacated(&room, now)
            }
            NodeEvent::MeshChanged(view) => {
                self.mesh = Some(view);
                self.elect()
            }
            NodeEvent::Stale(receiver) if self.sends => vec![self.resync(Some(receiver))],
            NodeEvent::Stale(_) => Vec::new(),
        }
    }

    /// Checks what depends on time only.
    pub(super) fn tick(&mut self, now: Now) -> Vec<WebhookAction> {
        let rooms: Vec<Room> = self.thresholds.keys().map(|(room, _)| room.clone()).collect();
        // Before a resync, so that it has all that is settled.
        let settled = self.reports.settle(now);
        let mut actions = self.send(settled);
        actions.extend(self.elect());
        for room in rooms {
            let users = self.occupied.get(&room).map_or(0, |occupancy| occupancy.users);
            actions.extend(self.check_thresholds(&room, users, now));
        }
        actions
    }

    /// Starts again from all rooms, since events were missed.
    pub(super) fn restart(&mut self, views: &[Arc<RoomView>], now: Now) -> Vec<WebhookAction> {
        let views: Vec<_> = views.iter().filter(|view| self.follows(&view.room)).collect();
        let occupied = views.iter().filter(|view| view.users + view.unsure > 0);
        let occupancy = |view: &RoomView| Occupancy { users: view.users, last_left: None };
        self.occupied = occupied.map(|view| (view.room.clone(), occupancy(view))).collect();
        self.reports.restart(&views, now.mono);
        if self.sends { vec![self.resync(None)] } else { Vec::new() }
    }

    fn follows(&self, room: &Room) -> bool {
        let prefixes = &self.config.prefixes;
        prefixes.is_empty() || prefixes.iter().any(|prefix| room.as_str().starts_with(prefix))
    }

    /// The live node with the lowest name sends, of those whose clock is right: receivers refuse what is signed at a wrong time.
    /// A node that takes over begins with a resync. One that has just started sends nothing until it knows what the others know:
    /// their users would seem to join.
    fn elect(&mut self) -> Vec<WebhookAction> {
        let Some(mesh) = &self.mesh else { return Vec::new() };
        let live = mesh.nodes.iter().filter(|node| node.state == PeerState::Live);
        let elected = live.min_by_key(|node| (node.wrong_clock, &node.name)).map(|node| &node.name);
        let sends = mesh.caught_up && elected == Some(&self.config.node);
        let takes_over = sends && !self.sends;
        self.sends = sends;
        if takes_over { vec![self.resync(None)] } else { Vec::new() }
    }

    fn resync(&mut self, to: Option<usize>) -> WebhookAction {
        self.resyncs += 1;
        let count = format!("{} {}", self.config.incarnation, self.resyncs);
        let id = digest(&["resync", self.config.node.as_str(), &count]);
        let rooms = self.occupied.keys().map(|room| OccupiedRoom { room: room.clone(), above: self.above(room) });
        let (rooms, reported) = (rooms.collect(), self.reports.settled());
        WebhookAction::Resync { to, resync: Arc::new(Resync { id, rooms, reported }) }
    }

    fn above(&self, room: &Room) -> Vec<String> {
        let all = self.config.thresholds.iter().enumerate();
        let above = |index: usize| self.thresholds.get(&(room.clone(), index)).is_some_and(|state| state.above);
        all.filter(|(index, _)| above(*index)).map(|(_, threshold)| threshold.text().to_owned()).collect()
    }

    fn send(&self, messages: impl IntoIterator<Item = WebhookMessage>) -> Vec<WebhookAction> {
        messages.into_iter().filter(|_| self.sends).map(WebhookAction::Send).collect()
    }

    fn joined(&mut self, visit: &RoomVisit, now: Now) -> Vec<WebhookAction> {
        if !self.follows(&visit.room) {
            return Vec::new();
        }
        let mut messages = Vec::new();
        if !self.occupied.contains_key(&visit.room) {
            self.occupied.insert(visit.room.clone(), Occupancy { users: 1, last_left: None });
            messages.push(self.room_message(&visit.room, 1, RoomReason::Arrived, &visit.id(), now));
        }
        messages.push(WebhookMessage::member_joined(visit, now.wall.0));
        self.send(messages)
    }

    fn left(&mut self, visit: &RoomVisit, now: Now) -> Vec<WebhookAction> {
        if !self.follows(&visit.room) {
            return Vec::new();
        }
        if let Some(occupancy) = self.occupied.get_mut(&visit.room) {
            occupancy.last_left = Some(visit.id());
        }
        self.send([WebhookMessage::member_left(visit, now.wall.0)])
    }

    fn room_changed(&mut self, view: &RoomView, now: Now) -> Vec<WebhookAction> {
        if !self.follows(&view.room) {
            return Vec::new();
        }
        self.reports.room_changed(view, now.mono);
        // A user that only a silent node reports keeps a room occupied.
        if view.users == 0 && view.unsure == 0 { self.vacated(&view.room, now) } else { self.counted(view, now) }
    }

    fn counted(&mut self, view: &RoomView, now: Now) -> Vec<WebhookAction> {
        let RoomView { room, users, .. } = view;
        let known = self.occupied.contains_key(room);
        self.occupied.entry(room.clone()).or_default().users = *users;
        let mut actions = Vec::new();
        // Its users joined earlier: messages about them were sent then, or a resync follows.
        if !known && *users > 0 {
            let cause = now.wall.0.to_string();
            actions = self.send([self.room_message(room, *users, RoomReason::Arrived, &cause, now)]);
        }
        actions.extend(self.check_thresholds(room, *users, now));
        actions
    }

    fn vacated(&mut self, room: &Room, now: Now) -> Vec<WebhookAction> {
        let mut actions = Vec::new();
        if let Some(occupancy) = self.occupied.remove(room) {
            let cause = occupancy.last_left.unwrap_or_else(|| now.wall.0.to_string());
            actions = self.send([self.room_message(room, 0, RoomReason::Left, &cause, now)]);
        }
        actions.extend(self.check_thresholds(room, 0, now));
        actions
    }

    fn room_message(&self, room: &Room, users: u32, reason: RoomReason, cause: &str, now: Now) -> WebhookMessage {
        let data = RoomData { room: room.to_string(), users, reason, above: self.above(room), resync: None };
        WebhookMessage::room(room, &data, cause, now.wall.0)
    }

    fn check_thresholds(&mut self, room: &Room, users: u32, now: Now) -> Vec<WebhookAction> {
        let mut messages = Vec::new();
        let thresholds = self.config.thresholds.iter().enumerate();
        for (index, threshold) in thresholds.filter(|(_, threshold)| threshold.is_for(room)) {
            let key = (room.clone(), index);
            let mut state = self.thresholds.remove(&key).unwrap_or_default();
            if let Some(crossing) = state.update(threshold, users, now.mono.0) {
                // Nodes do not see a crossing in the same millisecond.
                let cause = (now.wall.0 / threshold.for_ms()).to_string();
                let data = ThresholdData { room, users, threshold: threshold.text() };
                messages.push(WebhookMessage::threshold(crossing, &data, &cause, now.wall.0));
            }
            if !state.is_calm() {
                self.thresholds.insert(key, state);
            }
        }
        self.send(messages)
    }
}

#[cfg(test)]
mod tests;
