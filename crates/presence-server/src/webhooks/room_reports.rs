//! What the app reports of each room. Every node follows it; the one that sends is told what has been true for long enough.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use presence_core::{Mono, Now, Report, Room, RoomView};

use super::message::WebhookMessage;

/// How long something must be true before it is sent. Facts that were written together may arrive one after the other, and by
/// then regions agree about what two of them did at once.
const SETTLED_MS: u64 = 1_000;

/// Asks the app what it reports of a room; `None`: it failed.
pub(super) type AskApp = Arc<dyn Fn(&RoomView) -> Option<Vec<Report>> + Send + Sync>;

/// A report, by the id of its message.
#[derive(Debug)]
enum RoomReport {
    New { report: Report, since: Mono },
    Settled,
}

/// The reports of a room that a resync sends, if they are still true then.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct ReportedRoom {
    pub(super) room: Room,
    pub(super) ids: BTreeSet<String>,
}

/// The reports of all rooms.
pub(super) struct RoomReports {
    ask: AskApp,
    rooms: HashMap<Room, BTreeMap<String, RoomReport>>,
    /// Those that have reports that are not settled.
    unsettled: BTreeSet<Room>,
}

impl RoomReports {
    pub(super) fn new(ask: AskApp) -> Self {
        Self { ask, rooms: HashMap::new(), unsettled: BTreeSet::new() }
    }

    /// Asks the app again, since a room has a new view.
    pub(super) fn room_changed(&mut self, view: &RoomView, now: Mono) {
        let Some(reports) = (self.ask)(view) else { return };
        let mut known = self.rooms.remove(&view.room).unwrap_or_default();
        let current = reports.into_iter().map(|report| {
            let id = WebhookMessage::report_id(&view.room, &report);
            let report = known.remove(&id).unwrap_or(RoomReport::New { report, since: now });
            (id, report)
        });
        let current: BTreeMap<_, _> = current.collect();
        if current.values().any(|report| matches!(report, RoomReport::New { .. })) {
            self.unsettled.insert(view.room.clone());
        }
        if !current.is_empty() {
            self.rooms.insert(view.room.clone(), current);
        }
    }

    /// A room is forgotten.
    pub(super) fn forget(&mut self, room: &Room) {
        self.rooms.remove(room);
    }

    /// Starts again from all rooms, since views were missed.
    pub(super) fn restart(&mut self, views: &[&Arc<RoomView>], now: Mono) {
        let kept: BTreeSet<&Room> = views.iter().map(|view| &view.room).collect();
        self.rooms.retain(|room, _| kept.contains(room));
        views.iter().for_each(|view| self.room_changed(view, now));
    }

    /// The messages about what has been true for long enough by now.
    pub(super) fn settle(&mut self, now: Now) -> Vec<WebhookMessage> {
        let mut messages = Vec::new();
        let rooms = &mut self.rooms;
        self.unsettled.retain(|room| {
            let mut waits = false;
            for report in rooms.get_mut(room).into_iter().flat_map(BTreeMap::values_mut) {
                match report {
                    RoomReport::New { report: new, since } if now.mono.since(*since) >= SETTLED_MS => {
                        messages.push(WebhookMessage::report(room, new, now.wall.0));
                        *report = RoomReport::Settled;
                    }
                    RoomReport::New { .. } => waits = true,
                    RoomReport::Settled => {}
                }
            }
            waits
        });
        messages
    }

    /// What has been true for long enough, in all rooms.
    pub(super) fn settled(&self) -> Vec<ReportedRoom> {
        let rooms = self.rooms.iter().map(|(room, reports)| {
            let settled = reports.iter().filter(|(_, report)| matches!(report, RoomReport::Settled));
            ReportedRoom { room: room.clone(), ids: settled.map(|(id, _)| id.clone()).collect() }
        });
        rooms.filter(|reported| !reported.ids.is_empty()).collect()
    }
}
