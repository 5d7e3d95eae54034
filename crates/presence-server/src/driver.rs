//! The one task that owns the node: passes it inputs, and carries out its outputs.
//!
//! It has a thread of its own, together with the mesh. Nothing of an app runs there, no disk is waited for and no long fan-out
//! written, so that heartbeats go out whatever visitors and apps do.

use std::sync::Arc;
use std::time::Instant;

use presence_core::{Input, Node, Notice, Outcome, Output, ReflexError, Severity};
use tokio::sync::mpsc;

use crate::carrier::Carrier;
use crate::clock::Clocks;
use crate::drawing_queue::DrawingQueue;
use crate::hub::Hub;
use crate::input_topic::InputTopic;
use crate::node_reports::NodeReports;
use crate::presence_events::PresenceEvents;
use crate::queries::PendingQueries;
use crate::store::{OnDisk, Store};
use crate::supervision::{DriverTurns, NodeGuard};
use crate::traces::{DrawOutcome, Traces};
use crate::views::Views;
use crate::webhooks::Webhooks;

/// Inputs that wait from sockets; a socket that floods waits for room itself.
const SOCKET_INPUTS_MAX: usize = 4_096;
/// Inputs that wait from other nodes.
const MESH_INPUTS_MAX: usize = 4_096;
/// A turn takes this many inputs of the mesh and of sockets at most, so that a storm of visitors never delays a heartbeat.
const MESH_TURN: usize = 256;
const SOCKET_TURN: usize = 64;

/// How the node ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// It has said goodbye to all others.
    Finished,
    /// It must not continue, for this reason.
    Aborted(String),
    /// No source of inputs remains.
    Deserted,
}

/// The sending ends of the driver's queues.
#[derive(Clone)]
pub(crate) struct Inputs {
    /// For sockets and pages.
    pub(crate) sockets: mpsc::Sender<Input>,
    /// For the mesh, and for what must not wait behind visitors.
    pub(crate) mesh: mpsc::Sender<Input>,
}

/// The receiving ends.
pub(crate) struct DriverQueues {
    sockets: mpsc::Receiver<Input>,
    mesh: mpsc::Receiver<Input>,
}

/// Creates both queues, bounded.
pub(crate) fn queues() -> (Inputs, DriverQueues) {
    let (sockets, sockets_rx) = mpsc::channel(SOCKET_INPUTS_MAX);
    let (mesh, mesh_rx) = mpsc::channel(MESH_INPUTS_MAX);
    (Inputs { sockets, mesh }, DriverQueues { sockets: sockets_rx, mesh: mesh_rx })
}

/// Where outputs go.
pub(crate) struct Outlets {
    pub(crate) hub: Arc<Hub>,
    pub(crate) drawings: DrawingQueue,
    pub(crate) views: Arc<Views>,
    pub(crate) presence_events: PresenceEvents,
    pub(crate) queries: Arc<PendingQueries>,
    pub(crate) node_reports: Arc<NodeReports>,
    pub(crate) store: Option<Store>,
    pub(crate) carrier: Option<Carrier>,
    pub(crate) webhooks: Option<Webhooks>,
    pub(crate) traces: Traces,
    /// Back to the driver. It does not keep the queue open.
    pub(crate) inputs: mpsc::WeakSender<Input>,
}

/// The node and everything that it is connected to.
pub(crate) struct Driver {
    pub(crate) node: Node,
    pub(crate) clock: Clocks,
    pub(crate) waiting: DriverQueues,
    pub(crate) outlets: Outlets,
    /// For health checks.
    pub(crate) driver_turns: DriverTurns,
}

impl Driver {
    /// Has the node take its first look: pages have a view of the mesh from here on.
    pub(crate) fn begin(&mut self) -> Option<Ending> {
        self.handle(Input::Ticked)
    }

    /// Drives until the node ends, then closes mesh and store: everything to be kept is on disk.
    pub(crate) async fn run(mut self, guard: NodeGuard) -> Ending {
        let ending = self.drive().await;
        // Before the parts end with it.
        drop(guard);
        if let Some(carrier) = self.outlets.carrier {
            carrier.close().await;
        }
        if let Some(store) = self.outlets.store
            && let Err(reason) = store.close().await
            && ending == Ending::Finished
        {
            return Ending::Aborted(reason);
        }
        ending
    }

    async fn drive(&mut self) -> Ending {
        let mut tick = std::pin::pin!(tokio::time::sleep_until(self.wakes_at()));
        loop {
            self.driver_turns.turned();
            // A timer that is set again wakes a worker that sleeps: only where it has to.
            if tick.deadline() != self.wakes_at() {
                tick.as_mut().reset(self.wakes_at());
            }
            let first = tokio::select! {
                biased;
                () = &mut tick => Some(Input::Ticked),
                input = self.waiting.mesh.recv() => input,
                input = self.waiting.sockets.recv() => input,
            };
            let Some(first) = first else { return Ending::Deserted };
            if let Some(ending) = self.turn(first) {
                return ending;
            }
            // A storm: the tasks on this worker have their turn in between.
            if !(self.waiting.mesh.is_empty() && self.waiting.sockets.is_empty()) {
                tokio::task::yield_now().await;
            }
        }
    }

    fn wakes_at(&self) -> tokio::time::Instant {
        self.clock.at(self.node.wake_at())
    }

