//! A resync: the state of all rooms, instead of what was dropped or of what another node has sent.

use super::{DeliveryEnd, DeliveryQueue, NumberedResync, ResyncStart, queue_of};
use crate::webhooks::message::{RoomData, RoomReason, WebhookMessage};
use crate::webhooks::room_reports::ReportedRoom;
use crate::webhooks::watcher::{OccupiedRoom, Resync};

impl DeliveryQueue {
    /// Sends the state of this queue's rooms, each as it is when it is sent.
    pub(super) async fn send_resync(&mut self) -> DeliveryEnd {
        let NumberedResync { number, resync } = self.resyncs.borrow_and_update().clone();
        let Some(resync) = resync else { return DeliveryEnd::Delivered };
        match self.start_resync(number, &resync).await {
            DeliveryEnd::Delivered => {}
            end => return end,
        }
        let index = self.index;
        for OccupiedRoom { room, above } in resync.rooms.iter().filter(|occupied| queue_of(&occupied.room) == index) {
            if self.resyncs.has_changed().unwrap_or(true) {
                return DeliveryEnd::Superseded;
            }
            let users = self.context.views.room(room).map_or(0, |view| view.users);
            let data = RoomData {
                room: room.to_string(),
                users,
                reason: RoomReason::Resync,
                above: above.clone(),
                resync: Some(resync.id.clone()),
            };
            match self.deliver(&WebhookMessage::room(room, &data, &resync.id, self.context.views.now_ms()), None).await
            {
                DeliveryEnd::Delivered => {}
                end => return end,
            }
        }
        self.send_reports(&resync.reported).await
    }

    /// Sends `resync.started`, or waits until the first queue has: whoever empties a list then must not have heard of rooms.
    async fn start_resync(&mut self, number: u64, resync: &Resync) -> DeliveryEnd {
        if let ResyncStart::Awaits(started) = &mut self.start {
            return tokio::select! {
                biased;
                _ = self.resyncs.changed() => self.superseded(),
                // The first queue ends only if the receiver wants no messages.
                started = async { started.wait_for(|started| *started >= number).await.map(drop) } => {
                    started.map_or(DeliveryEnd::Gone, |()| DeliveryEnd::Delivered)
                }
            };
        }
        let message = WebhookMessage::resync(&resync.id, resync.rooms.len(), self.context.views.now_ms());
        let end = self.deliver(&message, None).await;
        if let (ResyncStart::Sends(starts), DeliveryEnd::Delivered) = (&self.start, &end) {
            starts.send_replace(number);
        }
        end
    }

    /// Sends what the app reports of this queue's rooms: of what was true at the beginning, that which still is.
    async fn send_reports(&mut self, reported: &[ReportedRoom]) -> DeliveryEnd {
        let index = self.index;
        for ReportedRoom { room, ids } in reported.iter().filter(|reported| queue_of(&reported.room) == index) {
            if self.resyncs.has_changed().unwrap_or(true) {
                return DeliveryEnd::Superseded;
            }
            let reports = self.context.views.room(room).and_then(|view| (self.context.ask)(&view));
            for report in reports.into_iter().flatten() {
                let message = WebhookMessage::report(room, &report, self.context.views.now_ms());
                if ids.contains(&message.id) {
                    match self.deliver(&message, None).await {
                        DeliveryEnd::Delivered => {}
                        end => return end,
                    }
                }
            }
        }
        DeliveryEnd::Delivered
    }
}
