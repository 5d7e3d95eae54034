//! The mark in a broadcast by which a receiver knows which one it is and when it was sent.

use memchr::memmem::Finder;

/// `~T<number>.<microseconds>~`; every protocol carries it as it is, inside whatever JSON.
const BEGIN: &[u8] = b"~T";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub(crate) number: u64,
    pub(crate) sent_us: u64,
}

impl Mark {
    /// A payload of so many bytes that begins with the mark.
    pub(crate) fn payload(self, bytes: usize) -> String {
        let mut payload = format!("~T{}.{}~", self.number, self.sent_us);
        payload.extend(std::iter::repeat_n('x', bytes.saturating_sub(payload.len())));
        payload
    }
}

/// Finds marks.
pub(crate) struct Marks(Finder<'static>);

impl Marks {
    pub(crate) fn new() -> Self {
        Self(Finder::new(BEGIN))
    }

    pub(crate) fn find(&self, text: &[u8]) -> Option<Mark> {
        let after = &text[self.0.find(text)? + BEGIN.len()..];
        let (number, rest) = number(after)?;
        let (sent_us, _) = self::number(rest.strip_prefix(b".")?)?;
        Some(Mark { number, sent_us })
    }
}

/// The number that the bytes begin with, and what follows it.
pub(crate) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at(digits);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// The number after the last `text`, as pages and peers write a count.
pub(crate) fn number_after(text: &Finder<'_>, bytes: &[u8]) -> Option<u64> {
    let last = text.find_iter(bytes).last()?;
    number(&bytes[last + text.needle().len()..]).map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_inside_any_json() {
        let mark = Mark { number: 12, sent_us: 3_456 };
        let payload = mark.payload(40);
        assert_eq!(payload.len(), 40);
        let text = format!(r#"{{"identifier":"{{\"a\":1}}","message":{{"p":"{payload}"}}}}"#);
        assert_eq!(Marks::new().find(text.as_bytes()), Some(mark));
        assert_eq!(Marks::new().find(b"~T12,3~"), None);
        assert_eq!(Marks::new().find(br#"{"type":"ping","message":17}"#), None);
    }

    #[test]
    fn of_several_counts_the_last_one_is_true() {
        let text = Finder::new("users: ");
        assert_eq!(number_after(&text, b"users: 12</p> users: 4999<"), Some(4_999));
        assert_eq!(number_after(&text, b"users: none"), None);
        assert_eq!(number_after(&text, b"nothing"), None);
    }
}
