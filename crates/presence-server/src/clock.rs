//! The clocks of this process: monotonic time for intervals, wall time for others to read.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use presence_core::{Mono, Now, Wall};

/// Both clocks of this process.
#[derive(Clone, Copy)]
pub(crate) struct Clocks(Instant);

impl Clocks {
    pub(crate) fn started() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Now {
        Now { mono: Mono(millis(self.0.elapsed())), wall: Wall(wall_ms()) }
    }

    pub(crate) fn at(self, moment: Mono) -> tokio::time::Instant {
        (self.0 + Duration::from_millis(moment.0)).into()
    }
}

/// Milliseconds since 1970 by this machine's clock.
pub(crate) fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Nanoseconds since 1970 by this machine's clock.
pub(crate) fn wall_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
