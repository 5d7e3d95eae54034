//! How one room stands to a threshold: a crossing is told once it has lasted.

use crate::config::Threshold;

/// How one room stands to one threshold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Level {
    /// It was told that there are more.
    pub(super) above: bool,
    /// Since when the opposite of what was told is true.
    turning_since_ms: Option<u64>,
}

impl Level {
    /// So many users are there now. `Some`: it is to be told that there are more, or no more.
    pub(super) fn step(&mut self, threshold: &Threshold, users: u32, now_ms: u64) -> Option<bool> {
        let turns = if self.above { users <= threshold.until() } else { users > threshold.more_than() };
        if !turns {
            self.turning_since_ms = None;
            return None;
        }
        let since_ms = *self.turning_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since_ms) < threshold.for_ms() {
            return None;
        }
        self.turning_since_ms = None;
        self.above = !self.above;
        Some(self.above)
    }

    /// There is nothing to remember of it.
    pub(super) fn is_calm(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_at_the_edge_is_told_of_once() {
        let rule = "more than 50 for 30s until 40".parse::<Threshold>().unwrap();
        let mut level = Level::default();
        let mut told = Vec::new();
        // Seconds and users: a short peak, a long one with a dip, a long calm with a short peak.
        for (second, users) in [
            (0, 51),
            (29, 80),
            (30, 50),
            (31, 51),
            (60, 51),
            (61, 51),
            (62, 45),
            (100, 45),
            (101, 40),
            (130, 41),
            (131, 40),
            (161, 40),
            (162, 45),
            (200, 50),
        ] {
            told.extend(level.step(&rule, users, second * 1_000).map(|above| (second, above)));
        }
        assert_eq!(told, [(61, true), (161, false)]);
        assert!(level.is_calm());
    }
}
