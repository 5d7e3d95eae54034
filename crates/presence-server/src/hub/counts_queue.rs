//! Counts of rooms: a subscription that joins is sent a room's numbers at once, and all are sent them when they change.

use std::sync::Arc;

use bytes::Bytes;
use presence_cable::{Encoder, same_counts};
use presence_core::{Room, RoomView, SubscriptionId};

use super::audience::{Audience, FlushQueue};
use super::flush::Flush;
use super::listeners::Subscriber;
use super::prefix::Prefix;
use super::subscriptions::Source;
use super::{Connection, Hub};
use crate::views::Views;

/// The newest counts of one room: they say everything, so that older ones need not be sent.
#[derive(Debug, Default)]
pub(super) struct CountsQueue {
    newest: Option<Arc<RoomView>>,
    waiting: bool,
}

/// A new listener is sent the counts at once, and never waits to be shown anything.
pub(super) const ALWAYS_NEWER: u64 = u64::MAX;

impl FlushQueue for CountsQueue {
    type Item = Arc<RoomView>;
    type Batch = Arc<RoomView>;

    fn push(&mut self, view: Self::Item) {
        self.waiting |= self.newest.as_ref().is_none_or(|newest| !same_counts(newest, &view));
        self.newest = Some(view);
    }

    fn take(&mut self) -> Option<Flush<Self::Batch>> {
        let view = std::mem::take(&mut self.waiting).then(|| self.newest.clone()).flatten();
        view.map(|view| Flush::drawing(view, ALWAYS_NEWER))
    }

    fn encode(view: &Self::Batch, encoder: &dyn Encoder) -> Vec<Bytes> {
        encoder.counts(view).map(Bytes::from).into_iter().collect()
    }
}

impl Audience<CountsQueue> {
    /// What was sent last, for a socket that was too slow for it.
    pub(super) fn newest(&self) -> Option<Arc<RoomView>> {
        self.change(|counts| counts.newest.clone())
    }
}

impl Hub {
    /// Sends a room's new view, which can be read already, to those who listen to its counts.
    pub(crate) fn counted(&self, view: &Arc<RoomView>) {
        if let Some(audience) = self.counts.find(&view.room) {
            audience.broadcast(Arc::clone(view), &self.shared);
        }
    }

    /// Sends a subscription a room's counts: the present ones at once, all later ones as they come.
    pub(crate) fn listen_counts(&self, room: &Room, subscriber: &Subscriber<'_>, views: &Views) {
        let audience = self.counts.join(room, subscriber);
        audience.change(|counts| {
            counts.newest.get_or_insert_with(|| views.room_or_empty(room));
        });
        let source = Source::Counts(audience);
        subscriber.connection.subscribe_to(subscriber.subscription, subscriber.prefix.clone(), source);
        self.tell_counts(room, subscriber.subscription, subscriber.connection, views);
    }

    /// Sends one subscription a room's counts as they are now.
    pub(crate) fn tell_counts(
        &self,
        room: &Room,
        subscription: SubscriptionId,
        connection: &Arc<Connection>,
        views: &Views,
    ) {
        views.send_newest(room, |view| connection.tell_counts(subscription, view, self.now_ms()));
    }

    /// Ends what [`Hub::listen_counts`] began.
    pub(crate) fn ignore_counts(&self, room: &Room, prefix: &Prefix, connection: &Connection) {
        self.counts.leave(room, prefix, connection.id);
    }
}
