//! All options, checked before anything starts.

mod edge;
mod limits;
mod location;
mod log_format;
mod mesh_address;
mod mistake;
mod nats;
mod origin;
mod parse;
mod secrets;
mod site_pattern;
mod status_access;
mod stream_pattern;
mod threshold;
mod traces;
mod webhooks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use presence_core::{NodeName, Region};

pub use self::edge::Edge;
pub use self::limits::Limits;
pub use self::location::Location;
pub use self::log_format::LogFormat;
pub(crate) use self::mesh_address::{MeshAddress, MeshProtocol, OwnAddresses, bound};
pub use self::mistake::one_line;
pub use self::nats::NatsOptions;
pub(crate) use self::nats::{check_name, is_token};
pub use self::origin::Origin;
use self::origin::public_url;
pub(crate) use self::parse::{address, duration, expiry};
use self::parse::{mesh_address, mesh_delay, mesh_listen, network, node_name, region, region_name};
pub(crate) use self::secrets::API_KEY_BYTES_MIN;
pub use self::secrets::Secrets;
pub use self::site_pattern::SitePattern;
pub use self::status_access::StatusAccess;
pub use self::stream_pattern::StreamPattern;
pub(crate) use self::stream_pattern::is_reserved;
pub use self::threshold::Threshold;
pub(crate) use self::traces::otlp_headers;
pub use self::traces::{OtlpEndpoint, TraceOptions};
pub(crate) use self::webhooks::webhook_keys;
pub use self::webhooks::{WebhookOptions, WebhookUrl};

