//! Visitors without a socket: of an answer that stays open, counted for as long as it is read, and of a page that is asked for
//! again and again.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use presence_cable::same_counts;
use presence_core::{ConnectionId, Ended, Input, Room, RoomView, SubscriptionId, Tab, UserId};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::http::address_limit::AddressPermit;
use crate::http::listen::{ConnectionPermit, HttpPeer};
use crate::http::open_answer::{self, Content, EndReason, Timing, Wake};
use crate::http::printed_tabs::PrintedTab;
use crate::http::request_info::RequestInfo;
use crate::http::state::HttpState;
use crate::hub::Dismissals;
use crate::problem::Problem;
use crate::secret::random;
use crate::sites::{Admission, EmbedSite, RoomError, RoomPermit};
use crate::views::RoomWatch;

/// New counts are written at most this often, so that an answer about a large room stays small.
const GAP: Duration = Duration::from_secs(1);
/// The first counts wait this long for the visitor to be among them.
const COUNTED_WITHIN: Duration = Duration::from_millis(200);

/// How counts are written.
pub(super) trait ChunkFormat: Send + Sync + 'static {
    /// How long an answer stays open.
    fn max_age(&self) -> Duration;

    /// A chunk that shows nothing.
    fn keepalive(&self) -> String;

    /// The counts of the room that was joined at this index.
    fn counts(&self, index: usize, view: &RoomView) -> String;

    /// The chunk that makes the visitor come back after the server has ended the answer.
    fn last_chunk(&self, reason: EndReason) -> Option<String>;

    /// Tells that the visitor was made to leave the room at this index.
    fn dismissed(&self, index: usize) -> Option<String>;
}

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
    _address_permit: AddressPermit,
}

/// What happened to a visitor.
enum StreamEvent {
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
            _address_permit: address_permit,
        })
    }

    /// Follows a room, and joins it when it is the site's turn. Fails if the site is in too many rooms.
    pub(super) fn join(&mut self, site: &EmbedSite, admission: Admission) -> Result<JoinedRoom, RoomError> {
        let Admission { room, user, info } = admission;
        let sites = &self.state.embed.sites;
        let permit = sites.acquire_room(site, &room, self.address)?;
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
                let tab = Tab { info, visible, proven: false, draws: false };
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

    /// Counts the visitor of a page that has ended, until it was not asked for a while.
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
                    // The visitor is waited for.
                    return state.printed_tabs.forget(&tab);
                }
            }
        }
        self.ended = Ended::Closed;
    }

    /// Waits for what happens next.
    async fn next(&mut self) -> StreamEvent {
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

    /// An answer that starts with `opening` and writes all counts as they change.
    pub(super) fn body<F: ChunkFormat>(self, opening: String, format: F) -> Body {
        let timing = Timing { gap: GAP, first_within: Some(COUNTED_WITHIN), max_age: format.max_age() };
        let draining = draining(Arc::clone(&self.state));
        open_answer::body(opening, StreamedCounts { visitor: self, format }, timing, draining)
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

/// A visitor's counts in one format.
struct StreamedCounts<F> {
    visitor: StreamedVisitor,
    format: F,
}

impl<F: ChunkFormat> Content for StreamedCounts<F> {
    async fn next(&mut self) -> Wake {
        match self.visitor.next().await {
            StreamEvent::Changed => Wake::Changed,
            StreamEvent::Handled => Wake::Handled,
            StreamEvent::Dismissed(index) => self.format.dismissed(index).map_or(Wake::Handled, Wake::Chunk),
        }
    }

    async fn changes(&mut self) -> Vec<String> {
        let due = std::mem::take(&mut self.visitor.due);
        due.into_iter().filter_map(|index| self.changed(index)).collect()
    }

    async fn keepalive(&mut self) -> String {
        self.format.keepalive()
    }

    fn last_chunk(&self, reason: EndReason) -> Option<String> {
        self.format.last_chunk(reason)
    }

    fn reader_gone(&mut self) {
        self.visitor.ended = Ended::Closed;
    }
}

impl<F: ChunkFormat> StreamedCounts<F> {
    /// The room's counts, if they differ from those written last. A room is empty only until the visitor is counted.
    fn changed(&mut self, index: usize) -> Option<String> {
        let watched = &mut self.visitor.rooms[index];
        let view = self.visitor.state.views.room_or_empty(&watched.room);
        if view.users == 0 || watched.written.as_ref().is_some_and(|written| same_counts(written, &view)) {
            return None;
        }
        let chunk = self.format.counts(index, &view);
        watched.written = Some(view);
        Some(chunk)
    }
}

/// The subscription to the room at this index.
fn subscription(index: usize) -> SubscriptionId {
    SubscriptionId(u32::try_from(index).expect("an answer follows few rooms"))
}

/// Waits for the node to drain and for this answer's turn, so that not all visitors come back at once.
async fn draining(state: Arc<HttpState>) {
    // Can't fail: the state holds the sender.
    drop(state.readiness.draining().wait_for(|draining| *draining).await);
    let [turn] = random::<1>();
    tokio::time::sleep(state.hub.limits.drain_over.mul_f32(f32::from(turn) / 256.0)).await;
}
