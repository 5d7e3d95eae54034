//! Every setting in one place, checked whole before anything starts; without it a mistake would be found out at night.

mod mesh_address;
mod parse;
mod site_pattern;
mod stream_pattern;
mod threshold;
mod values;
mod webhooks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use presence_core::{NodeName, Region};

pub(crate) use self::mesh_address::{MeshAddress, MeshProtocol, OwnAddresses, bound};
pub(crate) use self::parse::lasting;
use self::parse::{
    address, at_least_one, duration, mesh_address, mesh_delay, mesh_listen, network, node_name, rate, region, size,
    words,
};
pub use self::site_pattern::SitePattern;
pub use self::stream_pattern::StreamPattern;
pub(crate) use self::stream_pattern::is_reserved;
pub use self::threshold::Threshold;
pub use self::values::{Location, Origin};
pub(crate) use self::webhooks::webhook_keys;
pub use self::webhooks::{WebhookOptions, WebhookUrl};

/// How one node runs. `--help` is the reference; every option has an environment variable. A program with a command line
/// of its own flattens it into that:
///
/// ```
/// use clap::Parser;
/// use presence_server::Config;
///
/// #[derive(Parser)]
/// struct Line {
///     /// What the shop is called
///     #[arg(long, default_value = "Three Things")]
///     title: String,
///
///     #[command(flatten)]
///     node: Config,
/// }
///
/// let line = Line::parse_from(["shop", "--title", "Four Things", "--region", "ams"]);
/// assert_eq!((line.title.as_str(), line.node.own_region().as_str()), ("Four Things", "ams"));
/// assert_eq!(line.node.check(), Ok(()));
/// ```
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// HTTP address
    #[arg(long, env = "GP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:4000", value_parser = address)]
    pub listen: SocketAddr,

    /// The address that visitors use, scheme and host; repeatable. Without it only loopback hosts are served
    #[arg(long, env = "GP_PUBLIC_URL", value_name = "URL", value_delimiter = ',', value_parser = Origin::from_str)]
    pub public_url: Vec<Origin>,

    /// This node's region code, such as yyz [default: $FLY_REGION, else dev]
    #[arg(long, env = "GP_REGION", value_name = "CODE", value_parser = region)]
    pub region: Option<Region>,

    /// The region in words, "Frankfurt, Germany" [default: from the table of places]
    #[arg(long, env = "GP_REGION_NAME", value_name = "WORDS", value_parser = words)]
    pub region_name: Option<String>,

    /// Where the region is, "50.03,8.57" [default: from the table of places]
    #[arg(long, env = "GP_REGION_LOCATION", value_name = "LAT,LONG", value_parser = Location::from_str, allow_hyphen_values = true)]
    pub region_location: Option<Location>,

    /// A name unique in the mesh [default: $FLY_MACHINE_ID, else random and kept in the data directory]
    #[arg(long, env = "GP_NODE", value_name = "NAME", value_parser = node_name)]
    pub node: Option<NodeName>,

    /// Where other nodes reach this one; none: a node alone.
    #[arg(
        long,
        env = "GP_MESH_LISTEN",
        value_name = "ADDRESS",
        value_parser = mesh_listen,
        help = "Where other nodes reach this one: quic/[::]:7447, or tls/... where UDP is blocked [default: a node alone]"
    )]
    pub mesh_listen: Option<String>,

    /// That address as others reach it, a number or a name; repeatable [default: the listen address]
    #[arg(long, env = "GP_MESH_ADVERTISE", value_name = "ADDRESS", value_delimiter = ',', value_parser = mesh_address)]
    pub mesh_advertise: Vec<String>,

    /// An address of another node, quic/host:7447; repeatable: all of them, any one, or a name that resolves to many
    #[arg(long, env = "GP_MESH_PEER", value_name = "ADDRESS", value_delimiter = ',', value_parser = mesh_address)]
    pub mesh_peer: Vec<String>,

    /// An own certificate authority for the links, PEM [default: made from GP_SECRET]
    #[arg(long, env = "GP_MESH_CA", value_name = "FILE")]
    pub mesh_ca: Option<PathBuf>,

    /// This node's certificate by that authority, PEM
    #[arg(long, env = "GP_MESH_CERT", value_name = "FILE")]
    pub mesh_cert: Option<PathBuf>,

    /// The certificate's private key, PEM
    #[arg(long, env = "GP_MESH_KEY", value_name = "FILE")]
    pub mesh_key: Option<PathBuf>,

    /// What arrives from the node at this mesh address waits this long, in order: a simulated ocean
    #[arg(long, env = "GP_MESH_DELAY", value_name = "ADDRESS=MS", value_delimiter = ',', value_parser = mesh_delay, hide = true)]
    pub mesh_delay: Vec<(String, Duration)>,

    /// Where facts are kept [default: in memory]
    #[arg(long, env = "GP_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,

    /// A certificate for browsers, PEM, followed by those between it and an authority: TLS ends here [default: it ends in a proxy]
    #[arg(long, env = "GP_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, PEM; both files are read anew when they change
    #[arg(long, env = "GP_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Whose header names the edge that a request entered by
    #[arg(long, env = "GP_EDGE", value_enum, default_value = "none")]
    pub edge: Edge,

    /// Proxies whose X-Forwarded-* and edge headers are believed; repeatable [default: none; --edge fly implies Fly's]
    #[arg(long, env = "GP_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub trusted_proxy: Vec<IpNet>,

    /// Who may open sockets besides our own origin, scheme and host; repeatable
    #[arg(long, env = "GP_ALLOWED_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', value_parser = Origin::from_str)]
    pub allowed_origin: Vec<Origin>,

    /// Whose pages may embed this server's numbers, each in rooms of its own: an origin, one with *. before its host for
    /// all its sub-domains, or * for everybody; repeatable
    #[arg(long, env = "GP_SITE", value_name = "ORIGIN", value_delimiter = ',', value_parser = SitePattern::from_str)]
    pub site: Vec<SitePattern>,

    /// A stream that every page may listen to, such as bench, or how names of such streams begin: chat/*; repeatable
    #[arg(long, env = "GP_PUBLIC_STREAMS", value_name = "PATTERN", value_delimiter = ',', value_parser = StreamPattern::from_str)]
    pub public_streams: Vec<StreamPattern>,

    /// What is logged: error, warn, info, debug, or by part: info,presence_server=debug
    #[arg(long, env = "GP_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// How it is logged
    #[arg(long, env = "GP_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// Who is told what.
    #[command(flatten)]
    pub webhooks: WebhookOptions,

    /// What no visitor and no socket may exceed.
    #[command(flatten)]
    pub limits: Limits,

    /// `GP_SECRET`, `GP_SECRET_PREVIOUS`, `GP_API_KEY` and `GP_WEBHOOK_SECRET`: from the environment only, never shown.
    #[arg(skip = Secrets::from_environment())]
    pub secrets: Secrets,
}

