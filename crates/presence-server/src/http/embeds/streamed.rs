//! Visitors without a socket: one counts for as long as an answer stays open, or for as long as a page is requested again and
//! again.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use presence_cable::same_counts;
use presence_core::{ConnectionId, Ended, Input, Room, RoomView, SubscriptionId, Tab, UserId};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::http::address_limit::AddressPermit;
use crate::http::listen::{ConnectionPermit, HttpPeer};
use crate::http::printed_tabs::PrintedTab;
use crate::http::request_info::RequestInfo;
use crate::http::state::HttpState;
use crate::hub::Dismissals;
use crate::problem::Problem;
use crate::secret::random;
use crate::sites::{Admission, EmbedSite, RoomError, RoomPermit, SiteConnection};
use crate::views::RoomWatch;

/// Whether the page that shows an answer is visible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Visibility {
    Visible,
    Hidden,
}

/// A visitor who is counted while an answer is open.
pub(super) struct StreamedVisitor {
    state: Arc<HttpState>,
    connection: ConnectionId,
    user: UserId,
    visibility: Visibility,
    rooms: Vec<WatchedRoom>,
    /// Inputs for the node, with the time when each is due: joins wait where a site has too many.
    inputs: VecDeque<(Instant, Input)>,
    dismissed: Dismissals,
    changes: JoinSet<(usize, RoomWatch)>,
    /// Indices of rooms whose counts may have changed.
    due: Vec<usize>,
    /// A browser that closes an answer leaves at once; an answer that the server ends is opened again.
    ended: Ended,
    /// The connection of an answer that stays open.
    permit: Option<ConnectionPermit>,
    address: IpAddr,
    /// Once the visitor has joined a room.
    counted: Option<SiteConnection>,
    _address_permit: AddressPermit,
}

/// What happened to a visitor.
pub(super) enum StreamEvent {
    /// The counts of a room may have changed.
    Changed,
    /// Nothing that shows.
    Handled,
    /// The visitor was made to leave the room that was joined at this index.
    Dismissed(usize),
}

/// A room that was joined.
pub(super) struct JoinedRoom {
    pub(super) index: usize,
    /// Why the visitor is shown the room's counts without being among them.
    pub(super) uncounted: Option<RoomError>,
}

struct WatchedRoom {
    room: Room,
    written: Option<Arc<RoomView>>,
    _permit: RoomPermit,
}

impl StreamedVisitor {
    /// A visitor in no room yet. Fails if the node is full or about to stop. `peer`: on whose connection an answer stays open.
    pub(super) fn new(
        state: &Arc<HttpState>,
        peer: Option<&HttpPeer>,
        info: &RequestInfo,
        user: UserId,
        visibility: Visibility,
    ) -> Result<Self, Problem> {
        let address_permit = state.admit(info)?;
        let connection = state.connection_id();
        let permit = peer.map(|peer| Arc::clone(&peer.permit));
        permit.iter().for_each(|permit| permit.begin_stream());
        Ok(Self {
            state: Arc::clone(state),
            connection,
            user,
            visibility,
            rooms: Vec::new(),
            inputs: VecDeque::new(),
            dismissed: state.hub.streamed.begin(connection, state.hub.limits.rooms_per_socket),
            changes: JoinSet::new(),
            due: Vec::new(),
            ended: Ended::Lost,
            permit,
            address: info.address,
            counted: None,
            _address_permit: address_permit,
        })
    }

    /// Follows a room, and joins it when it is the site's turn. Fails if the site is in too many rooms.
    pub(super) fn join(&mut self, site: &EmbedSite, admission: Admission) -> Result<JoinedRoom, RoomError> {
        let Admission { room, user, info } = admission;
        let sites = &self.state.embed.sites;
        let permit = sites.acquire_room(site, &room, self.address)?;
        self.counted.get_or_insert_with(|| sites.connected(site));
        let index = self.rooms.len();
        let checked = sites.check_room(&permit, self.state.views.room(&room).as_deref());
        let delay = checked.and_then(|()| sites.join_delay(site, self.address));
        let changes = self.state.views.watch(&room);
        watch(&mut self.changes, index, changes);
        self.due.push(index);
        self.rooms.push(WatchedRoom { room: room.clone(), written: None, _permit: permit });
        let uncounted = match delay {
            Ok(delay) => {
                let visible = self.visibility == Visibility::Visible;
                let tab = Tab { id: None, info, visible, proven: false, draws: false, related: None };
                let (connection, subscription) = (self.connection, subscription(index));
                let user = user.unwrap_or(self.user);
                let joined = Input::Joined { connection, subscription, room, user, tab };
                self.inputs.push_back((Instant::now() + delay, joined));
                None
            }
            Err(error) => Some(error),
        };
        Ok(JoinedRoom { index, uncounted })
    }

