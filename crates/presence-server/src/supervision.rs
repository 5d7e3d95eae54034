//! Watches the parts of a node. A part that ends takes the node with it: a node of which a part is missing looks well from
//! outside and is not.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, mpsc};

use crate::clock::millis;
use crate::input_topic::InputTopic;

/// Ends that are remembered; the first one is enough.
const ENDS_MAX: usize = 16;

/// Gives out guards, one for each part; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor {
    ends: mpsc::Sender<PartEnd>,
    /// The parts that live as long as the node, and how many guards of each are held.
    parts: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    node_has_ended: Arc<AtomicBool>,
}

/// Where the ends of parts arrive.
pub(crate) struct PartEnds(mpsc::Receiver<PartEnd>);

/// A part that has ended while the node runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PartEnd {
    part: &'static str,
    panicked: bool,
}

/// Held by a part for as long as it lives: dropping it reports the end.
#[derive(Debug)]
pub(crate) struct PartGuard {
    part: &'static str,
    supervisor: Supervisor,
    reports: GuardReports,
}

/// Held while the node is driven. Parts that end later end because the node has: dropping it ends their reports, so that
/// the reason of the node is the one that is told.
#[derive(Debug)]
pub(crate) struct NodeGuard(PartGuard);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum GuardReports {
    EveryEnd,
    Panics,
}

/// Makes a supervisor.
pub(crate) fn supervision() -> (Supervisor, PartEnds) {
    let (sender, receiver) = mpsc::channel(ENDS_MAX);
    (Supervisor { ends: sender, parts: Arc::default(), node_has_ended: Arc::default() }, PartEnds(receiver))
}

impl Supervisor {
    /// For a part that lives as long as the node: a task or a thread keeps the guard to its end.
    pub(crate) fn guard(&self, part: &'static str) -> PartGuard {
        *self.parts.lock().entry(part).or_default() += 1;
        PartGuard { part, supervisor: self.clone(), reports: GuardReports::EveryEnd }
    }

    /// The parts that live as long as the node, and whether each is there.
    pub(crate) fn parts(&self) -> Vec<(&'static str, bool)> {
        self.parts.lock().iter().map(|(part, guards)| (*part, *guards > 0)).collect()
    }

    /// For a part that may end, but not in a panic.
    pub(crate) fn guard_against_panics(&self, part: &'static str) -> PartGuard {
        PartGuard { part, supervisor: self.clone(), reports: GuardReports::Panics }
    }

    /// For the part that drives the node, which all others serve. It may end, but not in a panic.
    pub(crate) fn guard_of_node(&self, part: &'static str) -> NodeGuard {
        NodeGuard(self.guard_against_panics(part))
    }

    /// Runs a part that lives as long as the node in a task of its own.
    pub(crate) fn spawn(&self, part: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let guard = self.guard(part);
        tokio::spawn(async move {
            let _guard = guard;
            task.await;
        });
    }
}

impl PartGuard {
    fn report(&self) {
        let panicked = std::thread::panicking();
        let is_cause = !self.supervisor.node_has_ended.load(SeqCst);
        if is_cause && (panicked || self.reports == GuardReports::EveryEnd) {
            // While the node stops, no end is waited for.
            let _ = self.supervisor.ends.try_send(PartEnd { part: self.part, panicked });
        }
    }
}

impl Drop for PartGuard {
    fn drop(&mut self) {
        if self.reports == GuardReports::EveryEnd
            && let Some(guards) = self.supervisor.parts.lock().get_mut(self.part)
        {
            *guards -= 1;
        }
        self.report();
    }
}

impl Drop for NodeGuard {
    fn drop(&mut self) {
        self.0.report();
        self.0.supervisor.node_has_ended.store(true, SeqCst);
    }
}

