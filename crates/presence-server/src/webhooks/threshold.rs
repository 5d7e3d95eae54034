//! Whether a room is above a threshold; a crossing counts once it has lasted.

use crate::config::Threshold;

/// A change of a room's state that is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Crossing {
    Above,
    Below,
}

/// One room's state for one threshold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct ThresholdState {
    /// The last reported crossing was above.
    pub(super) above: bool,
    /// When the count crossed back, if it has.
    crossed_since_ms: Option<u64>,
}

impl ThresholdState {
    /// Takes the number of users now; `Some`: this crossing is to be reported.
    pub(super) fn update(&mut self, threshold: &Threshold, users: u32, now_ms: u64) -> Option<Crossing> {
        let crossed = if self.above { users <= threshold.until() } else { users > threshold.more_than() };
        if !crossed {
            self.crossed_since_ms = None;
            return None;
        }
        let since_ms = *self.crossed_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since_ms) < threshold.for_ms() {
            return None;
        }
        self.crossed_since_ms = None;
        self.above = !self.above;
        Some(if self.above { Crossing::Above } else { Crossing::Below })
    }

    /// Whether the state holds nothing to remember.
    pub(super) fn is_calm(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_near_its_threshold_is_reported_once() {
        let rule = "more than 50 for 30s until 40".parse::<Threshold>().unwrap();
        let mut state = ThresholdState::default();
        let mut crossings = Vec::new();
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
            crossings.extend(state.update(&rule, users, second * 1_000).map(|crossing| (second, crossing)));
        }
        assert_eq!(crossings, [(61, Crossing::Above), (161, Crossing::Below)]);
        assert!(state.is_calm());
    }
}
