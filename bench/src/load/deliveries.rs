//! Arrivals of broadcasts, and how late they were.

use crate::timestamp::TimestampFinder;

/// Arrivals since one broadcast.
pub(crate) struct Deliveries {
    timestamps: TimestampFinder,
    /// The first broadcast that counts; earlier ones may still be in flight.
    first: u64,
    receivers: usize,
    /// The delays of each broadcast, one for each receiver.
    late_us: Vec<Vec<u32>>,
    /// Broadcasts that have arrived everywhere.
    pub(crate) complete: usize,
    pub(crate) all: u64,
}

impl Deliveries {
    pub(crate) fn new(first: u64, receivers: usize) -> Self {
        Self { timestamps: TimestampFinder::new(), first, receivers, late_us: Vec::new(), complete: 0, all: 0 }
    }

    /// Records a text that one receiver got.
    pub(crate) fn record(&mut self, text: &[u8], now_us: u64) {
        let Some(timestamp) = self.timestamps.find(text) else { return };
        let Some(place) = timestamp.number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok()) else {
            return;
        };
        if self.late_us.len() <= place {
            self.late_us.resize_with(place + 1, Vec::new);
        }
        let late_us = &mut self.late_us[place];
        if late_us.is_empty() {
            late_us.reserve(self.receivers);
        }
        late_us.push(u32::try_from(now_us.saturating_sub(timestamp.sent_us)).unwrap_or(u32::MAX));
        self.all += 1;
        self.complete += usize::from(late_us.len() == self.receivers);
    }

    /// Returns the first broadcast that counts.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Returns the delays of each broadcast.
    pub(crate) fn into_late_us(self) -> Vec<Vec<u32>> {
        self.late_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    #[test]
    fn a_broadcast_is_complete_when_every_receiver_has_it_and_older_ones_do_not_count() {
        let mut deliveries = Deliveries::new(5, 2);
        let text = |number| Timestamp { number, sent_us: 100 }.payload(30);
        for (number, now_us) in [(4, 110), (5, 120), (6, 130), (5, 150)] {
            deliveries.record(text(number).as_bytes(), now_us);
        }
        assert_eq!((deliveries.complete, deliveries.all), (1, 3));
        assert_eq!(deliveries.into_late_us(), [vec![20, 50], vec![30]]);
    }
}
