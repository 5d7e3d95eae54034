//! Webhooks: tells other servers who comes and goes and which rooms are crowded; without it they would have to ask again
//! and again. Nothing waits for a receiver: what does not fit into its queue is told by a resync.

mod event;
mod lane;
mod post;
mod sign;
mod threshold;
mod watcher;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::anyhow;
use presence_core::{NodeName, Output};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use self::event::Passage;
use self::lane::{Receiver, Surroundings};
use self::post::Poster;
use self::sign::SigningKeys;
use self::watcher::{Happened, Told, Watcher};
use crate::clock::Clock;
use crate::config::Config;
use crate::views::Views;

/// What the driver said and the watcher has not looked at yet. More: it looks at everything anew.
const WAITING_MAX: usize = 16_384;
/// How often thresholds, and who is to tell, are looked at.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(250);

/// The driver's end.
pub(crate) struct Webhooks {
    feed: mpsc::Sender<Happened>,
    /// Something did not fit into the queue.
    missed: Arc<AtomicBool>,
}

impl Webhooks {
    /// Begins to tell; `None` where nobody is to be told.
    ///
    /// # Errors
    ///
    /// One sentence where the secret is none.
    pub(crate) fn start(
        config: &Config,
        name: NodeName,
        incarnation: u64,
        clock: Clock,
        views: &Arc<Views>,
    ) -> anyhow::Result<Option<Self>> {
        if config.webhooks.webhook_url.is_empty() {
            return Ok(None);
        }
        let secret = config.secrets.webhook.as_deref().unwrap_or_default();
        let keys = SigningKeys::read(secret).map_err(|mistake| anyhow!(mistake))?;
        let (feed, waiting) = mpsc::channel(WAITING_MAX);
        let missed = Arc::new(AtomicBool::new(false));
        let around = Surroundings { poster: Poster::new(keys), views: Arc::clone(views), feed: feed.downgrade() };
        let mut tasks = JoinSet::new();
        let urls = config.webhooks.webhook_url.iter().enumerate();
        let receivers = urls.map(|(index, url)| (Receiver::start(index, url, &around, &mut tasks), false)).collect();
        let prefixes = config.webhooks.webhook_rooms.clone();
        let watcher =
            Watcher::new((name, incarnation), prefixes, config.webhooks.webhook_threshold.clone(), clock.now());
        let telling = Telling {
            watcher,
            receivers,
            waiting,
            missed: Arc::clone(&missed),
            views: Arc::clone(views),
            clock,
            _tasks: tasks,
        };
        tokio::spawn(telling.run());
        Ok(Some(Self { feed, missed }))
    }

    /// Takes note of what the node orders, and waits for nobody.
    pub(crate) fn tell(&self, output: &Output) {
        let happened = match output {
            Output::Arrived { room, user, info, since_ms } => {
                Happened::Arrived(Passage { room: room.clone(), user: *user, info: info.clone(), since_ms: *since_ms })
            }
            Output::Left { room, user, info, since_ms } => {
                Happened::Left(Passage { room: room.clone(), user: *user, info: info.clone(), since_ms: *since_ms })
            }
            Output::View(view) => Happened::Viewed(Arc::clone(view)),
            Output::Forget(room) => Happened::Forgotten(room.clone()),
            Output::Mesh(view) => Happened::Meshed(Arc::clone(view)),
            _ => return,
        };
        if self.feed.try_send(happened).is_err() {
            self.missed.store(true, Relaxed);
        }
    }
}

/// The task that watches and hands out.
struct Telling {
    watcher: Watcher,
    /// Each, and whether it has missed something.
    receivers: Vec<(Receiver, bool)>,
    waiting: mpsc::Receiver<Happened>,
    missed: Arc<AtomicBool>,
    views: Arc<Views>,
    clock: Clock,
    /// The lanes; they end with this.
    _tasks: JoinSet<()>,
}

impl Telling {
    async fn run(mut self) {
        let mut ticks = interval(LOOKED_AT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let told = tokio::select! {
                happened = self.waiting.recv() => match happened {
                    Some(happened) => self.watcher.take(happened, self.clock.now()),
                    None => return,
                },
                _ = ticks.tick() => {
                    let stale = self.receivers.iter().enumerate().filter(|(_, (_, stale))| *stale);
                    let stale: Vec<Happened> = stale.map(|(index, _)| Happened::Stale(index)).collect();
                    let mut told = self.watcher.tick(self.clock.now());
                    told.extend(stale.into_iter().flat_map(|stale| self.watcher.take(stale, self.clock.now())));
                    told
                }
            };
            self.hand_out(told);
            if self.missed.swap(false, Relaxed) {
                self.begin_anew();
            }
        }
    }

    fn begin_anew(&mut self) {
        tracing::warn!("more happened than webhooks could be made of: every receiver is told how all is");
        // The views know already what still waits of rooms; of the mesh only the newest counts.
        let mut mesh = None;
        while let Ok(happened) = self.waiting.try_recv() {
            mesh = Some(happened).filter(|happened| matches!(happened, Happened::Meshed(_))).or(mesh);
        }
        let judged = mesh.map(|mesh| self.watcher.take(mesh, self.clock.now()));
        let told = self.watcher.begin_anew(&self.views.rooms());
        self.hand_out(judged.into_iter().flatten().chain(told).collect());
    }

    fn hand_out(&mut self, told: Vec<Told>) {
        for one in told {
            match one {
                Told::Letter(letter) => {
                    // One that has no room for more is told how all is at the next tick, however much happens until then.
                    for (receiver, stale) in self.receivers.iter_mut().filter(|(_, stale)| !*stale) {
                        *stale = !receiver.send(letter.clone());
                    }
                }
                Told::Resync { to, sync } => {
                    let receivers = self.receivers.iter_mut().enumerate();
                    for (_, (receiver, stale)) in receivers.filter(|(index, _)| to.is_none_or(|to| to == *index)) {
                        receiver.resync(Arc::clone(&sync));
                        *stale = false;
                    }
                }
            }
        }
    }
}