/// What no visitor and no socket may exceed.
///
/// ```
/// let mut config = presence_server::Config::of([]).unwrap();
/// assert_eq!((config.limits.messages_per_second, config.limits.rooms_per_socket), (10, 100));
/// // Cursors that move often.
/// config.limits.messages_per_second = 30;
/// ```
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Sockets that one IPv4 address or one IPv6 /64 may hold; more: 429
    #[arg(long, env = "GP_SOCKETS_PER_ADDRESS", value_name = "COUNT", default_value = "1000", value_parser = at_least_one)]
    pub sockets_per_address: usize,

    /// Connections that the node holds in all, sockets included; more wait outside
    #[arg(long, env = "GP_CONNECTIONS", value_name = "COUNT", default_value = "100000", value_parser = at_least_one)]
    pub connections: usize,

    /// Rooms that one socket may be in; more: the subscription is rejected
    #[arg(long, env = "GP_ROOMS_PER_SOCKET", value_name = "COUNT", default_value = "100", value_parser = at_least_one)]
    pub rooms_per_socket: usize,

    /// Rooms that the pages of one site may be in on this node; more: the join is refused
    #[arg(long, env = "GP_ROOMS_PER_SITE", value_name = "COUNT", default_value = "100000", value_parser = at_least_one)]
    pub rooms_per_site: usize,

    /// Users that a site's room counts; who comes then is shown the numbers without being counted
    #[arg(long, env = "GP_USERS_PER_ROOM", value_name = "COUNT", default_value = "1000000", value_parser = at_least_one)]
    pub users_per_room: usize,

    /// Joins a second from pages of one site on this node; more wait for their turn, up to 10 s
    #[arg(long, env = "GP_JOINS_PER_SECOND", value_name = "COUNT", default_value = "5000", value_parser = rate)]
    pub joins_per_second: u32,

    /// Largest frame from a browser; larger: closed with 1009
    #[arg(long, env = "GP_FRAME_SIZE", value_name = "SIZE", default_value = "16kb", value_parser = size)]
    pub frame_size: usize,

    /// Messages a second from one socket; more: the click is halted
    #[arg(long, env = "GP_MESSAGES_PER_SECOND", value_name = "COUNT", default_value = "10", value_parser = rate)]
    pub messages_per_second: u32,

    /// Messages that one socket may send at once before that rate counts
    #[arg(long, env = "GP_MESSAGE_BURST", value_name = "COUNT", default_value = "40", value_parser = rate)]
    pub message_burst: u32,

    /// How often Action Cable's ping is sent where nothing else was; its client gives up after 6 s
    #[arg(long, env = "GP_PING_EVERY", value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub ping_every: Duration,

    /// How often the WebSocket's own ping is sent, and presence-v1's where nothing else was
    #[arg(long, env = "GP_PROBE_EVERY", value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub probe_every: Duration,

    /// How long a WebSocket ping may go unanswered; longer: closed
    #[arg(long, env = "GP_PONG_WITHIN", value_name = "TIME", default_value = "25s", value_parser = duration)]
    pub pong_within: Duration,

    /// How long a socket may take nothing of what waits for it; longer: closed
    #[arg(long, env = "GP_WRITE_WITHIN", value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub write_within: Duration,

    /// What may wait for a socket that can't take it now
    #[arg(long, env = "GP_SOCKET_QUEUE", value_name = "SIZE", default_value = "256kb", value_parser = size)]
    pub socket_queue: usize,

    /// A socket's send buffer in the kernel
    #[arg(long, env = "GP_SEND_BUFFER", value_name = "SIZE", default_value = "64kb", value_parser = size)]
    pub send_buffer: usize,

    /// How long a request's head may take, and how long a connection may be idle
    #[arg(long, env = "GP_HEADER_WITHIN", value_name = "TIME", default_value = "15s", value_parser = duration)]
    pub header_within: Duration,

    /// Over how long sockets are closed when the node drains
    #[arg(long, env = "GP_DRAIN_OVER", value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub drain_over: Duration,
}

