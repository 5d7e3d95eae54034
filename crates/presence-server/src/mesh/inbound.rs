//! The way from links to the driver: without it a full queue would block the links, or lose an answer that core waits for.

use std::sync::Arc;
use std::time::Duration;

use presence_core::Input;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Counts;
use super::delay::{Arrive, Delay};

/// Passes inputs to the driver. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Inbound {
    inputs: mpsc::Sender<Input>,
    counts: Arc<Counts>,
    runtime: Handle,
    delay: Option<Delay>,
}

impl Inbound {
    /// Must be made on the runtime that outlives all links.
    pub(crate) fn new(inputs: mpsc::Sender<Input>) -> Self {
        Self { inputs, counts: Arc::default(), runtime: Handle::current(), delay: None }
    }

    /// The same way, with this simulated latency.
    pub(super) fn delayed(&self, one_way: Duration) -> Self {
        let (one, two) = (self.clone(), self.clone());
        let lanes: [Arrive; 2] = [Box::new(move |input| one.offer(input)), Box::new(move |input| two.deliver(input))];
        Self { delay: Some(Delay::new(one_way, &self.runtime, lanes)), ..self.clone() }
    }

    /// Passes on what others publish or ask. It is dropped and counted if the driver's queue is full, since gaps are repaired.
    pub(crate) fn offer(&self, input: Input) {
        let dropped = match &self.delay {
            Some(delay) => !delay.published(input),
            None => self.inputs.try_send(self.counts.received(input)).is_err(),
        };
        if dropped {
            Counts::count(&self.counts.inputs_dropped);
        }
    }

    /// Passes on answers to what core asked, delayed by both ways.
    pub(crate) fn answer(&self, input: Input) {
        match &self.delay {
            Some(delay) if delay.answered(input.clone()) => {}
            _ => self.deliver(input),
        }
    }

    /// Passes on what core waits for: it is kept until there is room.
    pub(crate) fn deliver(&self, input: Input) {
        if let Err(TrySendError::Full(input)) = self.inputs.try_send(self.counts.received(input)) {
            let inputs = self.inputs.clone();
            // At most one task for each link, dial or question of this node, and core bounds those.
            self.runtime.spawn(async move {
                let _ = inputs.send(input).await;
            });
        }
    }

    /// For those who wait for room at the driver. Sending fails where it has ended, and the process with it.
    pub(super) fn inputs(&self) -> mpsc::Sender<Input> {
        self.inputs.clone()
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }
}
