//! LinksCommand lines of the bare mesh, the relay and the attacker.

use std::net::{Ipv4Addr, SocketAddr};

use clap::{Parser, Subcommand, ValueEnum};

/// Measures links between nodes
#[derive(Parser, Debug)]
pub(crate) struct LinksArgs {
    #[command(subcommand)]
    pub(crate) command: LinksCommand,
}

#[derive(Subcommand, Debug)]
pub(crate) enum LinksCommand {
    /// One bare mesh; takes commands on standard input and answers with lines of JSON
    Node(NodeArgs),
    /// A network between two sockets that delays and loses UDP packets
    Relay(RelayArgs),
    /// An attacker without the secret
    Attack(AttackArgs),
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct NodeArgs {
    #[arg(long)]
    pub(crate) name: String,

    #[arg(long, value_name = "ADDRESS", default_value = "quic/127.0.0.1:0")]
    pub(crate) listen: Vec<String>,

    /// Nodes to link to, for as long as this one runs
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) dial: Vec<String>,

    /// Messages a second, from the start
    #[arg(long, value_name = "RATE")]
    pub(crate) publish: Option<u32>,

    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub(crate) bytes: usize,

    /// Number of its secret; nodes with the same secret link
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) secret: u8,
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct RelayArgs {
    /// Forwards packets from the first address to the second one; repeatable
    #[arg(long, value_name = "IP:PORT=IP:PORT", value_parser = pair)]
    pub(crate) pair: Vec<(SocketAddr, SocketAddr)>,

    /// First address of a pair
    #[arg(long, value_name = "IP:PORT", requires = "to")]
    pub(crate) listen: Option<SocketAddr>,

    /// Second address of a pair
    #[arg(long, value_name = "IP:PORT", requires = "listen")]
    pub(crate) to: Option<SocketAddr>,

    /// Share of packets that are lost, each way
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub(crate) loss: f64,

    /// Time that a packet takes, one way
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    pub(crate) delay: f64,

    /// Variation of that time, up and down
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    pub(crate) jitter: f64,

    /// Keeps packets in order
    #[arg(long)]
    pub(crate) in_order: bool,

    /// Seed of the random numbers; the same seed loses the same packets
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
}

impl RelayArgs {
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        self.pair.iter().copied().chain(self.listen.zip(self.to))
    }
}

/// Packets that an attacker sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum AttackPacket {
    /// Well-formed Initial packets with the first message of a client without a certificate
    Hello,
    /// Packets with an Initial's header and random content
    Noise,
    /// Both in turn
    Both,
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct AttackArgs {
    /// Address of the node
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) to: SocketAddr,

    /// Packets or connections a second
    #[arg(long, value_name = "RATE")]
    pub(crate) rate: u32,

    #[arg(long, value_name = "COUNT")]
    pub(crate) seconds: u32,

    /// Opens silent TCP connections and keeps them until the end, instead of sending packets
    #[arg(long)]
    pub(crate) tcp: bool,

    #[arg(long, value_enum, default_value = "hello")]
    pub(crate) kind: AttackPacket,

    /// Source address
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST)]
    pub(crate) from: Ipv4Addr,

    /// Number of sockets that send packets
    #[arg(long, value_name = "COUNT", default_value_t = 16)]
    pub(crate) sockets: u32,

    /// Gives each socket an address of its own, counted up from the source address
    #[arg(long)]
    pub(crate) spread: bool,
}

/// `127.0.0.1:1=127.0.0.1:2`.
fn pair(text: &str) -> Result<(SocketAddr, SocketAddr), String> {
    let (listen, to) = text.split_once('=').ok_or("write two addresses with a = between them")?;
    let address = |text: &str| text.parse().map_err(|_| format!("{text} is not IP:PORT"));
    Ok((address(listen)?, address(to)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_are_pairs_or_one_listens_to_another() {
        let line = "links relay --pair 127.0.0.1:1=127.0.0.1:2 --listen 127.0.0.1:3 --to 127.0.0.1:4 --loss 5";
        let LinksCommand::Relay(args) = LinksArgs::parse_from(line.split(' ')).command else { panic!("not a relay") };
        let ports: Vec<_> = args.pairs().map(|(listen, to)| (listen.port(), to.port())).collect();
        assert_eq!(ports, [(1, 2), (3, 4)]);
        assert!(LinksArgs::try_parse_from("links relay --pair 127.0.0.1:1".split(' ')).is_err());
        assert!(LinksArgs::try_parse_from("links relay --listen 127.0.0.1:1".split(' ')).is_err());
    }
}
