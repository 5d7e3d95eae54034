//! Simulated latency: without it six regions on one machine would be as near as one.

use std::time::Duration;

use presence_core::Input;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Messages that wait on one link: at 1,000 a second and 250 ms there are 250.
const DELAYED_MAX: usize = 4_096;

pub(super) type Arrive = Box<dyn Fn(Input) + Send>;

/// The delay of one link: everything waits, in order.
#[derive(Clone, Debug)]
pub(super) struct Delay {
    one_way: Duration,
    published: mpsc::Sender<(Instant, Input)>,
    answered: mpsc::Sender<(Instant, Input)>,
}

impl Delay {
    /// Passes on what has arrived by these functions; the tasks end when the last clone is dropped.
    pub(super) fn new(one_way: Duration, runtime: &Handle, [published, answered]: [Arrive; 2]) -> Self {
        Self { one_way, published: queue(runtime, published), answered: queue(runtime, answered) }
    }

    /// Delays a message of the other end by one way. Returns false if too much is under way.
    pub(super) fn published(&self, input: Input) -> bool {
        self.published.try_send((Instant::now() + self.one_way, input)).is_ok()
    }

    /// Delays an answer by both ways. Returns false if too much is under way.
    pub(super) fn answered(&self, input: Input) -> bool {
        self.answered.try_send((Instant::now() + self.one_way * 2, input)).is_ok()
    }
}

fn queue(runtime: &Handle, arrive: Arrive) -> mpsc::Sender<(Instant, Input)> {
    let (delayed_tx, mut delayed) = mpsc::channel::<(Instant, Input)>(DELAYED_MAX);
    runtime.spawn(async move {
        while let Some((due, input)) = delayed.recv().await {
            tokio::time::sleep_until(due).await;
            arrive(input);
        }
    });
    delayed_tx
}
