//! What waits for one receiver: tried again until it arrives, in turn for each room; without it one slow receiver would
//! hold up all, and one that was away would have missed something for good.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use presence_core::Room;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::event::{Letter, Reason, RoomData};
use super::post::{Failure, Poster};
use super::watcher::{Happened, Resync};
use crate::clock::wall_ms;
use crate::config::WebhookUrl;
use crate::secret::random;
use crate::views::Views;

/// Messages that are under way to one receiver at a time.
pub(super) const LANES: usize = 8;
/// Messages that wait in one lane. More: they are given up for a resync.
const WAITING_MAX: usize = 1_024;
/// What has waited this long is given up for a resync: it is no news any more.
const AGE_MAX: Duration = Duration::from_secs(600);
/// The first pause after a failure; it doubles.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A letter, and after how many resyncs it came: one that is followed by a resync need not arrive any more.
struct Waiting {
    letter: Letter,
    after: u64,
    since: Instant,
}

/// A resync, numbered.
#[derive(Clone)]
struct Begun {
    number: u64,
    sync: Option<Arc<Resync>>,
}

/// One receiver, as the watcher's task sees it.
pub(super) struct Receiver {
    lanes: Vec<mpsc::Sender<Waiting>>,
    syncs: watch::Sender<Begun>,
}

/// What every lane needs.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) poster: Poster,
    pub(super) views: Arc<Views>,
    /// For what the watcher must know.
    pub(super) feed: mpsc::WeakSender<Happened>,
}

impl Receiver {
    /// Begins to send to this address; the tasks end with the set that they are put into.
    pub(super) fn start(
        index: usize,
        url: &WebhookUrl,
        around: &Surroundings,
        tasks: &mut tokio::task::JoinSet<()>,
    ) -> Self {
        let syncs = watch::Sender::new(Begun { number: 0, sync: None });
        let health = Arc::new(Health::default());
        let lane = |place: usize| {
            let (sender, waiting) = mpsc::channel(WAITING_MAX);
            let lane = Lane {
                place,
                receiver: index,
                url: url.clone(),
                around: around.clone(),
                health: Arc::clone(&health),
                waiting,
                syncs: syncs.subscribe(),
            };
            tasks.spawn(lane.run());
            sender
        };
        let lanes = (0..LANES).map(lane).collect();
        Self { lanes, syncs }
    }

    /// Puts a letter into its lane; false: there is no room for it, and only a resync can make that good.
    pub(super) fn send(&self, letter: Letter) -> bool {
        let place = letter.room.as_ref().map_or(0, place_of);
        let waiting = Waiting { letter, after: self.syncs.borrow().number, since: Instant::now() };
        // A lane that has ended was told that nothing is wanted any more.
        !matches!(self.lanes[place].try_send(waiting), Err(mpsc::error::TrySendError::Full(_)))
    }

    /// Tells how all is, instead of everything that waits.
    pub(super) fn resync(&self, sync: Arc<Resync>) {
        self.syncs.send_modify(|begun| *begun = Begun { number: begun.number + 1, sync: Some(sync) });
    }
}

fn place_of(room: &Room) -> usize {
    let mut hasher = DefaultHasher::new();
    Hash::hash(room, &mut hasher);
    usize::try_from(hasher.finish() % LANES as u64).expect("less than the number of lanes")
}

/// Why a lane goes on to something else.
#[derive(PartialEq, Eq, Debug)]
enum End {
    /// It has arrived.
    Arrived,
    /// A resync has begun that makes it needless.
    Overtaken,
    /// It is too old.
    Old,
    /// The receiver wants nothing.
    Gone,
}

/// How a receiver fares, whichever lane notices.
#[derive(Default)]
struct Health {
    /// It wants nothing any more.
    gone: AtomicBool,
    /// The last message did not arrive.
    failing: AtomicBool,
}

struct Lane {
    place: usize,
    receiver: usize,
    url: WebhookUrl,
    around: Surroundings,
    health: Arc<Health>,
    waiting: mpsc::Receiver<Waiting>,
    syncs: watch::Receiver<Begun>,
}

