//! A node that was itself away: frozen, paused or suspended. It does not take the world for dead because it slept.

use crate::io::Input;
use crate::testing::fault_injection::{Fault, injected};

/// Most inputs that wait for the end of the rest.
const PARKED_MAX: usize = 65_536;

/// Whether and for how long the node itself was away.
#[derive(Debug, Default)]
pub(crate) struct Suspension {
    pub(crate) input_ms: u64,
    /// All gaps together: the node's own time is behind the clock by this.
    pub(crate) total_ms: u64,
    pub(crate) rest_until_ms: u64,
    parked: Vec<Input>,
}

impl Suspension {
    pub(crate) fn since(input_ms: u64) -> Self {
        Self { input_ms, ..Self::default() }
    }

    pub(crate) fn resting(&self, now_ms: u64) -> bool {
        now_ms < self.rest_until_ms
    }

    /// Ends are handled before joins: what was read in the first second after a gap waits for its end.
    pub(crate) fn park(&mut self, input: Input) {
        if self.parked.len() < PARKED_MAX {
            self.parked.push(input);
        }
    }

    /// Who has ended before its join was handled does not join.
    pub(crate) fn unpark_ended(&mut self, ended: &Input) {
        self.parked.retain(|parked| match (parked, ended) {
            _ if injected(Fault::GhostJoins) => true,
            (
                Input::Joined { connection, .. } | Input::Listened { connection, .. },
                Input::Disconnected { connection: gone, .. },
            ) => connection != gone,
            (
                Input::Joined { connection, subscription, .. } | Input::Listened { connection, subscription, .. },
                Input::Unsubscribed { connection: gone, subscription: ended }
                | Input::Resigned { connection: gone, subscription: ended },
            ) => (connection, subscription) != (gone, ended),
            _ => true,
        });
    }

    pub(crate) fn unpark(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.parked)
    }
}
