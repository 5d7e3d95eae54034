//! One room's pages: its view, what of it is to be drawn, and the fragments that show it whole.

use std::sync::Arc;

use crate::app::change::Change;
use crate::app::drawing::{Drawing, Snapshot, Viewers};
use crate::app::view::{RegionView, RoomView};
use crate::id::{Room, Stream, UserId};
use crate::io::output::Output;
use crate::outputs::Outputs;
use crate::presence::row::RowKey;
use crate::render::pending::{PendingCounts, PendingEvents, changes};
use crate::render::view::{RoomSource, view};
use crate::time::Mono;

/// What is drawn of a quiet room for a newcomer may be this old, so that no one sees an old event as a new one.
const STALE_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct RoomRenderer {
    pub(super) view: Option<Arc<RoomView>>,
    pub(super) events: PendingEvents,
    pub(super) counts: PendingCounts,
    /// When it is drawn next, as the renderer of all rooms knows it.
    pub(super) due: Option<Mono>,
    snapshot: Snapshot,
}

/// Whether anything is left of a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Afterwards {
    Open,
    Forgotten,
}

impl RoomRenderer {
    /// When something of what waits may be drawn.
    pub(super) fn next(&self) -> Option<Mono> {
        self.events.due().into_iter().chain(self.counts.due()).min()
    }

    /// Draws what waits and may be drawn.
    pub(super) fn draw(
        &mut self,
        room: &Room,
        regions: &[RegionView],
        source: &RoomSource<'_>,
        now: Mono,
        out: &mut Outputs,
    ) -> Afterwards {
        let hash = room.hash(source.digest);
        let watchers = source.local.watchers(&hash);
        let everywhere = source.presence.room(&hash).map_or(0, |room| room.whole.tabs).max(watchers.connections);
        self.due = None;
        let events = self.events.take(watchers.connections, now);
        // A page that shows everything shows the counts, too.
        let counts = if events.all || events.regions {
            self.counts.take_now(everywhere, now)
        } else {
            self.counts.take(everywhere, now)
        };
        self.snapshot = Snapshot::default();
        let version = self.view.as_ref().map_or(1, |view| view.version + 1);
        let view = Arc::new(view(room, version, regions, source));
        self.view = Some(Arc::clone(&view));
        out.push(Output::View(Arc::clone(&view)));
        if counts.waiting {
            out.push(Output::Counts(Arc::clone(&view)));
        }
        if watchers.drawn > 0 {
            let changes = changes(&events, &counts);
            if !changes.is_empty() {
                let to = Viewers::Stream(Stream::Room(room.clone()));
                out.push(Output::Draw(Drawing { to, view, changes, snapshot: self.snapshot.clone() }));
            }
        }
        for user in &events.users {
            let tabs = source.presence.tabs(&RowKey::new(hash, *user));
            out.push(Output::Tabs { room: room.clone(), user: *user, tabs });
            // Most users of a large room are elsewhere: nothing here listens to their streams.
            if watchers.drawn > 0 && source.local.is_in(&RowKey::new(hash, *user)) {
                let change = Change::Tabs { user: user.public(room, source.digest), tabs };
                self.draw_for_user(room, *user, change, out);
            }
        }
        for user in events.authors.iter().filter(|user| source.local.is_in(&RowKey::new(hash, **user))) {
            let change = Change::You { user: user.public(room, source.digest) };
            self.draw_for_user(room, *user, change, out);
        }
        let holds_nothing = self.view.as_ref().is_none_or(|view| view.registers.is_empty() && view.logs.is_empty());
        if holds_nothing && source.presence.room(&hash).is_none() && watchers.connections == 0 {
            out.push(Output::Forget(room.clone()));
            return Afterwards::Forgotten;
        }
        Afterwards::Open
    }

    /// An order to draw these changes, if there is a view to draw.
    pub(super) fn drawing(&self, to: Viewers, changes: Vec<Change>) -> Option<Drawing> {
        let view = Arc::clone(self.view.as_ref()?);
        Some(Drawing { to, view, changes, snapshot: self.snapshot.clone() })
    }

    /// The room whole.
    pub(super) fn whole(&mut self, to: Viewers, source: &RoomSource<'_>) -> Option<Drawing> {
        let view = self.view.as_mut()?;
        if source.time.0.saturating_sub(view.as_of_ms) >= STALE_MS {
            *view = Arc::new(RoomView { as_of_ms: source.time.0, ..(**view).clone() });
            self.snapshot = Snapshot::default();
        }
        self.drawing(to, vec![Change::Everything])
    }

    /// Who "you" are.
    pub(super) fn yours(&self, to: Viewers, user: UserId, source: &RoomSource<'_>) -> Option<Drawing> {
        let room = &self.view.as_ref()?.room;
        let tabs = source.presence.tabs(&RowKey::new(room.hash(source.digest), user));
        let user = user.public(room, source.digest);
        self.drawing(to, vec![Change::You { user }, Change::Tabs { user, tabs }])
    }

    /// Draws a change on a user's own pages.
    fn draw_for_user(&self, room: &Room, user: UserId, change: Change, out: &mut Outputs) {
        let to = Viewers::Stream(Stream::User(room.clone(), user));
        self.drawing(to, vec![change]).into_iter().for_each(|drawing| out.push(Output::Draw(drawing)));
    }
}
