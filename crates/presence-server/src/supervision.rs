//! Watches the parts of a node. A part that ends takes the node with it: a node of which a part is missing looks well from
//! outside and is not.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, mpsc};

use crate::clock::millis;

/// Ends that are remembered; the first one is enough.
const ENDS_MAX: usize = 16;

/// Gives out guards, one for each part; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor(mpsc::Sender<PartEnd>);

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

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum GuardReports {
    EveryEnd,
    Panics,
}

/// Makes a supervisor.
pub(crate) fn supervision() -> (Supervisor, PartEnds) {
    let (sender, receiver) = mpsc::channel(ENDS_MAX);
    (Supervisor(sender), PartEnds(receiver))
}

impl Supervisor {
    /// For a part that lives as long as the node: a task or a thread keeps the guard to its end.
    pub(crate) fn guard(&self, part: &'static str) -> PartGuard {
        PartGuard { part, supervisor: self.clone(), reports: GuardReports::EveryEnd }
    }

    /// For a part that may end, but not in a panic.
    pub(crate) fn guard_against_panics(&self, part: &'static str) -> PartGuard {
        PartGuard { part, supervisor: self.clone(), reports: GuardReports::Panics }
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

impl Drop for PartGuard {
    fn drop(&mut self) {
        let panicked = std::thread::panicking();
        if panicked || self.reports == GuardReports::EveryEnd {
            // While the node stops, no end is waited for.
            let _ = self.supervisor.0.try_send(PartEnd { part: self.part, panicked });
        }
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
    inputs: AtomicU64,
    busy_us: AtomicU64,
    next: Notify,
}

impl DriverTurns {
    /// The first turn is due soon after this moment.
    pub(crate) fn since(started: Instant) -> Self {
        Self(Arc::new(TurnClock {
            started,
            at_ms: AtomicU64::new(0),
            inputs: AtomicU64::new(0),
            busy_us: AtomicU64::new(0),
            next: Notify::new(),
        }))
    }

    /// Notes a turn.
    pub(crate) fn turned(&self) {
        self.0.at_ms.store(millis(self.0.started.elapsed()), Relaxed);
        self.0.next.notify_waiters();
    }

    /// Notes what a turn did.
    pub(crate) fn worked(&self, inputs: u64, busy: Duration) {
        self.0.inputs.fetch_add(inputs, Relaxed);
        self.0.busy_us.fetch_add(u64::try_from(busy.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How many inputs were handled since the start.
    pub(crate) fn inputs(&self) -> u64 {
        self.0.inputs.load(Relaxed)
    }

    /// How long all turns took together.
    pub(crate) fn busy(&self) -> Duration {
        Duration::from_micros(self.0.busy_us.load(Relaxed))
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
        assert_eq!(ends.next().await.to_string(), "a part of the node, the timer wheel, has ended");
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
}
