//! A proxy in front of this node that the node was not told of: its visitors share the limits of one address.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A proxy by which no visitor has come for this long is no longer in front of this node.
const USED_WITHIN: Duration = Duration::from_secs(300);

/// The first such proxy that is in use.
#[derive(Debug, Default)]
pub(super) struct UntrustedProxy(Mutex<Option<ProxyUse>>);

#[derive(Clone, Copy, Debug)]
struct ProxyUse {
    address: IpAddr,
    /// When a visitor last came by it.
    last: Instant,
}

impl ProxyUse {
    fn is_current(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < USED_WITHIN
    }
}

impl UntrustedProxy {
    /// This address is such a proxy, and in use. Returns whether it is news.
    pub(super) fn suspect(&self, address: IpAddr, now: Instant) -> bool {
        self.used(address, now);
        let mut known = self.0.lock();
        let news = known.is_none_or(|proxy| !proxy.is_current(now));
        if news {
            *known = Some(ProxyUse { address, last: now });
        }
        news
    }

    /// A visitor came from this address, which sends addresses of visitors.
    pub(super) fn used(&self, address: IpAddr, now: Instant) {
        let mut known = self.0.lock();
        if let Some(proxy) = known.as_mut().filter(|proxy| proxy.address == address && proxy.is_current(now)) {
            proxy.last = now;
        }
    }

    /// The address of the proxy, if visitors still come by it.
    pub(super) fn address(&self, now: Instant) -> Option<IpAddr> {
        self.0.lock().filter(|proxy| proxy.is_current(now)).map(|proxy| proxy.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_suspected_until_no_visitor_has_come_by_it_for_five_minutes() {
        let proxies = UntrustedProxy::default();
        let (began, nearly) = (Instant::now(), USED_WITHIN - Duration::from_secs(1));
        let [one, other] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        proxies.used(one, began);
        assert_eq!(proxies.address(began), None, "it has few sockets");
        assert!(proxies.suspect(one, began));
        assert!(!proxies.suspect(one, began) && !proxies.suspect(other, began), "one is told, and once");
        let mut now = began;
        for _ in 0..3 {
            now += nearly;
            assert_eq!(proxies.address(now), Some(one));
            proxies.used(one, now);
        }
        proxies.used(other, now + nearly);
        now += USED_WITHIN;
        assert_eq!(proxies.address(now), None);
        proxies.used(one, now);
        assert_eq!(proxies.address(now), None, "it has few sockets now");
        assert!(proxies.suspect(other, now));
        assert_eq!(proxies.address(now), Some(other));
    }
}
