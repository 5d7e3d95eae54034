//! CPU time of this thread; by the clock on the wall, whatever else the machine does would be counted, too.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of CPU that this thread has used.
#[must_use]
pub fn nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// What looking at that clock twice costs by itself.
#[must_use]
pub fn overhead_nanos() -> u64 {
    let mut between: Vec<u64> = (0..101)
        .map(|_| {
            let began = nanos();
            nanos() - began
        })
        .collect();
    between.sort_unstable();
    between[50]
}
