//! The simulated ocean: without it six regions on one machine would be as near as one.

use std::collections::BTreeMap;
use std::time::Duration;

use presence_core::Input;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Counts;
use super::address::Address;
use super::sink::Sink;

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
    /// The other shore is `shore`; the tasks end when the last clone is dropped.
    pub(super) fn new(one_way: Duration, shore: &Sink) -> Self {
        let lane = |arrive: fn(&Sink, Input)| {
            let (lane_tx, mut lane_rx) = mpsc::channel::<(Instant, Input)>(AT_SEA_MAX);
            let shore = shore.clone();
            shore.runtime().clone().spawn(async move {
                while let Some((due, input)) = lane_rx.recv().await {
                    tokio::time::sleep_until(due).await;
                    arrive(&shore, input);
                }
            });
            lane_tx
        };
        Self { one_way, published: lane(Sink::offer_now), answered: lane(Sink::deliver_now) }
    }

    /// What the other end published has come one way.
    pub(super) fn published(&self, input: Input, counts: &Counts) {
        send(&self.published, self.one_way, input, counts);
    }

    /// An answer has come there and back again.
    pub(super) fn answered(&self, input: Input, counts: &Counts) {
        send(&self.answered, self.one_way * 2, input, counts);
    }
}

fn send(lane: &mpsc::Sender<(Instant, Input)>, delay: Duration, input: Input, counts: &Counts) {
    if lane.try_send((Instant::now() + delay, input)).is_err() {
        Counts::count(&counts.inputs_dropped);
    }
}

/// The configured delays by address, as addresses are written everywhere.
pub(super) fn table(delays: &[(String, Duration)]) -> anyhow::Result<BTreeMap<Address, Duration>> {
    delays.iter().map(|(address, delay)| Ok((Address::parse(address)?, *delay))).collect()
}