impl PartEnds {
    /// Waits for the first part that ends.
    pub(crate) async fn next(&mut self) -> PartEnd {
        match self.0.recv().await {
            Some(end) => end,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Display for PartEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a part of the node, the {}, has {}", self.part, if self.panicked { "panicked" } else { "ended" })
    }
}

/// The driver's turns: when the last one was, and what all of them did. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct DriverTurns(Arc<TurnClock>);

#[derive(Debug)]
struct TurnClock {
    started: Instant,
    at_ms: AtomicU64,
    /// By topic.
    inputs: [HandledInputs; InputTopic::ALL.len()],
    next: Notify,
}

/// Inputs of one topic that the driver has handled.
#[derive(Debug, Default)]
struct HandledInputs {
    count: AtomicU64,
    took_ns: AtomicU64,
}

impl DriverTurns {
    /// The first turn is due soon after this moment.
    pub(crate) fn since(started: Instant) -> Self {
        Self(Arc::new(TurnClock { started, at_ms: AtomicU64::new(0), inputs: Default::default(), next: Notify::new() }))
    }

    /// Notes a turn.
    pub(crate) fn turned(&self) {
        self.0.at_ms.store(millis(self.0.started.elapsed()), Relaxed);
        self.0.next.notify_waiters();
    }

    /// Notes that an input was handled, and what followed from it carried out, in this time.
    pub(crate) fn handled(&self, topic: InputTopic, took: Duration) {
        let inputs = &self.0.inputs[topic as usize];
        inputs.count.fetch_add(1, Relaxed);
        inputs.took_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How many inputs of a topic were handled since the start.
    pub(crate) fn inputs_of(&self, topic: InputTopic) -> u64 {
        self.0.inputs[topic as usize].count.load(Relaxed)
    }

    /// How many inputs were handled since the start.
    pub(crate) fn inputs(&self) -> u64 {
        InputTopic::ALL.iter().map(|topic| self.inputs_of(*topic)).sum()
    }

    /// How long those took together.
    pub(crate) fn took(&self, topic: InputTopic) -> Duration {
        Duration::from_nanos(self.0.inputs[topic as usize].took_ns.load(Relaxed))
    }

    /// How long all inputs took together.
    pub(crate) fn busy(&self) -> Duration {
        InputTopic::ALL.iter().map(|topic| self.took(*topic)).sum()
    }

    /// Waits for the first turn after this call.
    pub(crate) fn next(&self) -> Notified<'_> {
        self.0.next.notified()
    }

    /// How long ago the last turn was.
    pub(crate) fn age(&self) -> Duration {
        self.0.started.elapsed().saturating_sub(Duration::from_millis(self.0.at_ms.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_task_or_thread_names_the_part_and_a_job_that_ends_is_no_end_of_a_part() {
        let (supervisor, mut ends) = supervision();
        let job = supervisor.guard_against_panics("flush");
        tokio::spawn(async move { drop(job) }).await.unwrap();
        supervisor.spawn("timer wheel", async {});
        assert_eq!(supervisor.parts(), [("timer wheel", true)]);
        assert_eq!(ends.next().await.to_string(), "a part of the node, the timer wheel, has ended");
        assert_eq!(supervisor.parts(), [("timer wheel", false)]);
        let guard = supervisor.guard("store");
        let thread = std::thread::spawn(move || {
            let _guard = guard;
            panic!("a test's own");
        });
        assert!(thread.join().is_err());
        assert_eq!(ends.next().await.to_string(), "a part of the node, the store, has panicked");
        let job = supervisor.guard_against_panics("flush");
        let flush = async move {
            let _job = job;
            panic!("a test's own");
        };
        assert!(tokio::spawn(flush).await.is_err());
        assert_eq!(ends.next().await.to_string(), "a part of the node, the flush, has panicked");
    }

    #[test]
    fn what_ends_or_panics_after_the_node_is_not_its_reason_and_a_panic_of_the_node_is() {
        let panic_with = |guard: Box<dyn std::any::Any + Send>| {
            let thread = std::thread::spawn(move || {
                let _guard = guard;
                panic!("a test's own");
            });
            assert!(thread.join().is_err());
        };
        for node_panics in [false, true] {
            let (supervisor, PartEnds(mut ends)) = supervision();
            let (node, store, wheel) =
                (supervisor.guard_of_node("driver"), supervisor.guard("store"), supervisor.guard("timer wheel"));
            if node_panics {
                panic_with(Box::new(node))
            } else {
                drop(node)
            }
            drop(store);
            panic_with(Box::new(wheel));
            let first = ends.try_recv().ok().map(|end| end.to_string());
            assert_eq!(first, node_panics.then(|| "a part of the node, the driver, has panicked".to_owned()));
            assert!(ends.try_recv().is_err());
        }
    }
}