/// The options of a node. `--help` is the reference; every option has an environment variable. A program with a command
/// line of its own flattens it into that:
///
/// ```
/// use clap::Parser;
/// use presence_server::Config;
///
/// #[derive(Parser)]
/// struct Line {
///     /// The name of the shop
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
    /// The address that HTTP is served on
    #[arg(long, env = "GP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:4000", value_parser = address)]
    #[arg(help_heading = "Node")]
    pub listen: SocketAddr,

    /// The address that visitors use, scheme and host; repeatable. Without it, only loopback hosts are served
    #[arg(long, env = "GP_PUBLIC_URL", value_name = "URL", value_delimiter = ',', value_parser = public_url)]
    #[arg(help_heading = "Node")]
    pub public_url: Vec<Origin>,

    /// The code of this node's region, such as yyz [default: $FLY_REGION, or dev]
    #[arg(long, env = "GP_REGION", value_name = "CODE", value_parser = region, help_heading = "Node")]
    pub region: Option<Region>,

    /// The name of the region, such as "Frankfurt, Germany" [default: from the table of places]
    #[arg(long, env = "GP_REGION_NAME", value_name = "NAME", value_parser = region_name, help_heading = "Node")]
    pub region_name: Option<String>,

    /// The latitude and longitude of the region, such as "50.03,8.57" [default: from the table of places]
    #[arg(long, env = "GP_REGION_LOCATION", value_name = "LAT,LONG", value_parser = Location::from_str)]
    #[arg(allow_hyphen_values = true, help_heading = "Node")]
    pub region_location: Option<Location>,

    /// A name that no other node in the mesh has [default: $FLY_MACHINE_ID, or a random name that is stored in the data
    /// directory]
    #[arg(long, env = "GP_NODE", value_name = "NAME", value_parser = node_name, help_heading = "Node")]
    pub node: Option<NodeName>,

    /// The folder that facts, the node's name and its own secret are stored in [default: they are kept in memory]
    #[arg(long, env = "GP_DATA_DIR", value_name = "FOLDER", help_heading = "Disk")]
    pub data_dir: Option<PathBuf>,

    /// The address that other nodes connect to: quic/0.0.0.0:7447, or tls/... if UDP is blocked [default: no mesh]
    #[arg(long, env = "GP_MESH_LISTEN", value_name = "ADDRESS", value_parser = mesh_listen, help_heading = "Mesh")]
    pub mesh_listen: Option<String>,

    /// This node's address as others reach it, with an IP address or a name; repeatable [default: the listen address]
    #[arg(long, env = "GP_MESH_ADVERTISE", value_name = "ADDRESS", value_delimiter = ',', value_parser = mesh_address)]
    #[arg(help_heading = "Mesh")]
    pub mesh_advertise: Vec<String>,

    /// The address of another node, quic/host:7447; repeatable. One node is enough, and a name may resolve to several
    #[arg(long, env = "GP_MESH_PEER", value_name = "ADDRESS", value_delimiter = ',', value_parser = mesh_address)]
    #[arg(help_heading = "Mesh")]
    pub mesh_peer: Vec<String>,

    /// A mesh through NATS.
    #[command(flatten)]
    pub nats: NatsOptions,

    /// The certificate authority of the mesh, PEM [default: derived from GP_SECRET]
    #[arg(long, env = "GP_MESH_CA", value_name = "FILE", help_heading = "Mesh")]
    pub mesh_ca: Option<PathBuf>,

    /// This node's certificate from that authority, PEM
    #[arg(long, env = "GP_MESH_CERT", value_name = "FILE", help_heading = "Mesh")]
    pub mesh_cert: Option<PathBuf>,

    /// The private key of that certificate, PEM. The three files are read again when they change
    #[arg(long, env = "GP_MESH_KEY", value_name = "FILE", help_heading = "Mesh")]
    pub mesh_key: Option<PathBuf>,

    /// Delays what arrives from this mesh address, to simulate distance
    #[arg(long, env = "GP_MESH_DELAY", value_name = "ADDRESS=MS", value_delimiter = ',', value_parser = mesh_delay)]
    #[arg(hide = true)]
    pub mesh_delay: Vec<(String, Duration)>,

    /// A certificate for browsers, PEM, followed by the intermediate ones [default: TLS ends in a proxy]
    #[arg(long, env = "GP_TLS_CERT", value_name = "FILE", help_heading = "TLS")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of that certificate, PEM. Both files are read again when they change
    #[arg(long, env = "GP_TLS_KEY", value_name = "FILE", help_heading = "TLS")]
    pub tls_key: Option<PathBuf>,

    /// A proxy whose X-Forwarded-* and edge headers are trusted; repeatable [default: none; --edge fly implies Fly's]
    #[arg(long, env = "GP_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    #[arg(help_heading = "Proxies")]
    pub trusted_proxy: Vec<IpNet>,

    /// The CDN in front of this node, which names its edge region in a header
    #[arg(long, env = "GP_EDGE", value_enum, default_value = "none", help_heading = "Proxies")]
    pub edge: Edge,

    /// A site that may embed this server's numbers, each in rooms of its own: an origin, an origin with *. before its host
    /// for its sub-domains, or * for every origin; repeatable
    #[arg(long, env = "GP_SITE", value_name = "ORIGIN", value_delimiter = ',', value_parser = SitePattern::from_str)]
    #[arg(help_heading = "Embedding")]
    pub site: Vec<SitePattern>,

    /// A file with further sites, each with limits and keys of its own, as JSON. It is read again when it changes
    #[arg(long, env = "GP_SITES_FILE", value_name = "FILE", help_heading = "Embedding")]
    pub sites_file: Option<PathBuf>,

    /// A further origin whose pages may open sockets, scheme and host; repeatable
    #[arg(long, env = "GP_ALLOWED_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', value_parser = Origin::from_str)]
    #[arg(help_heading = "Embedding")]
    pub allowed_origin: Vec<Origin>,

    /// A stream that every page may subscribe to, such as bench, or a prefix of such streams, such as chat/*; repeatable.
    /// Members of the stream bench are in the room _public/bench
    #[arg(long, env = "GP_PUBLIC_STREAMS", value_name = "PATTERN", value_delimiter = ',', value_parser = StreamPattern::from_str)]
    #[arg(help_heading = "Embedding")]
    pub public_streams: Vec<StreamPattern>,

    /// A file with API keys, each with its rights and perhaps its site, as JSON. It is read again when it changes
    #[arg(long, env = "GP_API_KEYS_FILE", value_name = "FILE", help_heading = "API")]
    pub api_keys_file: Option<PathBuf>,

    /// An address of its own for /metrics, which asks for no API key there: keep it private, such as 127.0.0.1:9400 [default:
    /// /metrics is served with the rest, and needs the API key]
    #[arg(long, env = "GP_METRICS_LISTEN", value_name = "ADDRESS", value_parser = address, help_heading = "Monitoring")]
    pub metrics_listen: Option<SocketAddr>,

    /// Who may see /status: private is for the API key and for callers on this machine; public shows it to anybody, without
    /// names of nodes and rooms
    #[arg(long, env = "GP_STATUS", value_enum, default_value = "private", help_heading = "Monitoring")]
    pub status: StatusAccess,

    /// Traces of clicks.
    #[command(flatten)]
    pub traces: TraceOptions,

    /// What is logged: error, warn, info, debug, or by module: info,presence_server=debug
    #[arg(long, env = "GP_LOG", value_name = "FILTER", default_value = "info", help_heading = "Logging")]
    pub log: String,

    /// A file that holds such a filter, which is used instead of --log unless the file is empty. It is read again when it
    /// changes
    #[arg(long, env = "GP_LOG_FILTER_FILE", value_name = "FILE", help_heading = "Logging")]
    pub log_filter_file: Option<PathBuf>,

    /// The format of the log
    #[arg(long, env = "GP_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value = "text")]
    #[arg(help_heading = "Logging")]
    pub log_format: LogFormat,

    /// Logs each request: method, route, status, bytes, milliseconds, and the address without its last part
    #[arg(long, env = "GP_ACCESS_LOG", help_heading = "Logging")]
    pub access_log: bool,

    /// Webhooks.
    #[command(flatten)]
    pub webhooks: WebhookOptions,

    /// Limits for visitors and sockets.
    #[command(flatten)]
    pub limits: Limits,

    /// From the environment only, never shown.
    #[arg(skip = Secrets::from_environment())]
    pub secrets: Secrets,
}

