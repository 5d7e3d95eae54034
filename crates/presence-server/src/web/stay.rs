//! Answers that stay open and count their visitor for as long as somebody takes them; without it only a page whose socket
//! works could be counted.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::poll_fn;
use presence_cable::same_counts;
use presence_core::{ConnectionId, Ended, Input, Room, RoomView, SubscriptionId, Tab, UserId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Web;
use super::came::Came;
use super::crowd::Seat;
use super::listen::{Peer, Place};
use crate::hub::Dismissals;
use crate::problem::Problem;
use crate::secret::random;
use crate::sites::{Entry, RoomSeat, Site};

/// New numbers are written at most so often: an answer of a large room costs a bounded stream of bytes.
const PACE: Duration = Duration::from_secs(1);
/// Something is written at least so often, or a reader that is gone would not be noticed.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// The first numbers wait so long for the visitor to be among them.
const COUNTED_WITHIN: Duration = Duration::from_millis(200);
/// What waits for a reader that can't take it now: all later numbers are read when they are written.
const LINES_MAX: usize = 4;

/// Why the server ends an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Over {
    /// It has had its time.
    Time,
    /// The node is about to stop.
    Drain,
}

/// How the numbers are written, and when it is over.
pub(super) trait Writing: Send + Sync + 'static {
    /// A sign of life that shows nothing.
    fn line(&self) -> String;

    /// So long it lasts.
    fn lasts(&self) -> Duration;

    /// The numbers of the room that was joined at this place.
    fn counts(&self, place: usize, view: &RoomView) -> String;

    /// What is written when the server ends it, so that its visitor comes back.
    fn farewell(&self, over: Over) -> String;

    /// What tells that the visitor was made to leave the room at this place, if anything does.
    fn left(&self, place: usize) -> Option<String>;
}

/// Somebody whom an open answer counts.
pub(super) struct Stay {
    web: Arc<Web>,
    connection: ConnectionId,
    user: UserId,
    visible: bool,
    rooms: Vec<Watched>,
    /// Who is not counted yet, since too many come at once.
    turns: VecDeque<(Instant, Input)>,
    dismissed: Dismissals,
    changes: JoinSet<(usize, watch::Receiver<()>)>,
    /// A browser that ends it says so no other way than by going; what we end is opened again.
    ended: Ended,
    place: Place,
    _seat: Seat,
}

/// A room that is followed.
pub(super) struct Joined {
    pub(super) place: usize,
    /// Why the visitor is shown its numbers without being counted there.
    pub(super) uncounted: Option<Problem>,
}

struct Watched {
    room: Room,
    written: Option<Arc<RoomView>>,
    _seat: RoomSeat,
}

impl Stay {
    /// Takes a place on the node and a seat of the address's crowd, as a socket does.
    ///
    /// # Errors
    ///
    /// Where there is none, or the node is about to stop.
    pub(super) fn begin(
        web: &Arc<Web>,
        peer: &Peer,
        came: &Came,
        user: UserId,
        visible: bool,
    ) -> Result<Self, Problem> {
        let seat = web.seat(came)?;
        let connection = ConnectionId(web.connections.fetch_add(1, Relaxed));
        peer.place.stays(true);
        Ok(Self {
            web: Arc::clone(web),
            connection,
            user,
            visible,
            rooms: Vec::new(),
            turns: VecDeque::new(),
            dismissed: web.hub.streamed.begin(connection, web.hub.limits.rooms_per_socket),
            changes: JoinSet::new(),
            ended: Ended::Lost,
            place: Arc::clone(&peer.place),
            _seat: seat,
        })
    }

    /// Follows a room, and counts the visitor there when it is this site's turn. Returns the room's place.
    ///
    /// # Errors
    ///
    /// Where the site's pages are in as many rooms as they may be.
    pub(super) fn join(&mut self, site: &Site, entry: Entry) -> Result<Joined, Problem> {
        let Entry { room, user, info } = entry;
        let sites = &self.web.embed.sites;
        let seat = sites.seat(site, &room)?;
        let place = self.rooms.len();
        let full = self.web.views.room(&room).is_some_and(|view| sites.is_full(&view));
        let turn = if full { Err(sites.full()) } else { sites.turn(site) };
        let changes = self.web.views.watch(&room);
        self.watch(place, changes);
        self.rooms.push(Watched { room: room.clone(), written: None, _seat: seat });
        match turn {
            Ok(wait) => {
                let tab = Tab { info, visible: self.visible, proven: false, draws: false };
                let (connection, subscription) = (self.connection, subscription(place));
                let user = user.unwrap_or(self.user);
                let joined = Input::Joined { connection, subscription, room, user, tab };
                self.turns.push_back((Instant::now() + wait, joined));
                Ok(Joined { place, uncounted: None })
            }
            Err(problem) => Ok(Joined { place, uncounted: Some(problem) }),
        }
    }

