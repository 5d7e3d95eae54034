//! Wall time as RFC 3339: `2026-11-24T08:00:00.123Z`.

use time::OffsetDateTime;

/// The last second of the year 9999: no later year has a form in RFC 3339.
const SECONDS_MAX: u64 = 253_402_300_799;

/// Milliseconds since 1970, in UTC.
pub(crate) fn rfc3339(wall_ms: u64) -> String {
    let seconds = (wall_ms / 1_000).min(SECONDS_MAX) as i64;
    let at = OffsetDateTime::from_unix_timestamp(seconds).expect("a second up to the year 9999 has a date");
    let (date, ms) = (at.date(), wall_ms % 1_000);
    let (hour, minute, second) = at.to_hms();
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(rfc3339(1_795_507_200_123), "2026-11-24T08:00:00.123Z");
        assert_eq!(rfc3339(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert!(rfc3339(u64::MAX).starts_with("9999-12-31T23:59:59."));
    }
}