    /// Counts the visitor of a page that has ended, until the page was not requested for a while.
    pub(super) async fn stay(mut self, tab: PrintedTab) {
        // The counts are read when the page is asked for.
        self.changes = JoinSet::new();
        let state = Arc::clone(&self.state);
        let mut draining = std::pin::pin!(draining(Arc::clone(&state)));
        while let Some(until) = state.printed_tabs.counts_until(&tab, Instant::now()) {
            tokio::select! {
                _ = self.next() => {}
                () = sleep_until(until) => {}
                () = &mut draining => {
                    // The visitor counts as lost, so there is time to come back.
                    return state.printed_tabs.forget(&tab);
                }
            }
        }
        self.ended = Ended::Closed;
    }

    /// Waits for what happens next. It may be dropped and called again at any time.
    pub(super) async fn next(&mut self) -> StreamEvent {
        let due_at = self.inputs.front().map_or_else(Instant::now, |(at, _)| *at);
        let queue = &self.state.inputs;
        let turn = async {
            sleep_until(due_at).await;
            queue.reserve().await
        };
        tokio::select! {
            Some(Ok((index, changes))) = self.changes.join_next() => {
                watch(&mut self.changes, index, changes);
                self.due.push(index);
                StreamEvent::Changed
            }
            place = turn, if !self.inputs.is_empty() => {
                // No place is left only where the driver has ended, and the node with it.
                if let (Some((_, input)), Ok(place)) = (self.inputs.pop_front(), place) {
                    place.send(input);
                }
                StreamEvent::Handled
            }
            Some(subscription) = self.dismissed.next() => {
                let left = Input::Unsubscribed { connection: self.connection, subscription };
                self.inputs.push_front((Instant::now(), left));
                StreamEvent::Dismissed(subscription.0 as usize)
            }
        }
    }

    /// The counts that differ from those returned last, each with the index of its room.
    pub(super) fn take_changes(&mut self) -> Vec<(usize, Arc<RoomView>)> {
        let due = std::mem::take(&mut self.due);
        due.into_iter().filter_map(|index| Some((index, self.changed(index)?))).collect()
    }

    /// A room is empty only until the visitor is counted.
    fn changed(&mut self, index: usize) -> Option<Arc<RoomView>> {
        let watched = &mut self.rooms[index];
        let view = self.state.views.room_or_empty(&watched.room);
        if view.users == 0 || watched.written.as_ref().is_some_and(|written| same_counts(written, &view)) {
            return None;
        }
        watched.written = Some(Arc::clone(&view));
        Some(view)
    }

    /// Notes that the visitor's browser has closed the answer.
    pub(super) fn closed(&mut self) {
        self.ended = Ended::Closed;
    }
}

/// Waits for the next change of the room at this index.
fn watch(all: &mut JoinSet<(usize, RoomWatch)>, index: usize, mut changes: RoomWatch) {
    all.spawn(async move {
        changes.changed().await;
        (index, changes)
    });
}

impl Drop for StreamedVisitor {
    fn drop(&mut self) {
        self.permit.iter().for_each(|permit| permit.end_stream());
        let (inputs, connection, ended) = (self.state.inputs.clone(), self.connection, self.ended);
        // The driver's queue may be full, and a visitor who is gone must not stay counted.
        tokio::spawn(async move { drop(inputs.send(Input::Disconnected { connection, ended }).await) });
    }
}

/// The subscription to the room at this index.
fn subscription(index: usize) -> SubscriptionId {
    SubscriptionId(u32::try_from(index).expect("an answer follows few rooms"))
}

/// Waits for the node to drain and for this answer's turn, so that not all visitors come back at once.
pub(super) async fn draining(state: Arc<HttpState>) {
    // Can't fail: the state holds the sender.
    drop(state.readiness.draining().wait_for(|draining| *draining).await);
    let [turn] = random::<1>();
    tokio::time::sleep(state.hub.limits.drain_over.mul_f32(f32::from(turn) / 256.0)).await;
}
