//! Where a node can be reached: without this file `quic/[::]:7447` would be dialled, advertised and certified as it stands.

use std::fmt;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use anyhow::{Context, bail, ensure};

/// `quic/host:port` or `tls/host:port`, taken apart. An IPv6 number has no brackets: the engine refuses them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Address {
    /// How: over QUIC, or over TLS where UDP is blocked.
    pub protocol: Protocol,
    /// A number or a name.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What carries a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Protocol {
    /// QUIC, over UDP.
    Quic,
    /// TLS, over TCP.
    Tls,
}

impl Address {
    /// Takes it apart; the error is a sentence that says what to write instead.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let advice = || format!("\"{text}\" is no mesh address: write quic/host:port, such as quic/192.0.2.7:7447");
        let (protocol, rest) = text.split_once('/').with_context(advice)?;
        let protocol = match protocol {
            "quic" => Protocol::Quic,
            "tls" => Protocol::Tls,
            _ => bail!(advice()),
        };
        let (host, port) = rest.rsplit_once(':').with_context(advice)?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        // Numbers are written in one way only, since addresses are compared as text.
        let host = host.parse::<IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |n| n.to_string());
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        ensure!((1..=253).contains(&host.len()) && host.chars().all(allowed), advice());
        Ok(Self { protocol, host, port: port.parse().ok().with_context(advice)? })
    }

    /// The host's number, where it is one.
    pub fn number(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The same port of another host.
    pub fn at(&self, number: IpAddr) -> Self {
        Self { host: number.to_string(), ..self.clone() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Quic => "quic",
            Protocol::Tls => "tls",
        };
        write!(f, "{protocol}/{}:{}", self.host, self.port)
    }
}

/// A node's own addresses, found out once at its start.
#[derive(Clone, Debug)]
pub(super) struct Own {
    /// Where it listens: no wildcard, no port 0.
    pub(super) listen: Vec<Address>,
    /// What others are told.
    pub(super) advertised: Vec<Address>,
}

impl Own {
    /// Expands wildcards into the addresses of this machine's interfaces and picks a port where it is 0.
    pub(super) fn find(listen: &[String], advertise: &[String]) -> anyhow::Result<Self> {
        let interfaces = interfaces()?;
        let mut own = Self { listen: Vec::new(), advertised: Vec::new() };
        for text in listen {
            let mut address = Address::parse(text)?;
            if address.port == 0 {
                address.port = free_port(&address)?;
            }
            own.listen.extend(expand(&address, &interfaces));
        }
        own.listen.sort();
        own.listen.dedup();
        ensure!(!own.listen.is_empty(), "--mesh-listen names no address of this machine");
        own.advertised = match advertise {
            [] => reachable(&own.listen),
            told => told.iter().map(|text| Address::parse(text)).collect::<Result<_, _>>()?,
        };
        Ok(own)
    }

    /// What the certificate has to hold: whatever others may dial, and loopback.
    pub(super) fn hosts(&self) -> Vec<String> {
        let loopback = ["127.0.0.1".to_owned(), "::1".to_owned(), "localhost".to_owned()];
        let own = self.listen.iter().chain(&self.advertised).map(|address| address.host.clone());
        let mut hosts: Vec<_> = own.chain(loopback).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    /// Whether this is one of ours.
    pub(super) fn contains(&self, address: &Address) -> bool {
        let same = |own: &Address| own.host == address.host && own.port == address.port;
        self.listen.iter().chain(&self.advertised).any(same)
    }
}

/// Loopback is told to others only where there is nothing else.
fn reachable(listen: &[Address]) -> Vec<Address> {
    let loopback = |a: &&Address| a.number().is_some_and(|n| n.is_loopback());
    let beyond: Vec<_> = listen.iter().filter(|a| !loopback(a)).cloned().collect();
    if beyond.is_empty() { listen.to_vec() } else { beyond }
}

fn expand(address: &Address, interfaces: &[IpAddr]) -> Vec<Address> {
    match address.number() {
        // `[::]` means both kinds, as it does everywhere else.
        Some(IpAddr::V6(number)) if number.is_unspecified() => interfaces.iter().map(|n| address.at(*n)).collect(),
        Some(IpAddr::V4(number)) if number.is_unspecified() => {
            interfaces.iter().filter(|n| n.is_ipv4()).map(|n| address.at(*n)).collect()
        }
        _ => vec![address.clone()],
    }
}

/// All addresses of this machine but link-local ones, which mean nothing to others.
fn interfaces() -> anyhow::Result<Vec<IpAddr>> {
    let all = if_addrs::get_if_addrs().context("the interfaces of this machine can't be listed")?;
    let numbers = all.into_iter().filter(|interface| !interface.is_link_local()).map(|interface| interface.ip());
    Ok(numbers.collect())
}

fn free_port(address: &Address) -> anyhow::Result<u16> {
    let number = address.number().context("--mesh-listen takes a number for its host where the port is 0")?;
    let any = SocketAddr::new(number, 0);
    let bound = match address.protocol {
        Protocol::Quic => UdpSocket::bind(any)?.local_addr()?,
        Protocol::Tls => TcpListener::bind(any)?.local_addr()?,
    };
    Ok(bound.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_in_one_way_only() {
        for (text, shown) in [
            ("quic/[::1]:7447", "quic/::1:7447"),
            ("quic/FD00:0:0::1:7447", "quic/fd00::1:7447"),
            ("quic/Node.Example:1", "quic/node.example:1"),
            ("tls/192.0.2.7:65535", "tls/192.0.2.7:65535"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_told_what_to_write() {
        for text in
            ["", "quic", "192.0.2.7:7447", "udp/a:1", "quic/a", "quic/a:99999", "quic/:1", "quic/a b:1", "quic/a#c=d:1"]
        {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains("write quic/host:port"), "{text}: {error}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_every_interface_of_its_kind() {
        let interfaces: Vec<IpAddr> =
            ["127.0.0.1", "192.0.2.7", "fd00::7"].iter().map(|n| n.parse().unwrap()).collect();
        let shown = |text| -> Vec<_> {
            expand(&Address::parse(text).unwrap(), &interfaces).iter().map(ToString::to_string).collect()
        };
        assert_eq!(shown("quic/0.0.0.0:1"), ["quic/127.0.0.1:1", "quic/192.0.2.7:1"]);
        assert_eq!(shown("quic/[::]:1"), ["quic/127.0.0.1:1", "quic/192.0.2.7:1", "quic/fd00::7:1"]);
        assert_eq!(shown("quic/127.0.0.1:1"), ["quic/127.0.0.1:1"]);
    }

    #[test]
    fn loopback_is_told_only_where_there_is_nothing_else() {
        let own = Own::find(&["quic/127.0.0.1:0".to_owned()], &[]).unwrap();
        assert_eq!(own.listen, own.advertised);
        assert_ne!(own.listen[0].port, 0);
        let far = Address::parse("quic/192.0.2.7:1").unwrap();
        let near = Address::parse("quic/127.0.0.1:1").unwrap();
        assert_eq!(reachable(&[near.clone(), far.clone()]), [far]);
        assert_eq!(reachable(std::slice::from_ref(&near)), [near]);
    }
}
