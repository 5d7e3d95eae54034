//! One room's pages: its view, what of it is to be drawn, and the fragments that show it whole.

use std::sync::Arc;

use crate::app::change::Change;
use crate::app::fragment::{Fragment, fold};
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
    snapshot: Option<Arc<[Fragment]>>,
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
        self.snapshot = None;
        let version = self.view.as_ref().map_or(1, |view| view.version + 1);
        let view = Arc::new(view(room, version, regions, source));
        self.view = Some(Arc::clone(&view));
        out.push(Output::View(Arc::clone(&view)));
        if counts.waiting {
            out.push(Output::Counts(Arc::clone(&view)));
        }
        if watchers.drawn > 0 {
            let changes = changes(&events, &counts);
            let fragments: Vec<Fragment> = changes.iter().flat_map(|change| source.app.render(change, &view)).collect();
            if !fragments.is_empty() {
                out.push(Output::Broadcast { stream: Stream::Room(room.clone()), fragments: fold(fragments).into() });
            }
        }
        for user in &events.users {
            let tabs = source.presence.tabs(&RowKey::new(hash, *user));
            out.push(Output::Tabs { room: room.clone(), user: *user, tabs });
            // Most users of a large room are elsewhere: nothing here listens to their streams.
            if watchers.drawn > 0 && source.local.is_in(&RowKey::new(hash, *user)) {
                let change = Change::Tabs { user: user.public(room, source.digest), tabs };
                draw_for_user(&view, *user, &change, source, out);
            }
        }
        for user in events.authors.iter().filter(|user| source.local.is_in(&RowKey::new(hash, **user))) {
            let change = Change::You { user: user.public(room, source.digest) };
            draw_for_user(&view, *user, &change, source, out);
        }
        let holds_nothing = view.registers.is_empty() && view.logs.is_empty();
        if holds_nothing && source.presence.room(&hash).is_none() && watchers.connections == 0 {
            out.push(Output::Forget(room.clone()));
            return Afterwards::Forgotten;
        }
        Afterwards::Open
    }

    /// The whole room as fragments, made once per view.
    pub(super) fn whole(&mut self, source: &RoomSource<'_>) -> Arc<[Fragment]> {
        let Some(view) = &mut self.view else { return Arc::default() };
        if source.time.0.saturating_sub(view.as_of_ms) >= STALE_MS {
            *view = Arc::new(RoomView { as_of_ms: source.time.0, ..(**view).clone() });
            self.snapshot = None;
        }
        let snapshot = self.snapshot.get_or_insert_with(|| fold(source.app.render(&Change::Everything, view)).into());
        Arc::clone(snapshot)
    }

    /// Who "you" are.
    pub(super) fn yours(&self, user: UserId, source: &RoomSource<'_>) -> Arc<[Fragment]> {
        let Some(view) = &self.view else { return Arc::default() };
        let tabs = source.presence.tabs(&RowKey::new(view.room.hash(source.digest), user));
        let user = user.public(&view.room, source.digest);
        let changes = [Change::You { user }, Change::Tabs { user, tabs }];
        changes.iter().flat_map(|change| source.app.render(change, view)).collect()
    }
}

/// Draws a change on a user's own pages.
fn draw_for_user(view: &RoomView, user: UserId, change: &Change, source: &RoomSource<'_>, out: &mut Outputs) {
    let fragments = source.app.render(change, view).into();
    out.push(Output::Broadcast { stream: Stream::User(view.room.clone(), user), fragments });
}
