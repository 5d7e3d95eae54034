//! Which broadcasts have arrived, where, and how late.

use crate::mark::Marks;

/// Arrivals since a certain broadcast.
pub(crate) struct Deliveries {
    marks: Marks,
    /// The first broadcast that counts; those before it may still be on their way.
    first: u64,
    receivers: usize,
    /// For each broadcast: how late it was, for each receiver.
    late_us: Vec<Vec<u32>>,
    /// How many have arrived everywhere.
    pub(crate) complete: usize,
    pub(crate) all: u64,
}

impl Deliveries {
    pub(crate) fn new(first: u64, receivers: usize) -> Self {
        Self { marks: Marks::new(), first, receivers, late_us: Vec::new(), complete: 0, all: 0 }
    }

    /// Takes what one receiver was told.
    pub(crate) fn take(&mut self, text: &[u8], now_us: u64) {
        let Some(mark) = self.marks.find(text) else { return };
        let Some(place) = mark.number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok()) else {
            return;
        };
        if self.late_us.len() <= place {
            self.late_us.resize_with(place + 1, Vec::new);
        }
        let late_us = &mut self.late_us[place];
        if late_us.is_empty() {
            late_us.reserve(self.receivers);
        }
        late_us.push(u32::try_from(now_us.saturating_sub(mark.sent_us)).unwrap_or(u32::MAX));
        self.all += 1;
        self.complete += usize::from(late_us.len() == self.receivers);
    }

    /// The first broadcast that counts.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// How late each broadcast was, broadcast by broadcast.
    pub(crate) fn into_late_us(self) -> Vec<Vec<u32>> {
        self.late_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::Mark;

    #[test]
    fn a_broadcast_is_complete_when_every_receiver_has_it_and_older_ones_do_not_count() {
        let mut deliveries = Deliveries::new(5, 2);
        let text = |number| Mark { number, sent_us: 100 }.payload(30);
        for (number, now_us) in [(4, 110), (5, 120), (6, 130), (5, 150)] {
            deliveries.take(text(number).as_bytes(), now_us);
        }
        assert_eq!((deliveries.complete, deliveries.all), (1, 3));
        assert_eq!(deliveries.into_late_us(), [vec![20, 50], vec![30]]);
    }
}
