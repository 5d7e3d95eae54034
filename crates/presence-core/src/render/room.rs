//! One room's pages: its view, the parts that are to be drawn, and the fragments that show it whole.

use std::sync::Arc;

use crate::app::change::Change;
use crate::app::drawing::{Drawing, Snapshot, Viewers};
use crate::app::view::RoomView;
use crate::id::{Room, RoomHash, Stream, UserId};
use crate::io::output::Output;
use crate::local::LocalWatchers;
use crate::outputs::Outputs;
use crate::presence::row::RowKey;
use crate::render::own::PendingOwn;
use crate::render::pending::{PendingCounts, PendingEvents, changes};
use crate::render::view::{Elsewhere, RoomSource, view};
use crate::time::Mono;

/// What is drawn of a quiet room for a newcomer may be this old, so that no one sees an old event as a new one.
const STALE_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct RoomRenderer {
    pub(super) view: Option<Arc<RoomView>>,
    pub(super) events: PendingEvents,
    pub(super) counts: PendingCounts,
    /// Only of apps that draw it at others' changes.
    pub(super) own: Option<Box<PendingOwn>>,
    /// When it is drawn next, as the renderer of all rooms knows it.
    pub(super) due: Option<Mono>,
    snapshot: Snapshot,
}

/// What drawing a room has left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Afterwards {
    /// The room as other rooms show it.
    Same,
    /// It looks different where other rooms show it.
    Changed,
    /// Nothing of it.
    Forgotten,
}

impl RoomRenderer {
    /// When something of what waits may be drawn.
    pub(super) fn next(&self) -> Option<Mono> {
        let own = self.own.as_ref().and_then(|own| own.due());
        [self.events.due(), self.counts.due(), own].into_iter().flatten().min()
    }

    /// Whether drawing it now makes a new view.
    pub(super) fn makes_view(&self, now: Mono) -> bool {
        self.view.is_none() || [self.events.due(), self.counts.due()].into_iter().flatten().any(|due| due <= now)
    }

    /// Draws what waits and may be drawn.
    pub(super) fn draw(
        &mut self,
        room: &Room,
        elsewhere: Elsewhere<'_>,
        source: &RoomSource<'_>,
        now: Mono,
        out: &mut Outputs,
    ) -> Afterwards {
        let hash = room.hash(source.digest);
        let watchers = source.local.watchers(&hash);
        let everywhere = source.presence.room(&hash).map_or(0, |room| room.whole.tabs).max(watchers.connections);
        self.due = None;
        let mut events = self.events.take(watchers.connections, now);
        // A page that shows everything shows the counts, too.
        let counts = if events.all || events.regions {
            self.counts.take_now(everywhere, now)
        } else {
            self.counts.take(everywhere, now)
        };
        if self.view.is_none() || events.waiting || counts.waiting {
            self.draw_for_all(room, elsewhere, (&mut events, &counts), watchers, source, out);
        }
        self.draw_own(room, hash, source, now, out);
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
        let holds_nothing = self.view.as_ref().is_none_or(|view| view.holds_nothing());
        if holds_nothing && source.presence.room(&hash).is_none() && watchers.connections == 0 {
            out.push(Output::Forget(room.clone()));
            return Afterwards::Forgotten;
        }
        if events.inside || counts.waiting { Afterwards::Changed } else { Afterwards::Same }
    }

    /// Makes a new view, and draws these changes of it on all pages.
    fn draw_for_all(
        &mut self,
        room: &Room,
        elsewhere: Elsewhere<'_>,
        (events, counts): (&mut PendingEvents, &PendingCounts),
        watchers: LocalWatchers,
        source: &RoomSource<'_>,
        out: &mut Outputs,
    ) {
        self.snapshot = Snapshot::default();
        let version = self.view.as_ref().map_or(1, |view| view.version + 1);
        let view = Arc::new(view(room, version, elsewhere, source));
        self.view = Some(Arc::clone(&view));
        out.push(Output::View(Arc::clone(&view)));
        if counts.waiting {
            out.push(Output::Counts(Arc::clone(&view)));
        }
        let traced = std::mem::take(&mut events.traced);
        let changes = if watchers.drawn > 0 { changes(events, counts) } else { Vec::new() };
        if !changes.is_empty() {
            let to = Viewers::Stream(Stream::Room(room.clone()));
            let (confirmed, snapshot) = (source.receipts.waits_for(room), self.snapshot.clone());
            out.push(Output::Draw(Drawing { to, view, changes, confirmed, traced, snapshot }));
        } else if !traced.is_empty() {
            out.push(Output::Undrawn(traced));
        }
    }

    /// Draws what is each user's own, where it waits and may be drawn.
    fn draw_own(&mut self, room: &Room, hash: RoomHash, source: &RoomSource<'_>, now: Mono, out: &mut Outputs) {
        let Some(own) = &mut self.own else { return };
        let users = own.take(|| source.local.users_of(hash), now);
        if !users.is_empty() {
            let users = users.into_iter().map(|user| (user, user.public(room, source.digest)));
            let drawing = self.drawing(Viewers::Users(users.collect()), Vec::new());
            drawing.into_iter().for_each(|drawing| out.push(Output::Draw(drawing)));
        }
    }

    /// An order to draw these changes, if there is a view to draw.
    pub(super) fn drawing(&self, to: Viewers, changes: Vec<Change>) -> Option<Drawing> {
        let view = Arc::clone(self.view.as_ref()?);
        Some(Drawing { snapshot: self.snapshot.clone(), ..Drawing::new(to, view, changes) })
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