impl Config {
    /// The configured region, or Fly's, or `dev`.
    pub fn own_region(&self) -> Region {
        let fly = || std::env::var("FLY_REGION").ok().and_then(|code| Region::new(&code.to_ascii_lowercase()));
        self.region.clone().or_else(fly).unwrap_or_else(|| Region::new("dev").expect("three lower-case letters"))
    }

    /// The configured name of the node, or Fly's; `None`: a random one.
    pub fn own_name(&self) -> Option<NodeName> {
        self.node.clone().or_else(|| std::env::var("FLY_MACHINE_ID").ok().and_then(|id| NodeName::new(&id)))
    }

    /// Checks options that depend on each other.
    ///
    /// # Errors
    ///
    /// One sentence that says what to write instead.
    pub fn check(&self) -> Result<(), String> {
        let limits = &self.limits;
        let own_authority = [&self.mesh_ca, &self.mesh_cert, &self.mesh_key].into_iter().flatten().count();
        self.secrets.check()?;
        self.collector()?;
        self.webhooks.check(self.secrets.webhook.as_deref())?;
        self.nats.check(self)?;
        let rules = [
            (
                !self.is_meshed() || self.secrets.secret.is_some(),
                "a node with --mesh-listen or --mesh needs GP_SECRET, the same on every node: set it to the output of `openssl rand -hex 32`",
            ),
            (
                self.mesh_listen.is_some() || (self.mesh_peer.is_empty() && self.mesh_advertise.is_empty()),
                "--mesh-peer and --mesh-advertise need --mesh-listen too: write --mesh-listen quic/[::]:7447",
            ),
            (
                own_authority == 0 || own_authority == 3,
                "--mesh-ca, --mesh-cert and --mesh-key belong together: set all three, or none for an authority derived from GP_SECRET",
            ),
            (
                self.tls_cert.is_some() == self.tls_key.is_some(),
                "--tls-cert and --tls-key belong together: set both, or none",
            ),
            (
                limits.ping_every <= Duration::from_secs(5),
                "--ping-every must be at most 5s: Action Cable's client reconnects after 6 s of silence",
            ),
            (
                limits.pong_within > limits.probe_every,
                "--pong-within must be longer than --probe-every, or every socket would be closed: write 25s and 10s, for example",
            ),
            (
                limits.probe_every <= Duration::from_secs(20),
                "--probe-every must be at most 20s: presence.js reconnects after 25 s of silence",
            ),
            (limits.frame_size <= limits.socket_queue, "--socket-queue must be at least as large as --frame-size"),
        ];
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, mistake)| Err((*mistake).to_owned()))
    }
}
