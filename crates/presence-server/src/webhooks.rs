//! Webhooks: which users join and leave rooms, which rooms are crowded, and what the app reports of them, sent to other servers.
//! The node waits for no receiver: if a queue overflows, a resync replaces the dropped messages.

mod client;
mod delivery_queue;
mod message;
mod room_reports;
mod signature;
mod stats;
mod threshold;
mod watcher;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::anyhow;
use presence_core::{NodeName, Now, Output, RoomView, Wall};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use self::client::WebhookClient;
use self::delivery_queue::{DeliveryContext, WebhookReceiver};
use self::message::RoomVisit;
use self::room_reports::AskApp;
use self::signature::SigningKeys;
pub(crate) use self::stats::WebhookStats;
use self::watcher::{NodeEvent, Watcher, WatcherConfig, WebhookAction};
use crate::clock::Clocks;
use crate::config::Config;
use crate::contained_app::ContainedApp;
use crate::supervision::Supervisor;
use crate::views::Views;

/// Events that wait for the watcher. After an overflow it starts again from the views.
const EVENTS_MAX: usize = 16_384;
/// How often thresholds and the choice of the sending node are checked.
const TICK: Duration = Duration::from_millis(250);

/// The driver's end.
pub(crate) struct Webhooks {
    events: mpsc::Sender<NodeEvent>,
    overflowed: Arc<AtomicBool>,
    stats: Arc<WebhookStats>,
}

impl Webhooks {
    /// Starts to send webhooks; `None` if no receiver is configured. Fails if the secret is invalid.
    pub(crate) fn start(
        config: &Config,
        node: NodeName,
        incarnation: u64,
        clock: Clocks,
        app: &Arc<ContainedApp>,
        views: &Arc<Views>,
        supervisor: &Supervisor,
    ) -> anyhow::Result<Option<Self>> {
        let options = &config.webhooks;
        if options.webhook_url.is_empty() {
            return Ok(None);
        }
        let secret = config.secrets.webhook.as_deref().unwrap_or_default();
        let keys = SigningKeys::read(secret).map_err(|mistake| anyhow!(mistake))?;
        let (events, waiting) = mpsc::channel(EVENTS_MAX);
        let overflowed = Arc::new(AtomicBool::new(false));
        let client = WebhookClient::new(keys);
        let app = Arc::clone(app);
        let ask: AskApp = Arc::new(move |view: &RoomView| app.reports(view));
        let stats = Arc::new(WebhookStats::new(options.webhook_url.len()));
        let context = DeliveryContext {
            client,
            views: Arc::clone(views),
            ask: Arc::clone(&ask),
            events: events.downgrade(),
            supervisor: supervisor.clone(),
            stats: Arc::clone(&stats),
        };
        let mut tasks = JoinSet::new();
        let receivers = options.webhook_url.iter().enumerate().map(|(index, url)| ReceiverState {
            receiver: WebhookReceiver::start(index, url, &context, &mut tasks),
            is_stale: false,
        });
        let receivers = receivers.collect();
        let (prefixes, thresholds) = (options.webhook_rooms.clone(), options.webhook_threshold.clone());
        let watcher = Watcher::new(WatcherConfig { node, incarnation, prefixes, thresholds, ask });
        let sender = WebhookSender {
            watcher,
            receivers,
            events: waiting,
            overflowed: Arc::clone(&overflowed),
            views: Arc::clone(views),
            clock,
            _tasks: tasks,
        };
        supervisor.spawn("sender of webhooks", sender.run());
        Ok(Some(Self { events, overflowed, stats }))
    }

    /// What became of the messages so far.
    pub(crate) fn stats(&self) -> Arc<WebhookStats> {
        Arc::clone(&self.stats)
    }

    /// Takes an output of the node. Never waits.
    pub(crate) fn tell(&self, output: &Output) {
        let event = match output {
            Output::Arrived { room, user, info, since_ms } => NodeEvent::Joined(RoomVisit {
                room: room.clone(),
                user: *user,
                info: info.clone(),
                since_ms: *since_ms,
            }),
            Output::Left { room, user, info, since_ms } => {
                NodeEvent::Left(RoomVisit { room: room.clone(), user: *user, info: info.clone(), since_ms: *since_ms })
            }
            Output::View(view) => NodeEvent::RoomChanged(Arc::clone(view)),
            Output::Forget(room) => NodeEvent::RoomForgotten(room.clone()),
            Output::Mesh(view) => NodeEvent::MeshChanged(Arc::clone(view)),
            _ => return,
        };
        if self.events.try_send(event).is_err() {
            self.overflowed.store(true, Relaxed);
        }
    }
}

/// A receiver, and whether it needs a resync since its queue was full.
struct ReceiverState {
    receiver: WebhookReceiver,
    is_stale: bool,
}

/// The task between the node's events and the receivers' queues.
struct WebhookSender {
    watcher: Watcher,
    receivers: Vec<ReceiverState>,
    events: mpsc::Receiver<NodeEvent>,
    overflowed: Arc<AtomicBool>,
    views: Arc<Views>,
    clock: Clocks,
    /// The tasks of the queues, which end with this one.
    _tasks: JoinSet<()>,
}

impl WebhookSender {
    async fn run(mut self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let actions = tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.watcher.handle(event, self.now()),
                    None => return,
                },
                _ = ticks.tick() => self.tick(),
            };
            self.carry_out(actions);
            if self.overflowed.swap(false, Relaxed) {
                self.restart();
            }
        }
    }

    /// Messages carry the node's time, as tokens and facts do.
    fn now(&self) -> Now {
        Now { wall: Wall(self.views.now_ms()), ..self.clock.now() }
    }

    fn tick(&mut self) -> Vec<WebhookAction> {
        let now = self.now();
        let mut actions = self.watcher.tick(now);
        for (index, _) in self.receivers.iter().enumerate().filter(|(_, state)| state.is_stale) {
            actions.extend(self.watcher.handle(NodeEvent::Stale(index), now));
        }
        actions
    }

    fn restart(&mut self) {
        tracing::warn!(queue = EVENTS_MAX, "webhook queue overflowed; sending a full resync to every receiver");
        // The views hold what the waiting events say about rooms. Of the mesh only the newest view counts.
        let mut mesh = None;
        while let Ok(event) = self.events.try_recv() {
            mesh = Some(event).filter(|event| matches!(event, NodeEvent::MeshChanged(_))).or(mesh);
        }
        let now = self.now();
        let elected = mesh.map(|mesh| self.watcher.handle(mesh, now));
        let actions = self.watcher.restart(&self.views.rooms(), now);
        self.carry_out(elected.into_iter().flatten().chain(actions).collect());
    }

    fn carry_out(&mut self, actions: Vec<WebhookAction>) {
        for action in actions {
            match action {
                WebhookAction::Send(message) => {
                    // A receiver whose queue is full gets one resync at the next tick.
                    for state in self.receivers.iter_mut().filter(|state| !state.is_stale) {
                        state.is_stale = state.receiver.send(message.clone()).is_err();
                    }
                }
                WebhookAction::Resync { to, resync } => {
                    let receivers = self.receivers.iter_mut().enumerate();
                    for (_, state) in receivers.filter(|(index, _)| to.is_none_or(|to| to == *index)) {
                        state.receiver.resync(Arc::clone(&resync));
                        state.is_stale = false;
                    }
                }
            }
        }
    }
}
