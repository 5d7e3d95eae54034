//! CountsQueue for embeds: who joins a room is told its numbers at once, and all are told when they change. Without it a page
//! of another site would show one number for ever.

use std::sync::Arc;

use bytes::Bytes;
use presence_cable::{Identifier, embed_counts, same_counts};
use presence_core::{Room, RoomView, SubscriptionId};

use super::audience::{Audience, Flush, FlushQueue};
use super::{Connection, Hub};
use crate::views::Views;

/// The newest counts of one room: they say everything, so that older ones need not be told.
#[derive(Debug, Default)]
pub(super) struct CountsQueue {
    newest: Option<Arc<RoomView>>,
    waiting: bool,
}

/// Who begins to listen is told the counts at once, and never waits to be shown anything.
const ALWAYS_NEWER: u64 = u64::MAX;

impl CountsQueue {
    fn body(view: &RoomView) -> Bytes {
        embed_counts(view).into()
    }
}

impl FlushQueue for CountsQueue {
    type New = Arc<RoomView>;
    type Batch = Arc<RoomView>;

    fn add(&mut self, view: Self::New) {
        self.waiting |= self.newest.as_ref().is_none_or(|newest| !same_counts(newest, &view));
        self.newest = Some(view);
    }

    fn take(&mut self) -> Option<Self::Batch> {
        std::mem::take(&mut self.waiting).then(|| self.newest.clone()).flatten()
    }

    fn encode(batch: Self::Batch) -> Flush {
        Flush::drawing(Self::body(&batch), ALWAYS_NEWER)
    }
}

impl Audience<CountsQueue> {
    /// What was told last, for a socket that was too slow for it.
    pub(super) fn newest(&self) -> Option<Bytes> {
        self.change(|counts| counts.newest.clone()).map(|view| CountsQueue::body(&view))
    }
}

impl Hub {
    /// A room has a new view, which can be read already: its embeds are told.
    pub(crate) fn counted(&self, view: &Arc<RoomView>) {
        if let Some(audience) = self.counts.find(&view.room) {
            audience.broadcast(Arc::clone(view), &self.clock);
        }
    }

    /// A subscription is told a room's counts: those of now at once, all later ones as they come.
    pub(crate) fn listen_counts(
        &self,
        room: &Room,
        identifier: &Identifier,
        subscription: SubscriptionId,
        connection: &Arc<Connection>,
        views: &Views,
    ) {
        let audience = self.counts.join(room, identifier.clone(), subscription, connection);
        audience.change(|counts| {
            counts.newest.get_or_insert_with(|| views.room_or_empty(room));
        });
        connection.subscribe_counts(subscription, identifier.clone(), Arc::clone(&audience));
        self.tell_counts(room, subscription, connection, views);
    }

    /// Tells one subscription a room's counts as they are now.
    pub(crate) fn tell_counts(
        &self,
        room: &Room,
        subscription: SubscriptionId,
        connection: &Arc<Connection>,
        views: &Views,
    ) {
        let mut view = views.room_or_empty(room);
        // A newer view may have been told between reading this one and writing it: then it is told again, to be the last.
        loop {
            connection.tell(subscription, &CountsQueue::body(&view), true, self.now_ms());
            let now = views.room_or_empty(room);
            if now.version == view.version {
                return;
            }
            view = now;
        }
    }

    /// A subscription is told no more.
    pub(crate) fn ignore_counts(&self, room: &Room, identifier: &Identifier, connection: &Connection) {
        self.counts.leave(room, identifier, connection.id);
    }
}