    /// Handles an input and those that wait behind it.
    fn turn(&mut self, first: Input) -> Option<Ending> {
        let ticked = first == Input::Ticked;
        if ticked {
            self.outlets.drawings.inspect_app();
        }
        let mut ending = self.handle(first);
        if !ticked && ending.is_none() && self.clock.now().mono >= self.node.wake_at() {
            ending = self.handle(Input::Ticked);
        }
        for _ in 0..MESH_TURN {
            let Some(input) = ending.is_none().then(|| self.waiting.mesh.try_recv().ok()).flatten() else { break };
            ending = self.handle(input);
        }
        for _ in 0..SOCKET_TURN {
            let Some(input) = ending.is_none().then(|| self.waiting.sockets.try_recv().ok()).flatten() else { break };
            ending = self.handle(input);
        }
        ending
    }

    fn handle(&mut self, input: Input) -> Option<Ending> {
        let (topic, began) = (InputTopic::of(&input), Instant::now());
        let traced = self.outlets.traces.observe(&input);
        let mut outputs = self.node.handle(input, self.clock.now());
        traced.into_iter().for_each(|traced| self.outlets.traces.written(traced, &outputs));
        self.outlets.keep(&mut outputs);
        let ending = outputs.into_iter().fold(None, |ending, output| ending.or(self.outlets.carry_out(output)));
        self.driver_turns.handled(topic, began.elapsed());
        ending
    }
}

impl Outlets {
    /// Keeps what one input has written: all of it goes to the disk in one transaction.
    fn keep(&self, outputs: &mut Vec<Output>) {
        let Some(store) = self.store.as_ref() else { return };
        let kept = outputs.extract_if(.., |output| matches!(output, Output::Keep { .. }));
        let records: Vec<_> = kept.filter_map(Output::into_record).collect();
        if !records.is_empty() {
            store.keep(records);
        }
    }

    fn carry_out(&self, output: Output) -> Option<Ending> {
        if let Some(webhooks) = &self.webhooks {
            webhooks.tell(&output);
        }
        match output {
            Output::Draw(drawing) => self.drawings.push(drawing),
            Output::Undrawn(traced) => self.traces.drawn(&traced, DrawOutcome::Nothing),
            Output::Answer { answer, outcome, kept: true } if self.store.is_some() => {
                let hub = Arc::clone(&self.hub);
                if let Some(store) = &self.store {
                    store.then(Box::new(move |on_disk| {
                        let lost = Outcome::Failed(ReflexError::Unconfirmed);
                        let outcome = if on_disk == OnDisk::Yes { outcome } else { lost };
                        hub.carry_out(Output::Answer { answer, outcome, kept: false });
                    }));
                }
            }
            Output::StatusHeard { node, body } => self.node_reports.take(&node, &body),
            Output::Answer { .. } | Output::Deliver { .. } | Output::Dismiss { .. } | Output::Close { .. } => {
                self.hub.carry_out(output);
            }
            Output::Arrived { room, user, info, .. } => self.presence_events.joined(&room, &user, &info),
            Output::Left { room, user, info, .. } => self.presence_events.left(&room, &user, &info),
            Output::Complete { ms } => self.hub.history.set_complete(ms),
            Output::ReadMessages { question, stream, age_ms } => {
                let messages = self.hub.history.lock(&stream).read(age_ms, self.hub.history.now());
                // A full queue costs another node one answer.
                if let Some(inputs) = self.inputs.upgrade() {
                    drop(inputs.try_send(Input::MessagesRead { question, messages }));
                }
            }
            Output::Found { query, found } => self.queries.answer(query, found),
            // Readable before it is sent: a listener that begins between the two reads the new one.
            Output::View(view) => {
                self.views.set_room(Arc::clone(&view));
                self.hub.shared(&view);
            }
            Output::Counts(view) => self.hub.counted(&view),
            Output::Forget(room) => self.views.forget_room(&room),
            Output::Tabs { room, user, tabs } => self.views.set_tabs(&room, &user, tabs),
            Output::Mesh(view) => self.views.set_mesh(view),
            // There is no disk: what there is to be kept has been taken already.
            Output::Keep { .. } => {}
            Output::Remember { addresses, incarnation } => {
                if let Some(store) = &self.store {
                    store.remember(&addresses, incarnation);
                }
            }
            Output::KeepRegions { regions } => {
                if let Some(store) = &self.store {
                    store.keep_regions(&regions);
                }
            }
            Output::Publish { .. }
            | Output::Ask { .. }
            | Output::Reply { .. }
            | Output::Dial { .. }
            | Output::HangUp { .. } => {
                if let Some(carrier) = &self.carrier {
                    carrier.carry_out(output);
                }
            }
            Output::Tell(notice) => tell(&notice),
            Output::Finish => return Some(Ending::Finished),
            Output::Abort(reason) => return Some(Ending::Aborted(reason.to_string())),
        }
        None
    }
}

fn tell(notice: &Notice) {
    let peer = notice.peer.as_deref();
    let region = notice.region.as_ref().map(tracing::field::display);
    if notice.severity == Severity::Warning {
        tracing::warn!(peer.name = peer, peer.region = region, "{}", notice.message);
    } else {
        tracing::info!(peer.name = peer, peer.region = region, "{}", notice.message);
    }
}