/// Whose header names the edge region that a request entered by.
///
/// ```
/// use presence_server::{Config, Edge};
///
/// assert_eq!(Config::of(["--edge", "fly"]).unwrap().edge, Edge::Fly);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Edge {
    /// Fly.io: `Fly-Region`, from Fly's own proxies.
    Fly,
    /// Nobody's.
    None,
}

/// How the log is written.
///
/// ```
/// use presence_server::{Config, LogFormat};
///
/// assert_eq!(Config::of(["--log-format", "json"]).unwrap().log_format, LogFormat::Json);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is never given on a command line, where every user of the machine could read it.
///
/// ```
/// use presence_server::{Config, Secrets};
///
/// let mut config = Config::of(["--mesh-listen", "quic/127.0.0.1:7447"]).unwrap();
/// config.secrets = Secrets { secret: Some("0123456789abcdef0123456789abcdef".to_owned()), ..Secrets::default() };
/// assert_eq!(config.check(), Ok(()));
/// config.secrets = Secrets::default();
/// assert!(config.check().unwrap_err().contains("GP_SECRET"));
/// ```
#[derive(Clone, Default)]
pub struct Secrets {
    /// `GP_SECRET`: at least 32 bytes, the same on every node.
    pub secret: Option<String>,
    /// `GP_SECRET_PREVIOUS`: while it is set it still signs, and both are accepted.
    pub previous: Option<String>,
    /// `GP_API_KEY`: who knows it may do everything in the API.
    pub api_key: Option<String>,
    /// `GP_WEBHOOK_SECRET`: what webhooks are signed with, `whsec_` and Base64; two during a change.
    pub webhook: Option<String>,
}

