//! What a request says about its visitor: host, scheme, address, edge region. Headers of proxies count only if the proxy is
//! trusted.

mod local;

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, header};
use ipnet::IpNet;

use super::edge;
use crate::config::{Config, Edge, Origin};
use crate::problem::Problem;

/// Fly's proxies reach a machine over its private networks.
const FLY_PROXIES: [&str; 2] = ["172.16.0.0/12", "fdaa::/16"];

/// Which hosts, origins and proxies the settings allow.
pub(crate) struct ProxyRules {
    public: Vec<Origin>,
    allowed: Vec<Origin>,
    trusted: Vec<IpNet>,
    edge: Edge,
}

/// A request's visitor, as far as trusted headers tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RequestInfo {
    /// Host and port as the browser named them, lower case.
    pub(crate) host: String,
    /// Whether the browser uses TLS, at least up to a trusted proxy.
    pub(crate) secure: bool,
    /// The visitor's address.
    pub(crate) address: IpAddr,
    /// An address that is no trusted proxy names the addresses of others.
    pub(crate) names_others: bool,
    /// The code of the edge region that the request entered by, lower case.
    pub(crate) edge: Option<String>,
}

impl RequestInfo {
    /// The origin of this server's own pages, as the browser names it.
    pub(crate) fn origin(&self) -> Origin {
        Origin::web(self.secure, without_port_of(&self.host, self.secure))
    }
}

impl ProxyRules {
    pub(crate) fn new(config: &Config) -> Self {
        let mut trusted = config.trusted_proxy.clone();
        if config.edge == Edge::Fly {
            trusted.extend(FLY_PROXIES.map(|network| network.parse::<IpNet>().expect("networks are written right")));
        }
        Self { public: config.public_url.clone(), allowed: config.allowed_origin.clone(), trusted, edge: config.edge }
    }

    /// Reads a request's headers. Fails if its host is not this server's. `tls`: TLS ends at this node.
    pub(crate) fn resolve(&self, headers: &HeaderMap, peer: IpAddr, tls: bool) -> Result<RequestInfo, Problem> {
        let peer = peer.to_canonical();
        let by_proxy = self.trusts(peer);
        // Every proxy on the way may add to a list. The first one is what the browser used.
        let first = |list: &str| list.split(',').next().unwrap_or_default().trim().to_ascii_lowercase();
        let forwarded = |name: &str| by_proxy.then(|| text(headers, name).map(first)).flatten();
        let named = || text(headers, header::HOST.as_str()).map(str::to_ascii_lowercase);
        let host = forwarded("x-forwarded-host").or_else(named).unwrap_or_default();
        let proto_secure = forwarded("x-forwarded-proto").map(|proto| matches!(&*proto, "https" | "wss"));
        let secure =
            self.scheme(&host, proto_secure.or(tls.then_some(true))).ok_or_else(|| self.foreign_host(&host))?;
        Ok(RequestInfo {
            host,
            secure,
            names_others: !by_proxy && headers.contains_key("x-forwarded-for"),
            address: self.visitor(headers, peer),
            edge: by_proxy.then(|| edge::region(self.edge, headers)).flatten(),
        })
    }

    /// The visitor's address: the peer's, or the one that a trusted proxy names.
    pub(crate) fn visitor(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let peer = peer.to_canonical();
        if self.trusts(peer) { self.visitor_address(headers, peer) } else { peer }
    }

    /// Whether pages of this origin may open sockets.
    pub(crate) fn may_open(&self, origin: &str, info: &RequestInfo) -> bool {
        let Ok(origin) = origin.parse::<Origin>() else { return false };
        self.is_own(&origin, info) || self.allowed.contains(&origin)
    }

    /// Whether this is the origin of this server's own pages.
    pub(crate) fn is_own(&self, origin: &Origin, info: &RequestInfo) -> bool {
        if self.public.is_empty() {
            origin.is_web() && origin.host == without_port_of(&info.host, origin.is_secure())
        } else {
            self.public.contains(origin)
        }
    }

    /// Whether this is the address of a trusted proxy.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// Whether requests under this host use TLS; `None` if the host is not this server's.
    fn scheme(&self, host: &str, proto_secure: Option<bool>) -> Option<bool> {
        if self.public.is_empty() {
            return is_loopback(host).then(|| proto_secure.unwrap_or(false));
        }
        let ours: Vec<bool> = self
            .public
            .iter()
            .filter(|url| url.host == without_port_of(host, url.is_secure()))
            .map(Origin::is_secure)
            .collect();
        match ours.as_slice() {
            [] => None,
            [one] => Some(*one),
            _ => Some(proto_secure.unwrap_or(false)),
        }
    }

    fn foreign_host(&self, host: &str) -> Problem {
        let detail = match self.public.first() {
            Some(url) => format!("This node does not serve the host {host:?}. Its public address is {url}."),
            None => format!(
                "This node serves loopback hosts only, not {host:?}. Start it with --public-url and the address that visitors use."
            ),
        };
        Problem::new(StatusCode::MISDIRECTED_REQUEST, detail)
    }

    /// Fly names the visitor in a header of its own. Other proxies append to a list: the visitor is the last address in it
    /// that no trusted proxy has.
    fn visitor_address(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        if self.edge == Edge::Fly
            && let Some(address) = text(headers, "fly-client-ip").and_then(address)
        {
            return address;
        }
        let all = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let named: Vec<&str> = all.flat_map(|value| value.split(',')).collect();
        let mut nearest = peer;
        for one in named.into_iter().rev() {
            let Some(address) = address(one) else { break };
            nearest = address;
            if !self.trusts(address) {
                break;
            }
        }
        nearest
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.parse::<IpAddr>().ok();
    bare.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|with_port| with_port.ip()))
        .map(|ip| ip.to_canonical())
}

