//! What a fact's key says: of which kind it is, and which part of that. The kind is in the key, so that a version that does
//! not know it keeps and merges such a fact by the same rule as all others.

use std::fmt::Write as _;

use crate::app::reflex::ReflexError;
use crate::facts::fact::FactKey;
use crate::id::{NodeHash, PublicId};
use crate::presence::row::TableKey;
use crate::time::Incarnation;

/// Between a name and what follows it. No name contains a control character.
const SEPARATOR: char = '\u{1f}';
/// Longest key of a fact.
pub(super) const KEY_BYTES_MAX: usize = 64;
/// Longest name of a counter or a set: the rest of the key says which node, or which user.
const SHORT_BYTES_MAX: usize = 30;
const MAP: char = 'm';
const COUNTER: char = 'c';
const RESET: char = 'e';
const SET: char = 's';
/// Hexadecimal digits of a node, of its incarnation, and of a user: half of a public id, which no two users share.
const NODE_DIGITS: usize = 16;
const INCARNATION_DIGITS: usize = 13;
const USER_DIGITS: usize = 32;

/// What a key stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FactName<'a> {
    /// The value of a register.
    Register(&'a str),
    /// One entry of a log.
    LogEntry(&'a str),
    /// One entry of a map.
    MapEntry { map: &'a str, entry: &'a str },
    /// What one start of a node has added to a counter.
    Contribution { counter: &'a str, by: TableKey },
    /// Since when a counter that was removed counts again.
    Reset { counter: &'a str },
    /// One user of a set.
    SetUser { set: &'a str },
    /// A kind of a later version.
    Unknown,
}

impl<'a> FactName<'a> {
    pub(crate) fn of(key: &'a FactKey) -> Self {
        if key.entry.is_some() {
            return Self::LogEntry(&key.key);
        }
        let Some((name, rest)) = key.key.split_once(SEPARATOR) else { return Self::Register(&key.key) };
        let mut chars = rest.chars();
        match (chars.next(), chars.as_str()) {
            (Some(MAP), entry) => Self::MapEntry { map: name, entry },
            (Some(COUNTER), digits) => {
                contributor(digits).map_or(Self::Unknown, |by| Self::Contribution { counter: name, by })
            }
            (Some(RESET), "") => Self::Reset { counter: name },
            (Some(SET), digits) if digits.len() == USER_DIGITS => Self::SetUser { set: name },
            _ => Self::Unknown,
        }
    }
}

fn contributor(digits: &str) -> Option<TableKey> {
    let (node, incarnation) = digits.split_at_checked(NODE_DIGITS)?;
    if incarnation.len() != INCARNATION_DIGITS {
        return None;
    }
    let node = NodeHash(u64::from_str_radix(node, 16).ok()?);
    Some(TableKey { node, incarnation: Incarnation::new(u64::from_str_radix(incarnation, 16).ok()?) })
}

/// What a key counts as among those of its room: all users of a set count as one, and all contributions to a counter. `None`:
/// it does not count.
pub(super) fn counts_as(key: &str) -> Option<&str> {
    let Some(at) = key.find(SEPARATOR) else { return Some(key) };
    match key[at + SEPARATOR.len_utf8()..].chars().next() {
        Some(COUNTER | SET) => Some(&key[..at + 2]),
        Some(RESET) => None,
        _ => Some(key),
    }
}

/// Whether a key is that of a name, or of a part of it.
pub(super) fn belongs_to(key: &str, name: &str) -> bool {
    key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR))
}

/// Whether a key is that of a contribution to a counter.
pub(super) fn is_contribution(key: &str) -> bool {
    key.split_once(SEPARATOR).is_some_and(|(_, rest)| rest.starts_with(COUNTER))
}

/// Whether what a key counts as is a set.
pub(super) fn is_set(counted_as: &str) -> bool {
    counted_as.strip_suffix(SET).is_some_and(|name| name.ends_with(SEPARATOR))
}

/// The key of a register or a log.
pub(super) fn plain(name: &str) -> Result<String, ReflexError> {
    check(name, KEY_BYTES_MAX).map(|()| name.to_owned())
}

/// The key of a map's entry.
pub(crate) fn map_entry(map: &str, entry: &str) -> Result<String, ReflexError> {
    let most = KEY_BYTES_MAX - 2;
    check(map, most)?;
    check(entry, most - map.len()).map_err(|_| ReflexError::BadName { bytes_max: most })?;
    Ok(format!("{map}{SEPARATOR}{MAP}{entry}"))
}

/// The key of a user in a set.
pub(crate) fn set_user(set: &str, user: PublicId) -> Result<String, ReflexError> {
    check(set, SHORT_BYTES_MAX)?;
    Ok(format!("{set}{SEPARATOR}{SET}{}", &user.long()[..USER_DIGITS]))
}

/// The key of what one start of a node has added to a counter.
pub(crate) fn contribution(counter: &str, by: TableKey) -> Result<String, ReflexError> {
    check(counter, SHORT_BYTES_MAX)?;
    let mut key = contributions(counter);
    write!(key, "{:016x}{:013x}", by.node.0, by.incarnation.get()).expect("writing to memory can't fail");
    Ok(key)
}

/// What all contributions to a counter count as.
pub(super) fn contributions(counter: &str) -> String {
    format!("{counter}{SEPARATOR}{COUNTER}")
}

/// The key under which the removal of a counter is kept.
pub(super) fn reset(counter: &str) -> String {
    format!("{counter}{SEPARATOR}{RESET}")
}

/// The keys that an entry of this name may have: of a map, or a user's of a set.
pub(super) fn entries(name: &str, entry: &str) -> [String; 2] {
    let user = entry.get(..USER_DIGITS).unwrap_or(entry);
    [format!("{name}{SEPARATOR}{MAP}{entry}"), format!("{name}{SEPARATOR}{SET}{user}")]
}

fn check(name: &str, bytes_max: usize) -> Result<(), ReflexError> {
    let fits = (1..=bytes_max).contains(&name.len()) && !name.contains(|c: char| c.is_ascii_control());
    fits.then_some(()).ok_or(ReflexError::BadName { bytes_max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Room;

    const BY: TableKey = TableKey { node: NodeHash(0xfedc), incarnation: Incarnation::MAX };

    fn named(key: &str) -> FactKey {
        FactKey { room: Room::new("shop").expect("a name"), key: key.to_owned(), entry: None }
    }

    #[test]
    fn what_was_written_into_a_key_is_read_from_it() {
        let entry = named(&map_entry("cards", "a b").expect("short"));
        assert_eq!(FactName::of(&entry), FactName::MapEntry { map: "cards", entry: "a b" });
        let claps = named(&contribution("claps", BY).expect("short"));
        assert_eq!(FactName::of(&claps), FactName::Contribution { counter: "claps", by: BY });
        let likes = named(&set_user("likes", PublicId([9; 32])).expect("short"));
        assert_eq!(FactName::of(&likes), FactName::SetUser { set: "likes" });
        assert_eq!(FactName::of(&named(&reset("claps"))), FactName::Reset { counter: "claps" });
        assert_eq!(FactName::of(&named("cards")), FactName::Register("cards"));
        for later in ["claps\u{1f}c12", "claps\u{1f}x", "claps\u{1f}"] {
            assert_eq!(FactName::of(&named(later)), FactName::Unknown, "{later:?}");
        }
    }

    #[test]
    fn every_key_fits_into_what_earlier_versions_keep() {
        let longest = "n".repeat(SHORT_BYTES_MAX);
        assert!(contribution(&longest, BY).expect("it fits").len() <= KEY_BYTES_MAX);
        assert!(set_user(&longest, PublicId([9; 32])).expect("it fits").len() <= KEY_BYTES_MAX);
        assert_eq!(map_entry(&longest, &"e".repeat(32)).expect("it fits").len(), KEY_BYTES_MAX);
        assert_eq!(map_entry(&longest, &"e".repeat(33)), Err(ReflexError::BadName { bytes_max: 62 }));
        assert_eq!(set_user("a\u{1f}b", PublicId([9; 32])), Err(ReflexError::BadName { bytes_max: 30 }));
        assert_eq!(plain(""), Err(ReflexError::BadName { bytes_max: 64 }));
    }

    #[test]
    fn a_set_and_a_counter_count_as_one_key_each() {
        let users = [1, 2].map(|user| set_user("likes", PublicId([user; 32])).expect("short"));
        assert_eq!(counts_as(&users[0]), counts_as(&users[1]));
        assert!(counts_as(&users[0]).is_some_and(is_set));
        assert!(!is_set("class"));
        assert_eq!(counts_as(&map_entry("cards", "a").expect("short")), Some("cards\u{1f}ma"));
        assert_eq!((counts_as("cards"), counts_as(&reset("claps"))), (Some("cards"), None));
    }
}