impl Secrets {
    pub(crate) fn from_environment() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            secret: read("GP_SECRET"),
            previous: read("GP_SECRET_PREVIOUS"),
            api_key: read("GP_API_KEY"),
            webhook: read("GP_WEBHOOK_SECRET"),
        }
    }
}

impl Secrets {
    /// That they are long enough, and none is missing.
    ///
    /// # Errors
    ///
    /// One sentence that says what to write instead.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, value) in [("GP_SECRET", &self.secret), ("GP_SECRET_PREVIOUS", &self.previous)] {
            if let Some(length) = value.as_ref().map(String::len).filter(|length| *length < 32) {
                return Err(format!(
                    "{name} has {length} bytes; write at least 32, for example what `openssl rand -hex 32` prints"
                ));
            }
        }
        if self.previous.is_some() && self.secret.is_none() {
            return Err("GP_SECRET_PREVIOUS is set without GP_SECRET; set GP_SECRET to the new secret".to_owned());
        }
        Ok(())
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

impl Config {
    /// The region: as told, else Fly's, else `dev`.
    pub fn own_region(&self) -> Region {
        let fly = || std::env::var("FLY_REGION").ok().and_then(|code| Region::new(&code.to_ascii_lowercase()));
        self.region.clone().or_else(fly).unwrap_or_else(|| Region::new("dev").expect("three lower-case letters"))
    }

    /// The node's name: as told, else Fly's; `None`: a random one.
    pub fn own_name(&self) -> Option<NodeName> {
        let fly = || std::env::var("FLY_MACHINE_ID").ok().and_then(|id| NodeName::new(&id));
        self.node.clone().or_else(fly)
    }

    /// What is wrong between settings that are right one by one, with what to write instead.
    ///
    /// # Errors
    ///
    /// One sentence.
    pub fn check(&self) -> Result<(), String> {
        let limits = &self.limits;
        let own_authority =
            [&self.mesh_ca, &self.mesh_cert, &self.mesh_key].iter().filter(|file| file.is_some()).count();
        self.secrets.check()?;
        self.webhooks.check(self.secrets.webhook.as_deref())?;
        let rules = [
            (
                self.mesh_listen.is_none() || self.secrets.secret.is_some(),
                "a node with --mesh-listen needs GP_SECRET, the same on every node: set it to what `openssl rand -hex 32` prints",
            ),
            (
                self.mesh_listen.is_some() || (self.mesh_peer.is_empty() && self.mesh_advertise.is_empty()),
                "--mesh-peer and --mesh-advertise need --mesh-listen too: write --mesh-listen quic/[::]:7447",
            ),
            (
                own_authority == 0 || own_authority == 3,
                "--mesh-ca, --mesh-cert and --mesh-key belong together: give all three, or none for an authority made from GP_SECRET",
            ),
            (
                self.tls_cert.is_some() == self.tls_key.is_some(),
                "--tls-cert and --tls-key belong together: give both, or none",
            ),
            (
                limits.ping_every <= Duration::from_secs(5),
                "--ping-every must be at most 5s: a browser's client gives a connection up after 6 s without a word",
            ),
            (
                limits.pong_within > limits.probe_every,
                "--pong-within must be longer than --probe-every, or every socket would be closed: write for example 25s and 10s",
            ),
            (
                limits.probe_every <= Duration::from_secs(20),
                "--probe-every must be at most 20s: presence.js gives a connection up after 25 s without a word",
            ),
            (limits.frame_size <= limits.socket_queue, "--socket-queue must be at least as large as --frame-size"),
        ];
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, mistake)| Err((*mistake).to_owned()))
    }
}

/// What clap has to say about a mistake, in one line.
///
/// ```
/// use clap::Command;
///
/// let mistake = Command::new("shop").try_get_matches_from(["shop", "--colour"]).unwrap_err();
/// assert_eq!(presence_server::one_line(&mistake), "unexpected argument '--colour' found");
/// ```
pub fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let first = lines.next().unwrap_or("the command line can't be read").trim_start_matches("error: ").to_owned();
    lines.fold(first, |all, line| format!("{all} {line}"))
}
