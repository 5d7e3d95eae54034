//! The simulated ocean: without it six regions on one machine would be as near as one.

use std::time::Duration;

use presence_core::Input;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::inbound::Inbound;

/// What can be at sea at once on one link. At 1,000 messages a second and 250 ms it is 250.
const AT_SEA_MAX: usize = 4_096;

/// One link's way over the water: everything waits, in order.
#[derive(Clone, Debug)]
pub(super) struct Delay {
    one_way: Duration,
    published: mpsc::Sender<(Instant, Input)>,
    answered: mpsc::Sender<(Instant, Input)>,
}

impl Delay {
    /// What has arrived goes to `driver`; the tasks end when the last clone is dropped.
    pub(super) fn new(one_way: Duration, driver: &Inbound, runtime: &Handle) -> Self {
        let lane = |arrive: fn(&Inbound, Input)| {
            let (lane_tx, mut lane_rx) = mpsc::channel::<(Instant, Input)>(AT_SEA_MAX);
            let driver = driver.clone();
            runtime.spawn(async move {
                while let Some((due, input)) = lane_rx.recv().await {
                    tokio::time::sleep_until(due).await;
                    arrive(&driver, input);
                }
            });
            lane_tx
        };
        Self { one_way, published: lane(Inbound::offer), answered: lane(Inbound::deliver) }
    }

    /// What the other end published has come one way. False where too much is at sea.
    pub(super) fn published(&self, input: Input) -> bool {
        self.published.try_send((Instant::now() + self.one_way, input)).is_ok()
    }

    /// An answer has come there and back again. False where too much is at sea.
    pub(super) fn answered(&self, input: Input) -> bool {
        self.answered.try_send((Instant::now() + self.one_way * 2, input)).is_ok()
    }
}
