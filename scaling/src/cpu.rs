//! CPU time of this thread; wall time would include other work of the machine.

use std::collections::BTreeMap;

use rustix::time::{ClockId, clock_gettime};

use crate::random::mix;

/// Returns the CPU time of this thread.
pub(crate) fn nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Returns the cost of reading that clock twice.
pub(crate) fn overhead_nanos() -> u64 {
    let mut between: Vec<u64> = (0..101)
        .map(|_| {
            let began = nanos();
            nanos() - began
        })
        .collect();
    between.sort_unstable();
    between[50]
}

/// Returns the time of a fixed piece of work: a map with keys as long as those of rows, filled and read out of order.
pub(crate) fn reference_nanos() -> u64 {
    let began = nanos();
    let mut map = BTreeMap::new();
    for number in 0..10_000 {
        let mut key = [0_u8; 48];
        key[..8].copy_from_slice(&mix(number).to_be_bytes());
        map.insert(key, number);
    }
    let mut found = 0_u64;
    for number in (0..10_000).rev() {
        let mut key = [0_u8; 48];
        key[..8].copy_from_slice(&mix(number).to_be_bytes());
        found = found.wrapping_add(map.get(&key).copied().unwrap_or(0));
    }
    std::hint::black_box(found);
    nanos() - began
}
