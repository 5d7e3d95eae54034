//! Numbers by minute, over the last 24 hours, of a bounded number of things.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Minutes of a day: as far as a log reaches back.
pub(crate) const MINUTES_MAX: usize = 1_440;

/// One number for each minute and key. A key takes 2 bytes a minute, so 2,880 bytes at most.
#[derive(Debug)]
pub(super) struct MinuteLog<K> {
    series: HashMap<K, Series>,
    keys_max: usize,
}

/// The numbers of one key, from the minute in which it first was above 0.
#[derive(Debug)]
struct Series {
    first: u64,
    /// Packed.
    values: VecDeque<u16>,
    /// The last minute with a number above 0.
    occupied: u64,
}

impl<K: Clone + Eq + Hash> MinuteLog<K> {
    pub(super) fn new(keys_max: usize) -> Self {
        Self { series: HashMap::new(), keys_max }
    }

    /// Takes the present numbers, of which a minute keeps the highest. Where there are too many keys, those are forgotten whose
    /// number was 0 for longest; a new one is not taken while all others are above 0.
    pub(super) fn record(&mut self, minute: u64, values: impl IntoIterator<Item = (K, u32)>) {
        self.series.retain(|_, series| series.occupied + MINUTES_MAX as u64 > minute);
        let mut new = Vec::new();
        for (key, value) in values {
            match self.series.get_mut(&key) {
                Some(series) => series.record(minute, value),
                None if value > 0 => new.push((key, value)),
                None => {}
            }
        }
        self.make_room(new.len(), minute);
        // The busiest come first where not all have room.
        new.sort_by_key(|(_, value)| std::cmp::Reverse(*value));
        for (key, value) in new.into_iter().take(self.keys_max.saturating_sub(self.series.len())) {
            let mut series = Series { first: minute, values: VecDeque::new(), occupied: minute };
            series.record(minute, value);
            self.series.insert(key, series);
        }
    }

    fn make_room(&mut self, wanted: usize, minute: u64) {
        let excess = (self.series.len() + wanted).saturating_sub(self.keys_max);
        if excess == 0 {
            return;
        }
        let idle = self.series.iter().filter(|(_, series)| series.occupied < minute);
        let mut idle: Vec<(u64, K)> = idle.map(|(key, series)| (series.occupied, key.clone())).collect();
        idle.sort_by_key(|(occupied, _)| *occupied);
        for (_, key) in idle.into_iter().take(excess) {
            self.series.remove(&key);
        }
    }

    /// The first minute and its number, and those after it up to this minute; none if there was nothing above 0 in the last
    /// 24 hours.
    pub(super) fn read(&self, key: &K, minute: u64) -> (u64, Vec<u32>) {
        let Some(series) = self.series.get(key) else { return (minute, Vec::new()) };
        let from = series.first.max((minute + 1).saturating_sub(MINUTES_MAX as u64));
        let at = |one: u64| series.values.get(usize::try_from(one - series.first).unwrap_or(usize::MAX)).copied();
        (from, (from..=minute).map(|one| at(one).map_or(0, unpacked)).collect())
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.series.values().map(|series| series.values.capacity() * size_of::<u16>()).sum()
    }
}

impl Series {
    fn record(&mut self, minute: u64, value: u32) {
        if value == 0 || minute < self.first {
            return;
        }
        self.occupied = minute;
        // Minutes without a number are filled with 0 once there is one again.
        while self.first + (self.values.len() as u64) <= minute {
            if self.values.len() == MINUTES_MAX {
                self.values.pop_front();
                self.first += 1;
            }
            // A doubled buffer would take more than what is promised.
            if self.values.len() == self.values.capacity() {
                self.values.reserve_exact((self.values.len() / 2).clamp(8, MINUTES_MAX - self.values.len()));
            }
            self.values.push_back(0);
        }
        let index = usize::try_from(minute - self.first).unwrap_or(usize::MAX);
        if let Some(kept) = self.values.get_mut(index) {
            *kept = (*kept).max(packed(value));
        }
    }
}

/// A number in 2 bytes: exact up to 8,191, above that rounded down by less than 1 in 4,000. At most 134 million.
fn packed(value: u32) -> u16 {
    let shift = (32 - value.leading_zeros()).saturating_sub(13);
    if shift > 14 {
        return u16::MAX;
    }
    let (exponent, mantissa) = if value < 4_096 { (0, value) } else { (shift + 1, (value >> shift) & 0xfff) };
    u16::try_from(exponent << 12 | mantissa).unwrap_or(u16::MAX)
}

fn unpacked(packed: u16) -> u32 {
    let (exponent, mantissa) = (u32::from(packed >> 12), u32::from(packed & 0xfff));
    if exponent == 0 { mantissa } else { (mantissa | 0x1000) << (exponent - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_fits_into_two_bytes() {
        for value in [0, 1, 4_095, 4_096, 8_191] {
            assert_eq!(unpacked(packed(value)), value);
        }
        for value in [8_193, 65_535, 1_000_003, 99_999_999] {
            let read = unpacked(packed(value));
            assert!(read <= value && u64::from(value - read) * 4_000 < u64::from(value), "{value}: {read}");
        }
        assert_eq!(unpacked(packed(u32::MAX)), 0x1fff << 14);
    }

    #[test]
    fn a_minute_keeps_the_highest_number_and_a_day_is_kept() {
        let mut log = MinuteLog::new(10);
        log.record(100, [("a", 3)]);
        log.record(100, [("a", 7)]);
        log.record(100, [("a", 5), ("b", 0)]);
        log.record(103, [("a", 2)]);
        assert_eq!(log.read(&"a", 104), (100, vec![7, 0, 0, 2, 0]));
        assert_eq!(log.read(&"b", 104), (104, Vec::new()));
        for minute in 104..5_000 {
            log.record(minute, [("a", 1)]);
        }
        let (first, day) = log.read(&"a", 4_999);
        assert_eq!((first, day.len(), day[0]), (5_000 - 1_440, 1_440, 1));
        assert!(log.bytes() <= 2_880, "{}", log.bytes());
        log.record(4_999 + 1_439, []);
        assert_eq!(log.series.len(), 1);
        log.record(4_999 + 1_440, []);
        assert_eq!(log.series.len(), 0, "it was empty for a day");
    }

    #[test]
    fn the_least_recently_occupied_is_forgotten_and_none_that_is_occupied() {
        let mut log = MinuteLog::new(3);
        log.record(1, [("a", 1)]);
        log.record(2, [("b", 1)]);
        log.record(3, [("c", 1), ("b", 1)]);
        log.record(4, [("d", 9), ("c", 1)]);
        assert!(!log.series.contains_key("a") && log.series.len() == 3);
        log.record(5, [("b", 1), ("c", 1), ("d", 1), ("e", 5)]);
        assert!(!log.series.contains_key("e"), "all others are occupied");
        log.record(6, [("c", 1), ("d", 1), ("e", 5), ("f", 9)]);
        assert!(log.series.contains_key("f") && !log.series.contains_key("e"), "the busier one");
    }
}
