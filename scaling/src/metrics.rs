//! The metrics of a run, as docs/scaling/runs.jsonl keeps them.

use std::collections::BTreeMap;

use presence_core::{Input, kind_name};
use serde::{Deserialize, Serialize};

use crate::scenario::Scenario;

/// Kind of an input, or of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) enum InputKind {
    Tick,
    Heartbeat,
    /// Rows.
    Delta,
    Facts,
    /// A question between nodes, or its answer.
    Question,
    Join,
    Leave,
    Click,
    Other,
}

/// Messages in a second, and their bytes.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Traffic {
    pub(crate) messages: f64,
    pub(crate) bytes: f64,
}

/// Inputs in a second, and their CPU time.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct InputCost {
    pub(crate) inputs: f64,
    /// The median of all seconds, so that other work on the machine counts little.
    pub(crate) micros: f64,
}

/// Metrics of node 0 in a run, per second.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct RunMetrics {
    pub(crate) scenario: Scenario,
    /// Sent messages, each counted once for every reader.
    pub(crate) out: BTreeMap<InputKind, Traffic>,
    /// Received messages.
    pub(crate) heard: BTreeMap<InputKind, Traffic>,
    /// Cost of the inputs.
    pub(crate) work: BTreeMap<InputKind, InputCost>,
    /// Views of rooms.
    pub(crate) views: f64,
    /// Writes to sockets, and their bytes without frames.
    pub(crate) sends: Traffic,
    /// The longest input while visitors joined and left.
    pub(crate) longest_ms: f64,
    /// The longest input after another node fell silent; nothing else happens meanwhile.
    pub(crate) silence_ms: f64,
    /// CPU of all inputs until every room was drawn after that.
    pub(crate) redrawn_ms: f64,
    /// Rooms that were drawn after that.
    pub(crate) redrawn: f64,
    /// Time of a fixed piece of work, which shows how much else the machine did.
    pub(crate) reference_micros: f64,
    /// Memory for all visitors of the world; 0 if it was not measured.
    pub(crate) memory_bytes: f64,
    /// Warnings of the node: a run with any is invalid.
    pub(crate) warnings: Vec<String>,
}

impl RunMetrics {
    /// Returns the CPU of all inputs in a second.
    pub(crate) fn micros(&self) -> f64 {
        self.work.values().map(|cost| cost.micros).sum()
    }

    pub(crate) fn bytes_out(&self) -> f64 {
        self.out.values().map(|traffic| traffic.bytes).sum()
    }

    pub(crate) fn bytes_in(&self) -> f64 {
        self.heard.values().map(|traffic| traffic.bytes).sum()
    }
}

impl InputKind {
    pub(crate) fn of(input: &Input) -> Self {
        match input {
            Input::Ticked => Self::Tick,
            Input::Received { bytes, .. } => Self::of_message(bytes),
            Input::Asked { .. } | Input::Answered { .. } => Self::Question,
            Input::Joined { .. } => Self::Join,
            Input::Disconnected { .. } => Self::Leave,
            Input::Clicked { .. } => Self::Click,
            _ => Self::Other,
        }
    }

    pub(crate) fn of_message(bytes: &[u8]) -> Self {
        match kind_name(bytes) {
            Some("Heartbeat") => Self::Heartbeat,
            Some("Delta") => Self::Delta,
            Some("Facts") => Self::Facts,
            _ => Self::Other,
        }
    }
}
