//! How long something takes, counted in buckets: any thread adds to them, and none waits.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How often something took how long, in `N` buckets and one for what took longer.
#[derive(Debug)]
pub(crate) struct TimeHistogram<const N: usize> {
    /// The upper bound of each bucket, in ms.
    up_to_ms: [u64; N],
    counts: [AtomicU64; N],
    slower: AtomicU64,
    sum_us: AtomicU64,
}

impl<const N: usize> TimeHistogram<N> {
    /// Nothing was counted yet. The bounds ascend.
    pub(super) fn new(up_to_ms: [u64; N]) -> Self {
        let counts = std::array::from_fn(|_| AtomicU64::default());
        Self { up_to_ms, counts, slower: AtomicU64::default(), sum_us: AtomicU64::default() }
    }

    /// Counts one more.
    pub(super) fn add(&self, took: Duration) {
        let bucket = self.up_to_ms.iter().position(|most| took <= Duration::from_millis(*most));
        bucket.map_or(&self.slower, |bucket| &self.counts[bucket]).fetch_add(1, Relaxed);
        self.sum_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// All times together.
    pub(crate) fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us.load(Relaxed))
    }

    /// The upper bound of each bucket in seconds, the last one infinite, and what is in that bucket alone.
    pub(crate) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.up_to_ms.iter().map(|ms| Duration::from_millis(*ms).as_secs_f64()).chain([f64::INFINITY]);
        bounds.zip(self.counts.iter().chain([&self.slower]).map(|count| count.load(Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_first_bucket_that_has_room_for_it() {
        let histogram = TimeHistogram::new([10, 100]);
        for us in [1, 10_000, 10_001, 100_000, 100_001, 5_000_000] {
            histogram.add(Duration::from_micros(us));
        }
        assert_eq!(histogram.buckets(), [(0.01, 2), (0.1, 2), (f64::INFINITY, 2)]);
        assert_eq!(histogram.sum(), Duration::from_micros(5_220_003));
    }
}
