//! The timestamp in a broadcast: its number, and when it was sent.

use memchr::memmem::Finder;

/// `~T<number>.<microseconds>~`; every protocol carries it unchanged in its JSON.
const BEGIN: &[u8] = b"~T";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Timestamp {
    pub(crate) number: u64,
    pub(crate) sent_us: u64,
}

impl Timestamp {
    /// Makes a payload of this many bytes that begins with the timestamp.
    pub(crate) fn payload(self, bytes: usize) -> String {
        let mut payload = format!("~T{}.{}~", self.number, self.sent_us);
        payload.extend(std::iter::repeat_n('x', bytes.saturating_sub(payload.len())));
        payload
    }
}

/// Finds timestamps.
pub(crate) struct TimestampFinder(Finder<'static>);

impl TimestampFinder {
    pub(crate) fn new() -> Self {
        Self(Finder::new(BEGIN))
    }

    pub(crate) fn find(&self, text: &[u8]) -> Option<Timestamp> {
        let after = &text[self.0.find(text)? + BEGIN.len()..];
        let (number, rest) = number(after)?;
        let (sent_us, _) = self::number(rest.strip_prefix(b".")?)?;
        Some(Timestamp { number, sent_us })
    }
}

/// Reads the number at the start, and returns it with the bytes after it.
pub(crate) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at(digits);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// Reads the number after the last `text`, as pages and peers write a count.
pub(crate) fn number_after(text: &Finder<'_>, bytes: &[u8]) -> Option<u64> {
    let last = text.find_iter(bytes).last()?;
    number(&bytes[last + text.needle().len()..]).map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_found_in_any_json() {
        let timestamp = Timestamp { number: 12, sent_us: 3_456 };
        let payload = timestamp.payload(40);
        assert_eq!(payload.len(), 40);
        let text = format!(r#"{{"identifier":"{{\"a\":1}}","message":{{"p":"{payload}"}}}}"#);
        assert_eq!(TimestampFinder::new().find(text.as_bytes()), Some(timestamp));
        assert_eq!(TimestampFinder::new().find(b"~T12,3~"), None);
        assert_eq!(TimestampFinder::new().find(br#"{"type":"ping","message":17}"#), None);
    }

    #[test]
    fn the_last_of_several_counts_is_read() {
        let text = Finder::new("users: ");
        assert_eq!(number_after(&text, b"users: 12</p> users: 4999<"), Some(4_999));
        assert_eq!(number_after(&text, b"users: none"), None);
        assert_eq!(number_after(&text, b"nothing"), None);
    }
}
