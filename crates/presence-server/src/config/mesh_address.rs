//! Addresses of nodes in the mesh.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use anyhow::{Context, bail, ensure};
use socket2::{Domain, Socket, Type};

/// `quic/host:port` or `tls/host:port`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct MeshAddress {
    pub(crate) protocol: MeshProtocol,
    /// An IP address or a name.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The transport of a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum MeshProtocol {
    /// QUIC, over UDP.
    Quic,
    /// TLS, over TCP.
    Tls,
}

impl MeshAddress {
    /// Parses an address. The error says what to write instead.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let advice = || format!("\"{text}\" is not a mesh address: write quic/host:port, such as quic/192.0.2.7:7447");
        let (protocol, rest) = text.split_once('/').with_context(advice)?;
        let protocol = match protocol {
            "quic" => MeshProtocol::Quic,
            "tls" => MeshProtocol::Tls,
            _ => bail!(advice()),
        };
        let (host, port) = rest.rsplit_once(':').with_context(advice)?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        // IP addresses are normalized, since addresses are compared as text.
        let host = host.parse::<IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |n| n.to_string());
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        ensure!((1..=253).contains(&host.len()) && host.chars().all(allowed), advice());
        Ok(Self { protocol, host, port: port.parse().ok().with_context(advice)? })
    }

    /// The host, if it is an IP address.
    pub(crate) fn number(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The same port of another host.
    pub(crate) fn at(&self, number: IpAddr) -> Self {
        Self { host: number.to_string(), ..self.clone() }
    }

    /// The address to bind a socket to.
    pub(crate) fn socket(&self) -> anyhow::Result<SocketAddr> {
        let number = self.number().with_context(|| {
            format!("--mesh-listen needs an IP address, such as [::]; write {self} to --mesh-advertise")
        })?;
        Ok(SocketAddr::new(number, self.port))
    }
}

impl fmt::Display for MeshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            MeshProtocol::Quic => "quic",
            MeshProtocol::Tls => "tls",
        };
        match self.number() {
            Some(IpAddr::V6(number)) => write!(f, "{protocol}/[{number}]:{}", self.port),
            _ => write!(f, "{protocol}/{}:{}", self.host, self.port),
        }
    }
}

/// A node's own addresses. Wildcards stand for the interfaces of the machine, which may change.
#[derive(Clone, Debug)]
pub(crate) struct OwnAddresses {
    /// The listen addresses, which may be wildcards.
    pub(crate) listen: Vec<MeshAddress>,
    /// The addresses that others are told; empty: the listen addresses.
    pub(crate) advertise: Vec<MeshAddress>,
}

impl OwnAddresses {
    /// All IP addresses of this machine but link-local ones, which are useless to others.
    pub(crate) fn interfaces() -> anyhow::Result<Vec<IpAddr>> {
        let all = if_addrs::get_if_addrs().context("could not list the interfaces of this machine")?;
        let numbers = all.into_iter().filter(|interface| !interface.is_link_local()).map(|interface| interface.ip());
        Ok(numbers.collect())
    }

    /// The addresses that others are told, given those of this machine's interfaces.
    pub(crate) fn advertised(&self, interfaces: &[IpAddr]) -> Vec<MeshAddress> {
        if !self.advertise.is_empty() {
            return self.advertise.clone();
        }
        let all = self.expanded(interfaces);
        // Loopback addresses are advertised only if there are no others.
        let loopback = |address: &&MeshAddress| address.number().is_some_and(|number| number.is_loopback());
        let beyond: Vec<_> = all.iter().filter(|address| !loopback(address)).cloned().collect();
        if beyond.is_empty() { all } else { beyond }
    }

    /// Whether this is an address of this node.
    pub(crate) fn contains(&self, address: &MeshAddress, interfaces: &[IpAddr]) -> bool {
        let same = |own: &MeshAddress| own == address;
        self.expanded(interfaces).iter().chain(&self.advertise).any(same)
    }

