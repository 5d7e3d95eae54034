//! How far away another node is.

use std::collections::VecDeque;

/// How many round trips are compared.
const COMPARED: usize = 5;

/// The newest round trips to a node, in ms.
#[derive(Clone, Debug, Default)]
pub(super) struct RoundTrips {
    newest: VecDeque<u32>,
}

impl RoundTrips {
    pub(super) fn add(&mut self, ms: u32) {
        self.newest.truncate(COMPARED - 1);
        self.newest.push_front(ms);
    }

    /// The shortest of them: the others were longer by what one of the nodes, or something on the way, had to do first.
    pub(super) fn shortest(&self) -> Option<u32> {
        self.newest.iter().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_moment_makes_no_node_farther_and_a_longer_way_does() {
        let mut trips = RoundTrips::default();
        assert_eq!(trips.shortest(), None);
        let mut after = |ms| {
            trips.add(ms);
            trips.shortest()
        };
        assert_eq!([61, 240, 60, 75].map(&mut after), [Some(61), Some(61), Some(60), Some(60)]);
        assert_eq!([190; 5].map(&mut after), [Some(60), Some(60), Some(60), Some(75), Some(190)]);
    }
}
