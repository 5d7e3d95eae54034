//! Times in words.

/// A time as a page shows it, always in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Utc {
    year: u64,
    month: usize,
    day: u64,
    second: u64,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS_OF_400_YEARS: u64 = 146_097;

impl Utc {
    /// Converts milliseconds since 1970.
    pub(crate) fn of(ms: u64) -> Self {
        let seconds = ms / 1_000;
        // Counted from 1 March of the year 0, so that the leap day is a year's last.
        let days = seconds / 86_400 + 719_468;
        let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month: usize::try_from(month).expect("a month is at most 12"),
            day: day_of_year - (153 * from_march + 2) / 5 + 1,
            second: seconds % 86_400,
        }
    }

    /// `08:05:09`.
    pub(crate) fn clock(self) -> String {
        format!("{:02}:{:02}:{:02}", self.second / 3_600, self.second / 60 % 60, self.second % 60)
    }

    /// `25 Nov 2026, 08:05:09 UTC`.
    pub(crate) fn words(self) -> String {
        format!("{} {} {}, {} UTC", self.day, MONTHS[self.month - 1], self.year, self.clock())
    }

    /// `2026-11-25T08:05:09Z`, for a `datetime` attribute.
    pub(crate) fn machine(self) -> String {
        format!("{:04}-{:02}-{:02}T{}Z", self.year, self.month, self.day, self.clock())
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
}
