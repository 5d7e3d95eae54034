//! The API key of a request: one of ours, wrong, or none; and who sends wrong ones.

mod keys;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use data_encoding::BASE64;
use parking_lot::Mutex;

pub(crate) use self::keys::ApiKeys;
pub(super) use self::keys::{KeyRight, KeyRights};
use crate::lru::Lru;
use crate::sites::network;

/// The answer to a wrong key waits this long, longer with each further one in a minute.
const WAIT_EACH: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Wrong keys of one address are logged once in this time, with their number.
const LOGGED_EVERY: Duration = Duration::from_secs(60);
/// Addresses that are remembered at a time.
const ADDRESSES_MAX: usize = 1_024;

/// The key that a request has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum GivenKey {
    None,
    /// One of ours, which allows this.
    Known(Arc<KeyRights>),
    Wrong,
}

impl GivenKey {
    /// The key of these headers. Another scheme than `Bearer` is for another server, such as a proxy.
    pub(super) fn of(headers: &HeaderMap, keys: &ApiKeys) -> Self {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        match given {
            Some(given) if keys.exist() => keys.rights(given).map_or(Self::Wrong, Self::Known),
            // Where the node has no key, none is wrong.
            _ => Self::None,
        }
    }

    /// The same, or the password of the scheme `Basic`, which a browser asks its user for.
    pub(super) fn of_browser(headers: &HeaderMap, keys: &ApiKeys) -> Self {
        let basic = headers.get(header::AUTHORIZATION).and_then(|value| password(value.as_bytes()));
        match basic {
            Some(given) if keys.exist() => keys.rights(&given).map_or(Self::Wrong, Self::Known),
            _ => Self::of(headers, keys),
        }
    }

    /// Whether it has this right everywhere.
    pub(super) fn allows_everywhere(&self, right: KeyRight) -> bool {
        matches!(self, Self::Known(rights) if rights.allows(right) && rights.is_for(None))
    }
}

/// The password of the scheme `Basic`, in any case (RFC 7617).
fn password(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = value.split_at_checked("Basic ".len())?;
    let pair = scheme.eq_ignore_ascii_case(b"Basic ").then(|| BASE64.decode(rest.trim_ascii()).ok())??;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

/// What follows the scheme `Bearer`, in any case.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("Bearer".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"Bearer") && rest.first().is_none_or(|byte| *byte == b' ');
    is_bearer.then(|| rest.trim_ascii())
}

/// Addresses that have sent wrong keys.
pub(super) struct WrongKeys {
    known: Mutex<Lru<IpAddr, WrongKeyCount>>,
    total: AtomicU64,
}

#[derive(Clone, Copy)]
struct WrongKeyCount {
    count: u32,
    logged_at: Instant,
}

impl Default for WrongKeys {
    fn default() -> Self {
        Self { known: Mutex::new(Lru::new(ADDRESSES_MAX)), total: AtomicU64::default() }
    }
}

impl WrongKeys {
    /// Counts a wrong key, and logs it unless others of the address were logged lately. Returns how long its answer waits.
    pub(super) fn told(&self, address: IpAddr) -> Duration {
        self.told_at(address, Instant::now())
    }

    /// How many there were since the start.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    fn told_at(&self, address: IpAddr, now: Instant) -> Duration {
        self.total.fetch_add(1, Relaxed);
        let (address, mut known) = (network(address), self.known.lock());
        let before = known.get(&address).copied();
        let lately = before.filter(|before| now.duration_since(before.logged_at) < LOGGED_EVERY);
        let next = match lately {
            Some(before) => WrongKeyCount { count: before.count.saturating_add(1), ..before },
            None => {
                let unlogged = before.map_or(0, |before| before.count - 1);
                tracing::warn!(target: "audit", %address, unlogged, "a request had a wrong API key; the number of further ones is logged in a minute");
                WrongKeyCount { count: 1, logged_at: now }
            }
        };
        known.insert(address, next);
        (WAIT_EACH * next.count).min(WAIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_scheme_bearer_is_the_key_in_any_case() {
        for (value, expected) in [
            ("Bearer abc", Some(&b"abc"[..])),
            ("bearer abc", Some(b"abc")),
            ("BEARER  abc ", Some(b"abc")),
            ("Bearer", Some(b"")),
            ("Basic YTpi", None),
            ("Bearers abc", None),
            ("", None),
        ] {
            assert_eq!(bearer(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn the_password_of_basic_is_a_key_and_its_name_is_not() {
        for (value, expected) in [
            ("Basic YW55Om9uZTp0d28=", Some("one:two")),
            ("basic Omtl", Some("ke")),
            ("Basic YW55", None),
            ("Basic !", None),
            ("Basic", None),
            ("Bearer abc", None),
        ] {
            assert_eq!(password(value.as_bytes()).as_deref(), expected.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn each_further_wrong_key_of_an_address_waits_longer_and_others_do_not() {
        let wrong = WrongKeys::default();
        let (one, other, now) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]), Instant::now());
        let waits: Vec<Duration> = (0..40).map(|_| wrong.told_at(one, now)).collect();
        assert_eq!((waits[0], waits[1], waits[39]), (WAIT_EACH, WAIT_EACH * 2, WAIT_MAX));
        assert_eq!(wrong.told_at(other, now), WAIT_EACH);
        assert_eq!(wrong.told_at(one, now + LOGGED_EVERY), WAIT_EACH, "after a minute it starts again");
        for number in 0..2_000_u32 {
            wrong.told_at(number.to_be_bytes().into(), now);
        }
        assert_eq!(wrong.known.lock().len(), ADDRESSES_MAX);
    }
}
