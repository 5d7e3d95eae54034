//! Requests that are made on the node's own machine.

use std::net::IpAddr;

use axum::http::{HeaderMap, Version, header};

use super::{ProxyRules, is_loopback};

/// Headers of proxies: a request with one of them is none of this machine's, even if it comes from a loopback address.
const OF_PROXIES: [&str; 7] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "cf-connecting-ip"];

impl ProxyRules {
    /// Whether a request was made on this machine: from a loopback address to a loopback host, and through no proxy. Another
    /// website that a browser on this machine shows can't read the answer.
    pub(crate) fn is_local(&self, peer: IpAddr, version: Version, headers: &HeaderMap) -> bool {
        let address = peer.to_canonical();
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        address.is_loopback()
            && !self.trusts(address)
            && is_loopback(&host.to_ascii_lowercase())
            && version >= Version::HTTP_11
            && OF_PROXIES.iter().all(|name| !headers.contains_key(*name))
    }
}
