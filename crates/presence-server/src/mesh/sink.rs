//! The way from the engine's callbacks to the driver: without it a full queue would block the engine, or lose an answer
//! that core waits for.

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
pub(super) struct Sink {
    inputs: mpsc::Sender<Input>,
    counts: Arc<Counts>,
    runtime: Handle,
    delay: Option<Delay>,
}

impl Sink {
    /// Must be made on the runtime.
    pub(super) fn new(inputs: mpsc::Sender<Input>, counts: Arc<Counts>) -> Self {
        Self { inputs, counts, runtime: Handle::current(), delay: None }
    }

    /// The same way, over an ocean of that width.
    pub(super) fn delayed(&self, one_way: Duration) -> Self {
        Self { delay: Some(Delay::new(one_way, self)), ..self.clone() }
    }

    /// For what others publish or ask: dropped and counted where the driver's queue is full, since gaps heal.
    pub(super) fn offer(&self, input: Input) {
        match &self.delay {
            Some(delay) => delay.published(input, &self.counts),
            None => self.offer_now(input),
        }
    }

    pub(super) fn offer_now(&self, input: Input) {
        if self.inputs.try_send(input).is_err() {
            Counts::count(&self.counts.inputs_dropped);
        }
    }

    /// For what core waits for: one of each, so it is kept until there is room.
    pub(super) fn deliver(&self, input: Input) {
        match &self.delay {
            Some(delay) => delay.answered(input, &self.counts),
            None => self.deliver_now(input),
        }
    }

    pub(super) fn deliver_now(&self, input: Input) {
        if let Err(TrySendError::Full(input)) = self.inputs.try_send(input) {
            let inputs = self.inputs.clone();
            // At most one task per dial or question of ours, and core bounds those.
            self.runtime.spawn(async move {
                let _ = inputs.send(input).await;
            });
        }
    }

    /// Waits for room at the driver. Never delayed.
    pub(super) async fn send(&self, input: Input) {
        // An error means that the driver has ended, and the process with it.
        let _ = self.inputs.send(input).await;
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }
}