    fn expanded(&self, interfaces: &[IpAddr]) -> Vec<MeshAddress> {
        let mut all: Vec<_> = self.listen.iter().flat_map(|address| expand(address, interfaces)).collect();
        all.sort();
        all.dedup();
        all
    }
}

fn expand(address: &MeshAddress, interfaces: &[IpAddr]) -> Vec<MeshAddress> {
    let all = interfaces.iter().copied();
    match address.number() {
        // `[::]` means IPv4 as well, as everywhere.
        Some(number) if number == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => all.map(|n| address.at(n)).collect(),
        Some(number) if number.is_unspecified() => all.filter(IpAddr::is_ipv4).map(|n| address.at(n)).collect(),
        _ => vec![address.clone()],
    }
}

/// A socket that is bound to a mesh address. `[::]` accepts IPv4 as well.
pub(crate) fn bound(at: SocketAddr, kind: Type) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), kind, None)?;
    if at.is_ipv6() {
        socket.set_only_v6(!at.ip().is_unspecified())?;
    }
    // The port of a listener that was just closed may still be taken.
    socket.set_reuse_address(kind == Type::STREAM)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalized() {
        for (text, shown) in [
            ("quic/[::1]:7447", "quic/[::1]:7447"),
            ("quic/::1:7447", "quic/[::1]:7447"),
            ("quic/FD00:0:0::1:7447", "quic/[fd00::1]:7447"),
            ("quic/Node.Example:1", "quic/node.example:1"),
            ("tls/192.0.2.7:65535", "tls/192.0.2.7:65535"),
        ] {
            assert_eq!(MeshAddress::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_wrong_address_is_refused_with_what_to_write() {
        for text in
            ["", "quic", "192.0.2.7:7447", "udp/a:1", "quic/a", "quic/a:99999", "quic/:1", "quic/a b:1", "quic/a#c=d:1"]
        {
            let error = MeshAddress::parse(text).unwrap_err().to_string();
            assert!(error.contains("write quic/host:port"), "{text}: {error}");
        }
    }

    fn own(listen: &str) -> OwnAddresses {
        OwnAddresses { listen: vec![MeshAddress::parse(listen).unwrap()], advertise: Vec::new() }
    }

    fn advertised(listen: &str, interfaces: &[&str]) -> Vec<String> {
        let interfaces: Vec<IpAddr> = interfaces.iter().map(|number| number.parse().unwrap()).collect();
        own(listen).advertised(&interfaces).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_wildcard_stands_for_every_interface_of_its_kind() {
        let interfaces = ["127.0.0.1", "192.0.2.7", "fd00::7"];
        assert_eq!(advertised("quic/0.0.0.0:1", &interfaces), ["quic/192.0.2.7:1"]);
        assert_eq!(advertised("quic/[::]:1", &interfaces), ["quic/192.0.2.7:1", "quic/[fd00::7]:1"]);
        assert_eq!(advertised("quic/127.0.0.1:1", &interfaces), ["quic/127.0.0.1:1"]);
    }

    #[test]
    fn loopback_is_advertised_only_until_another_interface_comes_up() {
        assert_eq!(advertised("quic/[::]:1", &["127.0.0.1", "::1"]), ["quic/127.0.0.1:1", "quic/[::1]:1"]);
        assert_eq!(advertised("quic/[::]:1", &["127.0.0.1", "::1", "192.0.2.7"]), ["quic/192.0.2.7:1"]);
    }

    #[test]
    fn every_interface_is_the_nodes_own_even_if_another_name_is_advertised() {
        let own = OwnAddresses {
            advertise: vec![MeshAddress::parse("quic/node.example:7").unwrap()],
            ..own("quic/0.0.0.0:1")
        };
        let interfaces = ["127.0.0.1".parse().unwrap()];
        for (text, ours) in [("quic/127.0.0.1:1", true), ("quic/node.example:7", true), ("quic/127.0.0.1:2", false)] {
            assert_eq!(own.contains(&MeshAddress::parse(text).unwrap(), &interfaces), ours, "{text}");
        }
    }
}
