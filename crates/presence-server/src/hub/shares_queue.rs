//! What a room's users share: a subscription that listens is sent all of it at once, and all are sent what becomes different.

use std::sync::Arc;

use bytes::Bytes;
use presence_cable::Encoder;
use presence_core::{Room, RoomView, SubscriptionId};

use super::audience::{Audience, FlushQueue};
use super::counts_queue::ALWAYS_NEWER;
use super::flush::Flush;
use super::listeners::Subscriber;
use super::prefix::Prefix;
use super::subscriptions::Source;
use super::{Connection, Hub};
use crate::views::Views;

/// The newest values of one room, and those that all listeners were sent.
#[derive(Debug, Default)]
pub(super) struct SharesQueue {
    sent: Option<Arc<RoomView>>,
    newest: Option<Arc<RoomView>>,
}

/// From which view to which.
#[derive(Debug)]
pub(super) struct SharesChange {
    before: Arc<RoomView>,
    after: Arc<RoomView>,
}

impl FlushQueue for SharesQueue {
    type Item = Arc<RoomView>;
    type Batch = SharesChange;

    fn push(&mut self, view: Self::Item) {
        self.newest = Some(view);
    }

    fn take(&mut self) -> Option<Flush<Self::Batch>> {
        let after = self.newest.clone()?;
        let before = self.sent.replace(Arc::clone(&after))?;
        (before.shared != after.shared).then(|| Flush::drawing(SharesChange { before, after }, ALWAYS_NEWER))
    }

    fn encode(change: &Self::Batch, encoder: &dyn Encoder) -> Vec<Bytes> {
        encoder.shares(Some(&change.before), &change.after).map(Bytes::from).into_iter().collect()
    }
}

impl Audience<SharesQueue> {
    /// What was sent last, for a socket that was too slow for it.
    pub(super) fn newest(&self) -> Option<Arc<RoomView>> {
        self.change(|shares| shares.sent.clone())
    }
}

impl Hub {
    /// Sends what is different in a room's new view, which can be read already, to those who listen to what its users share.
    pub(crate) fn shared(&self, view: &Arc<RoomView>) {
        if let Some(audience) = self.shares.find(&view.room) {
            audience.broadcast(Arc::clone(view), &self.shared);
        }
    }

    /// Sends a subscription what a room's users share: all of it at once, then what becomes different.
    pub(crate) fn listen_shares(&self, room: &Room, subscriber: &Subscriber<'_>, views: &Views) {
        let audience = self.shares.join(room, subscriber);
        audience.change(|shares| {
            shares.sent.get_or_insert_with(|| views.room_or_empty(room));
        });
        let Subscriber { connection, subscription, prefix } = *subscriber;
        connection.subscribe_to(subscription, prefix.clone(), Source::Shares(audience));
        self.tell_shares(room, subscription, connection, views);
    }

    /// Sends one subscription all that a room's users share now.
    pub(crate) fn tell_shares(
        &self,
        room: &Room,
        subscription: SubscriptionId,
        connection: &Arc<Connection>,
        views: &Views,
    ) {
        views.send_newest(room, |view| connection.tell_shares(subscription, view, self.now_ms()));
    }

    /// Ends what [`Hub::listen_shares`] began.
    pub(crate) fn ignore_shares(&self, room: &Room, prefix: &Prefix, connection: &Connection) {
        self.shares.leave(room, prefix, connection.id);
    }
}
