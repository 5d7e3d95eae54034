//! Times in words.

use time::OffsetDateTime;

/// The last second of the year 9999, where the calendar of `time` ends.
const SECONDS_MAX: u64 = 253_402_300_799;

/// A time as a page shows it, always in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Utc(OffsetDateTime);

impl Utc {
    /// Converts milliseconds since 1970.
    pub(crate) fn of(ms: u64) -> Self {
        let seconds = (ms / 1_000).min(SECONDS_MAX) as i64;
        Self(OffsetDateTime::from_unix_timestamp(seconds).expect("a second up to the year 9999 has a date"))
    }

    /// `08:05:09`.
    pub(crate) fn clock(self) -> String {
        let (hour, minute, second) = self.0.to_hms();
        format!("{hour:02}:{minute:02}:{second:02}")
    }

    /// `25 Nov 2026, 08:05:09 UTC`.
    pub(crate) fn words(self) -> String {
        format!("{} {:.3} {}, {} UTC", self.0.day(), self.0.month().to_string(), self.0.year(), self.clock())
    }

    /// `3 min ago`, at that moment in ms since 1970.
    pub(crate) fn ago(self, now_ms: u64) -> String {
        let then = u64::try_from(self.0.unix_timestamp()).unwrap_or(0);
        let minutes = (now_ms / 1_000).saturating_sub(then) / 60;
        match (minutes, minutes / 60, minutes / (24 * 60)) {
            (0, ..) => "just now".to_owned(),
            (minutes, 0, _) => format!("{minutes} min ago"),
            (_, hours, 0) => format!("{hours} h ago"),
            (.., 1) => "a day ago".to_owned(),
            (.., days) => format!("{days} days ago"),
        }
    }

    /// `2026-11-25T08:05:09Z`, for a `datetime` attribute.
    pub(crate) fn machine(self) -> String {
        format!("{:04}-{:02}-{:02}T{}Z", self.0.year(), u8::from(self.0.month()), self.0.day(), self.clock())
    }
}

#[cfg(test)]
mod tests {
    use super::Utc;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59Z"),
            (1_795_593_909_000, "2026-11-25T08:05:09Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Utc::of(ms).machine(), expected);
        }
        assert_eq!(Utc::of(1_795_593_909_000).words(), "25 Nov 2026, 08:05:09 UTC");
        assert!(Utc::of(u64::MAX).words().ends_with("UTC"));
    }

    #[test]
    fn how_long_ago_is_said_in_words() {
        const MINUTE: u64 = 60_000;
        for (later_ms, expected) in [
            (0, "just now"),
            (MINUTE - 1, "just now"),
            (MINUTE, "1 min ago"),
            (60 * MINUTE - 1, "59 min ago"),
            (60 * MINUTE, "1 h ago"),
            (24 * 60 * MINUTE, "a day ago"),
            (49 * 60 * MINUTE, "2 days ago"),
        ] {
            assert_eq!(Utc::of(1_795_593_909_000).ago(1_795_593_909_000 + later_ms), expected);
        }
        assert_eq!(Utc::of(u64::MAX).ago(0), "just now", "by a clock that runs ahead");
    }
}
