//! Orders to draw, and what an app returns for them. A node never calls the app itself, so an app that fails or takes long
//! delays no heartbeat.

use std::sync::{Arc, OnceLock};

use crate::app::App;
use crate::app::change::Change;
use crate::app::fragment::{Fragment, fold};
use crate::app::traced::TracedWrites;
use crate::app::view::RoomView;
use crate::id::{ConnectionId, PublicId, Stream, SubscriptionId, UserId};

/// More changes than these of one room are drawn as [`Change::Everything`].
pub(crate) const CHANGES_MAX: usize = 64;

/// An order to draw what is different about a room.
#[derive(Clone, PartialEq, Debug)]
pub struct Drawing {
    /// Its viewers.
    pub to: Viewers,
    /// The room as it is now.
    pub view: Arc<RoomView>,
    /// What is different, in order.
    pub changes: Vec<Change>,
    /// Whether the node is to be told once it is drawn, by [`Input::Drawn`](crate::Input::Drawn).
    pub confirmed: bool,
    /// The traced writes that it shows first.
    pub traced: TracedWrites,
    pub(crate) snapshot: Snapshot,
}

/// Those who see what is drawn.
#[derive(Clone, PartialEq, Debug)]
pub enum Viewers {
    /// Every page of this node that listens to the stream.
    Stream(Stream),
    /// These users of the room: each sees their own ([`Change::You`]) on all their pages. [`Drawing::each`] has the orders, one for
    /// each.
    Users(Vec<(UserId, PublicId)>),
    /// One subscription of one socket.
    Subscription {
        /// Which socket.
        connection: ConnectionId,
        /// Which of its subscriptions.
        subscription: SubscriptionId,
        /// Whether it is the whole room: what was drawn before need not be sent any more.
        whole: bool,
    },
}

/// Fragments, and who receives them.
#[derive(Clone, PartialEq, Debug)]
pub struct Drawn {
    /// Its viewers.
    pub to: Viewers,
    /// In order. All viewers of one version of a room share them.
    pub fragments: Arc<[Fragment]>,
}

/// The fragments of a whole room, drawn at most once for each version of its view.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Snapshot(Arc<OnceLock<Arc<[Fragment]>>>);

impl Drawing {
    /// An order to draw these changes of a view that no other order shares.
    pub fn new(to: Viewers, view: Arc<RoomView>, changes: Vec<Change>) -> Self {
        let (traced, snapshot) = (TracedWrites::default(), Snapshot::default());
        Self { to, view, changes, confirmed: false, traced, snapshot }
    }

    /// Draws each order that this one stands for: one for each user, or itself.
    pub fn each(&self, mut draw: impl FnMut(&Self)) {
        let Viewers::Users(users) = &self.to else { return draw(self) };
        for (user, public) in users {
            let to = Viewers::Stream(Stream::User(self.view.room.clone(), *user));
            draw(&Self::new(to, Arc::clone(&self.view), vec![Change::You { user: *public }]));
        }
    }

    /// Asks the app to draw this; `None` if there is nothing to send.
    pub fn by(&self, app: &dyn App) -> Option<Drawn> {
        let fragments = if self.changes == [Change::Everything] {
            Arc::clone(self.snapshot.0.get_or_init(|| fold(app.render(&Change::Everything, &self.view)).into()))
        } else {
            fold(self.changes.iter().flat_map(|change| app.render(change, &self.view)).collect()).into()
        };
        let whole = matches!(self.to, Viewers::Subscription { whole: true, .. });
        (whole || !fragments.is_empty()).then(|| Drawn { to: self.to.clone(), fragments })
    }

    /// Whether what is each user's own is to be drawn next: the app says so of a change that it draws for all.
    pub fn redraws_own(&self, app: &dyn App) -> bool {
        let for_all = matches!(self.to, Viewers::Stream(Stream::Room(_)));
        for_all && self.changes.iter().any(|change| app.redraws_own(change))
    }

    /// The same order for one change only.
    pub fn only(&self, change: &Change) -> Self {
        Self { changes: vec![change.clone()], ..self.clone() }
    }

    /// Whether `newer` is for the same stream: it can be drawn together with this one.
    pub fn precedes(&self, newer: &Self) -> bool {
        matches!((&self.to, &newer.to), (Viewers::Stream(ours), Viewers::Stream(theirs)) if ours == theirs)
    }

    /// Adds a newer order for the same viewers, so that both are drawn at once.
    pub fn absorb(&mut self, newer: Self) {
        let Self { view, changes, snapshot, confirmed, traced, .. } = newer;
        (self.view, self.snapshot) = (view, snapshot);
        self.confirmed |= confirmed;
        self.traced.absorb(traced);
        self.changes.retain(|earlier| !changes.contains(earlier));
        self.changes.extend(changes);
        if self.changes.len() > CHANGES_MAX || self.changes.contains(&Change::Everything) {
            self.changes = vec![Change::Everything];
        }
    }
}
