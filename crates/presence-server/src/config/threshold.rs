//! What a `--webhook-threshold` says: when a room is crowded, and when it no longer is.

use std::str::FromStr;

use presence_core::Room;

/// A day, in seconds.
const FOR_S_MAX: u64 = 86_400;

/// A rule such as `more than 50 for 30s`, which says when a room is crowded.
///
/// ```
/// use presence_server::Threshold;
///
/// assert!("more than 50 for 30s".parse::<Threshold>().is_ok());
/// assert!("shop.example/: more than 50 for 2min until 40".parse::<Threshold>().is_ok());
/// assert!("more than 50".parse::<Threshold>().is_err_and(|mistake| mistake.contains("for 30s")));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Threshold {
    /// As it was written; messages contain it.
    text: String,
    /// The rule is for rooms whose name starts with this.
    prefix: String,
    /// A room with more users is crowded.
    more_than: u32,
    /// A room with at most this number of users is no longer crowded.
    until: u32,
    /// How long either must last.
    for_ms: u64,
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mistake = || {
            "write \"more than 50 for 30s\", \"more than 50 for 30s until 40\", or \"shop.example/: more than 50 for 30s\""
                .to_owned()
        };
        let (prefix, rule) = text.rsplit_once(": ").unwrap_or(("", text));
        let words: Vec<&str> = rule.split_whitespace().collect();
        let (users, time, until) = match words.as_slice() {
            ["more", "than", users, "for", time] => (users, time, users),
            ["more", "than", users, "for", time, "until", until] => (users, time, until),
            _ => return Err(mistake()),
        };
        let more_than: u32 = users.parse().map_err(|_| mistake())?;
        let until: u32 = until.parse().map_err(|_| mistake())?;
        let for_s = match time.strip_suffix("min") {
            Some(minutes) => minutes.parse::<u64>().ok().and_then(|minutes| minutes.checked_mul(60)),
            None => time.strip_suffix('s').and_then(|seconds| seconds.parse().ok()),
        };
        let for_s = for_s.filter(|for_s| (1..=FOR_S_MAX).contains(for_s)).ok_or_else(mistake)?;
        if until > more_than || prefix.len() > Room::NAME_BYTES_MAX {
            return Err(mistake());
        }
        Ok(Self { text: text.to_owned(), prefix: prefix.to_owned(), more_than, until, for_ms: for_s * 1_000 })
    }
}

impl Threshold {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn for_ms(&self) -> u64 {
        self.for_ms
    }

    pub(crate) fn more_than(&self) -> u32 {
        self.more_than
    }

    pub(crate) fn until(&self) -> u32 {
        self.until
    }

    pub(crate) fn is_for(&self, room: &Room) -> bool {
        room.as_str().starts_with(&self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Threshold {
        text.parse().unwrap()
    }

    #[test]
    fn rules_are_parsed() {
        let rule = read("shop.example/: more than 50 for 2min until 40");
        assert_eq!((rule.more_than, rule.until, rule.for_ms), (50, 40, 120_000));
        assert!(rule.is_for(&Room::new("shop.example/p/7").unwrap()));
        assert!(!rule.is_for(&Room::new("other.example/").unwrap()));
        assert_eq!(read("more than 0 for 1s").until, 0);
        for wrong in [
            "",
            "50",
            "more than 50",
            "more than many for 30s",
            "more than 50 for 30",
            "more than 50 for 0s",
            "more than 50 for 99999999999999999999min",
            "more than 50 for 30s until 51",
            "more than -1 for 30s",
            "less than 50 for 30s",
        ] {
            assert!(
                wrong.parse::<Threshold>().is_err_and(|mistake| mistake.contains("more than 50 for 30s")),
                "{wrong}"
            );
        }
    }
}
