//! The normal form of a room's name: however the address of a page is written, it names one room.

use std::borrow::Cow;
use std::fmt::Write as _;

use icu_normalizer::ComposingNormalizerBorrowed;
use presence_core::Room;

/// The normal form of a name:
///
/// 1. Percent-encoded UTF-8 is decoded: `caf%C3%A9` is `café`, `%7Eada` is `~ada`. What separates the parts of an address
///    stays encoded, in capitals (`%2F`), as do control characters, bytes that are no UTF-8, and `%` itself (`%25`).
/// 2. Characters are composed (Unicode's NFC), those between two escapes alone.
/// 3. Several slashes are one, and those at both ends are removed.
///
/// The normal form of a normal form is the same text. It may be empty.
pub(crate) fn normal_form(name: &str) -> Cow<'_, str> {
    let plain = name.is_ascii() && !name.contains('%') && !name.contains("//");
    if plain {
        return Cow::Borrowed(name.trim_matches('/'));
    }
    let decoded = decode(name);
    let parts: Vec<&str> = decoded.split('/').filter(|part| !part.is_empty()).collect();
    Cow::Owned(parts.join("/"))
}

/// The room of this name, in its normal form; a slash at the end stays, since it stands for all rooms below. `None`: no room
/// can have this name.
pub(crate) fn room_or_path(name: &str) -> Option<Room> {
    let normal = normal_form(name);
    if normal.is_empty() {
        return None;
    }
    if name.ends_with('/') { Room::new(&format!("{normal}/")) } else { Room::new(&normal) }
}

/// A room that an app has named, in its normal form.
pub(crate) fn normalised(room: Room) -> Option<Room> {
    match normal_form(room.as_str()) {
        Cow::Borrowed(same) if same.len() == room.as_str().len() => Some(room),
        normal => Room::new(&normal),
    }
}

fn decode(name: &str) -> String {
    let mut decoded = DecodedName::default();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.piece.push_str(before);
        let bytes = escaped_bytes(&rest[before.len()..]);
        if bytes.is_empty() {
            decoded.escape(b"%");
            rest = after;
            continue;
        }
        rest = &rest[before.len() + 3 * bytes.len()..];
        for chunk in bytes.utf8_chunks() {
            chunk.valid().chars().for_each(|letter| decoded.push(letter));
            decoded.escape(chunk.invalid());
        }
    }
    decoded.piece.push_str(rest);
    decoded.compose();
    decoded.whole
}

/// A name while it is decoded. What stands between two escapes is composed alone: a letter that belongs to an escape must not
/// become one with the accent that follows.
#[derive(Default)]
struct DecodedName {
    whole: String,
    piece: String,
}

impl DecodedName {
    fn push(&mut self, letter: char) {
        let separates =
            matches!(letter, '/' | '%' | '?' | '#' | '[' | ']' | '@' | ':' | '!' | '$' | '&' | '\'' | '(' | ')')
                || matches!(letter, '*' | '+' | ',' | ';' | '=');
        if separates || letter.is_control() {
            self.escape(letter.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            self.piece.push(letter);
        }
    }

    fn escape(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.compose();
        for byte in bytes {
            write!(self.whole, "%{byte:02X}").expect("writing to a string can't fail");
        }
    }

    fn compose(&mut self) {
        if !self.piece.is_empty() {
            self.whole.push_str(&ComposingNormalizerBorrowed::new_nfc().normalize(&self.piece));
            self.piece.clear();
        }
    }
}

/// The bytes of the escapes that a text begins with.
fn escaped_bytes(text: &str) -> Vec<u8> {
    let escapes = text.as_bytes().chunks_exact(3).map_while(|escape| match escape {
        [b'%', high, low] => Some((hex_digit(*high)? << 4) | hex_digit(*low)?),
        _ => None,
    });
    escapes.collect()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_an_address_name_one_room() {
        for (spellings, normal) in [
            (&["lamp/7", "/lamp/7", "lamp/7/", "//lamp///7//", "%6Camp/7", "lamp/%37"][..], "lamp/7"),
            (
                &["caf\u{e9}", "caf%C3%A9", "caf%c3%a9", "cafe\u{301}", "cafe%CC%81", "%63afe%cc%81", "caf%65\u{301}"],
                "caf\u{e9}",
            ),
            (&["~ada", "%7Eada", "%7eada", "/~ada/"], "~ada"),
            (&["a b", "a%20b"], "a b"),
            (&["a%2Fb", "a%2fb"], "a%2Fb"),
            (&["a%FFb", "a%ffb"], "a%FFb"),
            (&["100%", "100%25"], "100%25"),
            (&["%%34", "%25%34", "%254"], "%254"),
            (&["a%0Ab", "a%0ab"], "a%0Ab"),
            // An accent behind an escape is no part of it.
            (&["a%0A\u{301}b", "a%0a\u{301}b", "a%0A%CC%81b"], "a%0A\u{301}b"),
            (&["", "/", "///"], ""),
        ] {
            for spelling in spellings {
                assert_eq!(normal_form(spelling), normal, "{spelling:?}");
            }
        }
        for (one, other) in [("a%2Fb", "a/b"), ("a?b", "a%3Fb"), ("Lamp", "lamp"), ("%2541", "A")] {
            assert_ne!(normal_form(one), normal_form(other), "{one} {other}");
        }
    }

    #[test]
    fn a_slash_at_the_end_is_kept_where_it_means_something() {
        let named = |name| room_or_path(name).map(|room| room.to_string());
        assert_eq!(named("shop.example//lamps//").as_deref(), Some("shop.example/lamps/"));
        assert_eq!(named("/shop.example").as_deref(), Some("shop.example"));
        assert_eq!((named(""), named("/"), named(&"x".repeat(1_025))), (None, None, None));
        let app = |name| normalised(Room::new(name).unwrap()).map(|room| room.to_string());
        assert_eq!(
            (app("demo/a"), app("demo//caf%c3%a9")),
            (Some("demo/a".to_owned()), Some("demo/caf\u{e9}".to_owned()))
        );
        assert_eq!(app("/"), None);
    }
}