impl Lane {
    async fn run(mut self) {
        loop {
            let end = tokio::select! {
                biased;
                changed = self.syncs.changed() => match changed {
                    Ok(()) => self.tell_all().await,
                    Err(_) => return,
                },
                waiting = self.waiting.recv() => match waiting {
                    Some(waiting) => self.tell(waiting).await,
                    None => return,
                },
            };
            match end {
                End::Arrived | End::Overtaken => {}
                End::Old => self.ask_for_a_resync().await,
                End::Gone => {
                    // Another lane may have been told first.
                    if !self.health.gone.swap(true, Relaxed) {
                        tracing::warn!("webhooks are not sent to {} any more: it answered 410 Gone", self.url);
                    }
                    return;
                }
            }
        }
    }

    async fn ask_for_a_resync(&self) {
        let Some(feed) = self.around.feed.upgrade() else { return };
        drop(feed.send(Happened::Stale(self.receiver)).await);
    }

    /// One letter, unless a resync has begun since it was put here.
    async fn tell(&mut self, waiting: Waiting) -> End {
        if waiting.after < self.syncs.borrow().number {
            return End::Overtaken;
        }
        self.deliver(&waiting.letter, Some(waiting.since)).await
    }

    /// This lane's share of all rooms, each as it is when its turn comes.
    async fn tell_all(&mut self) -> End {
        let Some(sync) = self.syncs.borrow_and_update().sync.clone() else { return End::Arrived };
        if self.place == 0 {
            let started = Letter::resync(&sync.id, sync.rooms.len(), wall_ms());
            match self.deliver(&started, None).await {
                End::Arrived => {}
                end => return end,
            }
        }
        let place = self.place;
        for (room, above) in sync.rooms.iter().filter(|(room, _)| place_of(room) == place) {
            if self.syncs.has_changed().unwrap_or(true) {
                return End::Overtaken;
            }
            let users = self.around.views.room(room).map_or(0, |view| view.users);
            let resync = Some(sync.id.clone());
            let data = RoomData { room: room.to_string(), users, reason: Reason::Resync, above: above.clone(), resync };
            match self.deliver(&Letter::room(room, &data, &sync.id, wall_ms()), None).await {
                End::Arrived => {}
                end => return end,
            }
        }
        End::Arrived
    }

    /// Tries until the letter has arrived, or need not any more.
    async fn deliver(&mut self, letter: &Letter, since: Option<Instant>) -> End {
        let mut pause = PAUSE_MIN;
        loop {
            if self.health.gone.load(Relaxed) {
                return End::Gone;
            }
            let posted = tokio::select! {
                posted = self.around.poster.post(&self.url, letter) => posted,
                _ = self.syncs.changed() => return self.overtaken(),
            };
            let failure = match posted {
                Ok(()) => {
                    if self.health.failing.swap(false, Relaxed) {
                        tracing::info!("webhooks arrive at {} again", self.url);
                    }
                    return End::Arrived;
                }
                Err(Failure::Gone) => return End::Gone,
                Err(failure) => failure,
            };
            let Failure::Again { reason, after } = failure else { unreachable!("the other failure has ended it") };
            if since.is_some_and(|since| since.elapsed() >= AGE_MAX) {
                tracing::warn!("a webhook to {} is given up after {} s: {reason}", self.url, AGE_MAX.as_secs());
                return End::Old;
            }
            if !self.health.failing.swap(true, Relaxed) {
                tracing::warn!("a webhook to {} did not arrive and is sent again: {reason}", self.url);
            }
            tokio::select! {
                () = sleep(after.unwrap_or(pause).max(pause).mul_f64(jitter())) => {}
                _ = self.syncs.changed() => return self.overtaken(),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// A resync has begun: it is what the next turn takes. Where nobody is left who could begin one, the task ends then.
    fn overtaken(&mut self) -> End {
        self.syncs.mark_changed();
        End::Overtaken
    }
}

/// 0.75 to 1.25, so that receivers that come back are not met by all at once.
fn jitter() -> f64 {
    0.75 + f64::from(u16::from_ne_bytes(random())) / f64::from(u16::MAX) / 2.0
}

#[cfg(test)]
mod tests;