    fn watch(&mut self, place: usize, mut changes: watch::Receiver<()>) {
        self.changes.spawn(async move {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            (place, changes)
        });
    }

    /// Writes `begun` and then all numbers, as they change, until the reader is gone, its time is over or the node drains.
    pub(super) fn write<W: Writing>(self, begun: String, writing: W) -> Body {
        let (lines, mut read) = mpsc::channel(LINES_MAX);
        tokio::spawn(self.run(begun, writing, lines));
        Body::from_stream(poll_fn(move |context| read.poll_recv(context).map(|bytes| bytes.map(Ok::<_, Infallible>))))
    }

    async fn run<W: Writing>(mut self, begun: String, writing: W, lines: mpsc::Sender<Bytes>) {
        let web = Arc::clone(&self.web);
        let over = tokio::select! {
            over = self.follow(begun, &writing, &lines) => over,
            () = lines.closed() => Err(Gone),
            () = drained(&web) => Ok(Over::Drain),
        };
        match over {
            Ok(over) => drop(lines.send(writing.farewell(over).into()).await),
            Err(Gone) => self.ended = Ended::Closed,
        }
    }

    async fn follow<W: Writing>(
        &mut self,
        begun: String,
        writing: &W,
        lines: &mpsc::Sender<Bytes>,
    ) -> Result<Over, Gone> {
        lines.send(begun.into()).await?;
        let end = Instant::now() + writing.lasts();
        let mut due: Vec<usize> = (0..self.rooms.len()).collect();
        let mut wrote_at = Instant::now();
        let mut counts_at = wrote_at + COUNTED_WITHIN;
        let mut begins = true;
        loop {
            let turn = self.turns.front().map_or(end, |(at, _)| *at);
            tokio::select! {
                Some(Ok((place, changes))) = self.changes.join_next() => {
                    self.watch(place, changes);
                    due.push(place);
                    if std::mem::take(&mut begins) {
                        counts_at = Instant::now();
                    }
                }
                () = sleep_until(counts_at), if !due.is_empty() => {
                    begins = false;
                    let now = Instant::now();
                    counts_at = now + PACE;
                    for place in std::mem::take(&mut due) {
                        if let Some(text) = self.changed(place, writing) {
                            lines.send(text.into()).await?;
                            wrote_at = now;
                        }
                    }
                }
                () = sleep_until(turn), if !self.turns.is_empty() => {
                    if let Some((_, joined)) = self.turns.pop_front() {
                        // Fails only where the driver has ended, and with it the node.
                        drop(self.web.inputs.send(joined).await);
                    }
                }
                Some(gone) = self.dismissed.next() => {
                    let connection = self.connection;
                    drop(self.web.inputs.send(Input::Unsubscribed { connection, subscription: gone }).await);
                    if let Some(text) = writing.left(gone.0 as usize) {
                        lines.send(text.into()).await?;
                    }
                }
                () = sleep_until(wrote_at + LINE_EVERY) => {
                    lines.send(writing.line().into()).await?;
                    wrote_at = Instant::now();
                }
                () = sleep_until(end) => return Ok(Over::Time),
            }
        }
    }

    /// The room's numbers, where they are others than those written last. Nobody is there only until the visitor is.
    fn changed<W: Writing>(&mut self, place: usize, writing: &W) -> Option<String> {
        let watched = &mut self.rooms[place];
        let view = self.web.views.room_or_empty(&watched.room);
        if view.users == 0 || watched.written.as_ref().is_some_and(|written| same_counts(written, &view)) {
            return None;
        }
        let text = writing.counts(place, &view);
        watched.written = Some(view);
        Some(text)
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.place.stays(false);
        let (inputs, connection, ended) = (self.web.inputs.clone(), self.connection, self.ended);
        // The driver's queue may be full, and a visitor who is gone must not be counted for ever.
        tokio::spawn(async move { drop(inputs.send(Input::Disconnected { connection, ended }).await) });
    }
}

/// The subscription to the room at this place.
fn subscription(place: usize) -> SubscriptionId {
    SubscriptionId(u32::try_from(place).expect("an answer follows few rooms"))
}

/// Nobody reads any more.
struct Gone;

impl From<mpsc::error::SendError<Bytes>> for Gone {
    fn from(_unread: mpsc::error::SendError<Bytes>) -> Self {
        Self
    }
}

/// The node drains, and it is this answer's turn: not all visitors should come back at once.
async fn drained(web: &Web) {
    // Never fails: the sender is the node's own.
    drop(web.readiness.draining().wait_for(|draining| *draining).await);
    let [turn] = random::<1>();
    tokio::time::sleep(web.hub.limits.drain_over.mul_f32(f32::from(turn) / 256.0)).await;
}
