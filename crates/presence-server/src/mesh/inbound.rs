//! The way from links to the driver: without it a full queue would hold up the links, or lose an answer that core waits for.

use std::sync::Arc;
use std::time::Duration;

use presence_core::Input;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Counts;
use super::delay::Delay;

/// Where inputs go. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Inbound {
    inputs: mpsc::Sender<Input>,
    counts: Arc<Counts>,
    runtime: Handle,
    delay: Option<Delay>,
}

impl Inbound {
    /// Must be made on the runtime that outlives all links.
    pub(super) fn new(inputs: mpsc::Sender<Input>) -> Self {
        Self { inputs, counts: Arc::default(), runtime: Handle::current(), delay: None }
    }

    /// The same way, over an ocean of that width.
    pub(super) fn delayed(&self, one_way: Duration) -> Self {
        Self { delay: Some(Delay::new(one_way, self, &self.runtime)), ..self.clone() }
    }

    /// For what others publish or ask: dropped and counted where the driver's queue is full, since gaps heal.
    pub(super) fn offer(&self, input: Input) {
        let dropped = match &self.delay {
            Some(delay) => !delay.published(input),
            None => self.inputs.try_send(input).is_err(),
        };
        if dropped {
            Counts::count(&self.counts.inputs_dropped);
        }
    }

    /// For answers to what core asked: there and back again over the ocean.
    pub(super) fn answer(&self, input: Input) {
        match &self.delay {
            Some(delay) if delay.answered(input.clone()) => {}
            _ => self.deliver(input),
        }
    }

    /// For what core waits for: one of each, so it is kept until there is room.
    pub(super) fn deliver(&self, input: Input) {
        if let Err(TrySendError::Full(input)) = self.inputs.try_send(input) {
            let inputs = self.inputs.clone();
            // At most one task for each link, dial or question of ours, and core bounds those.
            self.runtime.spawn(async move {
                let _ = inputs.send(input).await;
            });
        }
    }

    /// For those who wait for room at the driver. Sending fails where it has ended, and the process with it.
    pub(super) fn inputs(&self) -> mpsc::Sender<Input> {
        self.inputs.clone()
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }
}
