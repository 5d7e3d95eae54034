//! What a bare mesh, a relay and an attacker are told on their command lines.

use std::net::{Ipv4Addr, SocketAddr};

use clap::{Parser, Subcommand, ValueEnum};

/// Measures links between nodes
#[derive(Parser, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// One bare mesh; takes orders on standard input and answers with lines of JSON
    Node(NodeArgs),
    /// A network between two sockets that delays and loses UDP packets
    Relay(RelayArgs),
    /// An attacker that knows no secret
    Knock(KnockArgs),
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

    /// Messages a second, from the start on
    #[arg(long, value_name = "RATE")]
    pub(crate) publish: Option<u32>,

    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub(crate) bytes: usize,

    /// Which secret it has; nodes with the same one link
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) secret: u8,
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct RelayArgs {
    /// What is sent to the first address goes to the second one; repeatable
    #[arg(long, value_name = "IP:PORT=IP:PORT", value_parser = pair)]
    pub(crate) pair: Vec<(SocketAddr, SocketAddr)>,

    /// As the first address of a pair
    #[arg(long, value_name = "IP:PORT", requires = "to")]
    pub(crate) listen: Option<SocketAddr>,

    /// As the second address of a pair
    #[arg(long, value_name = "IP:PORT", requires = "listen")]
    pub(crate) to: Option<SocketAddr>,

    /// How many of a hundred packets are lost, each way
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub(crate) loss: f64,

    /// How long a packet takes, one way
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    pub(crate) delay: f64,

    /// By how much that varies, up and down
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    pub(crate) jitter: f64,

    /// No packet overtakes another
    #[arg(long)]
    pub(crate) in_order: bool,

    /// The same seed loses the same packets
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
}

impl RelayArgs {
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        self.pair.iter().copied().chain(self.listen.zip(self.to))
    }
}

/// What an attacker sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// Initial packets that are well formed and hold what a client without a certificate says first
    Hello,
    /// Initial packets that only look like one: what is in them can't be decrypted
    Noise,
    /// One of each in turn
    Both,
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct KnockArgs {
    /// The node
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) to: SocketAddr,

    /// How many a second
    #[arg(long, value_name = "RATE")]
    pub(crate) rate: u32,

    #[arg(long, value_name = "COUNT")]
    pub(crate) seconds: u32,

    /// TCP connections that say nothing and are held until the end, instead of packets
    #[arg(long)]
    pub(crate) tcp: bool,

    #[arg(long, value_enum, default_value = "hello")]
    pub(crate) kind: Kind,

    /// Where it comes from
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST)]
    pub(crate) from: Ipv4Addr,

    /// From how many sockets packets are sent
    #[arg(long, value_name = "COUNT", default_value_t = 16)]
    pub(crate) sockets: u32,

    /// Each socket has an address of its own, counted up from the first one
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
        let Command::Relay(args) = Args::parse_from(line.split(' ')).command else { panic!("not a relay") };
        let ports: Vec<_> = args.pairs().map(|(listen, to)| (listen.port(), to.port())).collect();
        assert_eq!(ports, [(1, 2), (3, 4)]);
        assert!(Args::try_parse_from("links relay --pair 127.0.0.1:1".split(' ')).is_err());
        assert!(Args::try_parse_from("links relay --listen 127.0.0.1:1".split(' ')).is_err());
    }
}