fn without_port_of(host: &str, secure: bool) -> &str {
    host.strip_suffix(if secure { ":443" } else { ":80" }).unwrap_or(host)
}

/// Whether a host, with or without a port, is this machine's own.
fn is_loopback(host: &str) -> bool {
    // The host is written into the page's content security policy, so it must hold no character that ends a rule there.
    if !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']')) {
        return false;
    }
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let name = match bracketed {
        Some((inside, _)) => inside,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    mod fuzz;

    #[derive(clap::Parser)]
    struct TestOptions {
        #[command(flatten)]
        config: Config,
    }

    fn rules(line: &str) -> ProxyRules {
        ProxyRules::new(&TestOptions::parse_from(std::iter::once("node").chain(line.split_whitespace())).config)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn resolved(rules: &ProxyRules, pairs: &[(&'static str, &str)], peer: &str) -> Option<RequestInfo> {
        rules.resolve(&headers(pairs), peer.parse().unwrap(), false).ok()
    }

    #[test]
    fn without_a_public_url_only_loopback_hosts_are_served() {
        let rules = rules("");
        for host in ["localhost:4000", "AMS.localhost:1", "127.0.0.1", "127.9.9.9:80", "[::1]:4000", "localhost"] {
            assert!(resolved(&rules, &[("host", host)], "10.0.0.1").is_some(), "{host}");
        }
        for host in [
            "example.org",
            "a;script-src *.localhost",
            "localhost.example.org",
            "notlocalhost",
            "128.0.0.1",
            "",
            "[::2]:1",
        ] {
            assert!(resolved(&rules, &[("host", host)], "127.0.0.1").is_none(), "{host}");
        }
    }

    #[test]
    fn with_a_public_url_only_that_host_is_served_and_its_scheme_counts() {
        let rules = rules("--public-url https://Example.org --public-url http://plain.example.org:8080/");
        assert!(resolved(&rules, &[("host", "example.org:443")], "9.9.9.9").unwrap().secure);
        assert!(!resolved(&rules, &[("host", "plain.example.org:8080")], "9.9.9.9").unwrap().secure);
        assert!(resolved(&rules, &[("host", "localhost")], "127.0.0.1").is_none());
        assert!(resolved(&rules, &[("host", "example.org:8080")], "127.0.0.1").is_none());
    }

    #[test]
    fn only_the_own_origin_and_allowed_ones_open_sockets() {
        let alone = rules("--allowed-origin https://shop.example.org");
        let visit = resolved(&alone, &[("host", "ams.localhost:4000")], "127.0.0.1").unwrap();
        assert!(alone.may_open("http://ams.localhost:4000", &visit));
        assert!(alone.may_open("https://shop.example.org", &visit));
        for foreign in [
            "http://localhost:4000",
            "http://ams.localhost:4001",
            "null",
            "",
            "https://evil.example.org",
            "app://ams.localhost:4000",
        ] {
            assert!(!alone.may_open(foreign, &visit), "{foreign}");
        }
        let public = rules("--public-url https://example.org");
        let visit = resolved(&public, &[("host", "example.org")], "9.9.9.9").unwrap();
        assert!(public.may_open("https://example.org", &visit));
        assert!(!public.may_open("http://example.org", &visit));
    }

    #[test]
    fn proxies_are_believed_only_where_they_are_trusted() {
        let chain =
            [("host", "localhost"), ("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.7"), ("x-forwarded-proto", "https")];
        let trusting = rules("--trusted-proxy 10.0.0.0/8");
        let visit = resolved(&trusting, &chain, "10.0.0.1").unwrap();
        assert_eq!((visit.address.to_string().as_str(), visit.secure), ("1.2.3.4", true));
        let visit = resolved(&trusting, &chain, "11.0.0.1").unwrap();
        assert_eq!((visit.address.to_string().as_str(), visit.secure), ("11.0.0.1", false));
    }

    #[test]
    fn the_first_host_and_scheme_of_a_list_are_the_browsers() {
        let rules = rules("--trusted-proxy 10.0.0.0/8");
        for (proto, secure) in
            [("https", true), ("wss", true), ("HTTPS, http", true), ("http,https", false), ("ws", false)]
        {
            let chain = [("host", "inside"), ("x-forwarded-host", "A.localhost, inside"), ("x-forwarded-proto", proto)];
            let visit = resolved(&rules, &chain, "10.0.0.1").unwrap();
            assert_eq!((visit.host.as_str(), visit.secure), ("a.localhost", secure), "{proto}");
            assert_eq!(resolved(&rules, &chain, "11.0.0.1"), None, "its headers are not read");
        }
        let named = [("host", "localhost"), ("x-forwarded-for", "6.6.6.6")];
        let names_others = |peer| resolved(&rules, &named, peer).unwrap().names_others;
        assert_eq!((names_others("10.0.0.1"), names_others("11.0.0.1")), (false, true));
    }

    #[test]
    fn the_edge_is_read_from_flys_proxies_alone() {
        let chain = [("host", "localhost"), ("fly-region", "IAD"), ("fly-client-ip", "2001:db8::1")];
        let fly = rules("--edge fly");
        let visit = resolved(&fly, &chain, "172.16.4.2").unwrap();
        assert_eq!((visit.edge.as_deref(), visit.address.to_string().as_str()), (Some("iad"), "2001:db8::1"));
        assert_eq!(resolved(&fly, &chain, "9.9.9.9").unwrap().edge, None);
        assert_eq!(resolved(&rules(""), &chain, "172.16.4.2").unwrap().edge, None);
        let odd = [("host", "localhost"), ("fly-region", "<b>")];
        assert_eq!(resolved(&fly, &odd, "172.16.4.2").unwrap().edge, None);
    }
}
