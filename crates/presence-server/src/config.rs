//! Every setting in one place, checked whole before anything starts; without it a mistake would be found out at night.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use presence_core::{NodeName, Region};

/// How one node runs. `--help` is the reference; every option has an environment variable.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// HTTP address
    #[arg(long, env = "GP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:4000", value_parser = address)]
    pub listen: SocketAddr,

    /// The address that visitors use, https://example.org; repeatable. Without it only loopback hosts are served
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

    /// Where other nodes reach this one: quic/[::]:7447, or tls/... where UDP is blocked [default: a node alone]
    #[arg(long, env = "GP_MESH_LISTEN", value_name = "ADDRESS", value_parser = mesh_listen)]
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

    /// Whose header names the edge that a request entered by
    #[arg(long, env = "GP_EDGE", value_enum, default_value = "none")]
    pub edge: Edge,

    /// Proxies whose X-Forwarded-* and edge headers are believed; repeatable [default: none; --edge fly implies Fly's]
    #[arg(long, env = "GP_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub trusted_proxy: Vec<IpNet>,

    /// Who may open sockets besides our own origin, https://example.org; repeatable
    #[arg(long, env = "GP_ALLOWED_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', value_parser = Origin::from_str)]
    pub allowed_origin: Vec<Origin>,

    /// What is logged: error, warn, info, debug, or by part: info,presence_server=debug
    #[arg(long, env = "GP_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// How it is logged
    #[arg(long, env = "GP_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// What no visitor and no socket may exceed.
    #[command(flatten)]
    pub limits: Limits,

    /// `GP_SECRET`, `GP_SECRET_PREVIOUS` and `GP_API_KEY`: from the environment only, never shown.
    #[arg(skip = Secrets::from_environment())]
    pub secrets: Secrets,
}

/// What no visitor and no socket may exceed.
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

    /// How often the WebSocket's own ping is sent
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Edge {
    /// Fly.io: `Fly-Region`, from Fly's own proxies.
    Fly,
    /// Nobody's.
    None,
}

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is never given on a command line, where every user of the machine could read it.
#[derive(Clone, Default)]
pub struct Secrets {
    /// `GP_SECRET`: at least 32 bytes, the same on every node.
    pub secret: Option<String>,
    /// `GP_SECRET_PREVIOUS`: while it is set it still signs, and both are accepted.
    pub previous: Option<String>,
    /// `GP_API_KEY`: who knows it reads nodes, incarnations and sequences.
    pub api_key: Option<String>,
}

impl Secrets {
    fn from_environment() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self { secret: read("GP_SECRET"), previous: read("GP_SECRET_PREVIOUS"), api_key: read("GP_API_KEY") }
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

/// Latitude and longitude in degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Location {
    /// North is positive.
    pub latitude: f64,
    /// East is positive.
    pub longitude: f64,
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mistake = || format!("write latitude and longitude in degrees, such as 50.03,8.57, not {text:?}");
        let (latitude, longitude) = text.split_once(',').ok_or_else(mistake)?;
        let degrees = |text: &str| text.trim().parse::<f64>().map_err(|_| mistake());
        let location = Self { latitude: degrees(latitude)?, longitude: degrees(longitude)? };
        let on_earth = location.latitude.abs() <= 90.0 && location.longitude.abs() <= 180.0;
        on_earth.then_some(location).ok_or_else(mistake)
    }
}

/// Scheme and host with port, as a browser names them in `Origin`: no path, no default port, lower case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// `https`, and with it `Secure` cookies.
    pub secure: bool,
    /// `example.org` or `example.org:8443`.
    pub host: String,
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mistake = || format!("write a scheme and a host, such as https://example.org, not {text:?}");
        let lower = text.trim().to_ascii_lowercase();
        let (secure, rest) = match lower.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(mistake()),
        };
        let host = rest.strip_suffix('/').unwrap_or(rest);
        let host = host.strip_suffix(if secure { ":443" } else { ":80" }).unwrap_or(host);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        let named = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        (named && host.chars().all(allowed)).then(|| Self { secure, host: host.to_owned() }).ok_or_else(mistake)
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.host)
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
        let secret = |name: &str, value: &Option<String>| match value {
            Some(value) if value.len() < 32 => Err(format!(
                "{name} has {} bytes; write at least 32, for example what `openssl rand -hex 32` prints",
                value.len()
            )),
            _ => Ok(()),
        };
        secret("GP_SECRET", &self.secrets.secret)?;
        secret("GP_SECRET_PREVIOUS", &self.secrets.previous)?;
        let rules = [
            (
                self.secrets.previous.is_none() || self.secrets.secret.is_some(),
                "GP_SECRET_PREVIOUS is set without GP_SECRET; set GP_SECRET to the new secret",
            ),
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
                limits.ping_every <= Duration::from_secs(5),
                "--ping-every must be at most 5s: a browser's client gives a connection up after 6 s without a word",
            ),
            (
                limits.pong_within > limits.probe_every,
                "--pong-within must be longer than --probe-every, or every socket would be closed: write for example 25s and 10s",
            ),
            (limits.frame_size <= limits.socket_queue, "--socket-queue must be at least as large as --frame-size"),
        ];
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, mistake)| Err((*mistake).to_owned()))
    }
}

/// What clap has to say about a mistake, in one line.
pub fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let first = lines.next().unwrap_or("the command line can't be read").trim_start_matches("error: ").to_owned();
    lines.fold(first, |all, line| format!("{all} {line}"))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:4000 or [::]:4000".to_owned())
}

fn region(text: &str) -> Result<Region, String> {
    Region::new(text).ok_or_else(|| "write 1 to 16 lower-case letters, digits or -, such as yyz".to_owned())
}

fn node_name(text: &str) -> Result<NodeName, String> {
    NodeName::new(text).ok_or_else(|| "write 1 to 64 bytes without a space".to_owned())
}

fn words(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| "write 1 to 64 bytes, such as \"Frankfurt, Germany\"".to_owned())
}

fn mesh_address(text: &str) -> Result<String, String> {
    let mistake = || "write quic/ (or tls/), a host and a port, such as quic/node1.example.org:7447".to_owned();
    let rest = text.strip_prefix("quic/").or_else(|| text.strip_prefix("tls/")).ok_or_else(mistake)?;
    let (host, port) = rest.rsplit_once(':').ok_or_else(mistake)?;
    let fits = !host.is_empty() && host.len() <= 255 && !host.contains(char::is_whitespace);
    (fits && port.parse::<u16>().is_ok()).then(|| text.to_owned()).ok_or_else(mistake)
}

fn mesh_listen(text: &str) -> Result<String, String> {
    let mistake = "write quic/ (or tls/), a number and a port, such as quic/[::]:7447 or quic/0.0.0.0:7447";
    let checked = mesh_address(text).map_err(|_| mistake.to_owned())?;
    let (_, rest) = checked.split_once('/').ok_or(mistake)?;
    let bare = rest.rsplit_once(':').map(|(host, port)| format!("[{host}]:{port}"));
    let numeric = rest.parse::<SocketAddr>().is_ok() || bare.is_some_and(|bare| bare.parse::<SocketAddr>().is_ok());
    numeric.then_some(checked).ok_or_else(|| mistake.to_owned())
}

fn mesh_delay(text: &str) -> Result<(String, Duration), String> {
    let mistake = || "write a mesh address and milliseconds, such as quic/127.0.0.1:7448=45".to_owned();
    let (address, ms) = text.rsplit_once('=').ok_or_else(mistake)?;
    let ms: u64 = ms.parse().map_err(|_| mistake())?;
    (ms <= 10_000).then(|| (address.to_owned(), Duration::from_millis(ms))).ok_or_else(mistake)
}

fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "write an address or a network, such as 10.0.0.0/8 or fd00::/8".to_owned())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count >= 1).ok_or_else(|| "write a whole number of at least 1".to_owned())
}

fn rate(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|count| *count >= 1).ok_or_else(|| "write a whole number of at least 1".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let mistake = || "write a time with its unit, such as 500ms, 3s or 2min".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(mistake)?;
    let (count, unit) = text.split_at(digits);
    let count: u64 = count.parse().map_err(|_| mistake())?;
    let ms = match unit {
        "ms" => Some(count),
        "s" => count.checked_mul(1_000),
        "min" => count.checked_mul(60_000),
        _ => None,
    };
    ms.filter(|ms| (1..=3_600_000).contains(ms)).map(Duration::from_millis).ok_or_else(mistake)
}

fn size(text: &str) -> Result<usize, String> {
    let mistake = || "write a size with its unit, such as 16kb or 1mb".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let count: usize = count.parse().map_err(|_| mistake())?;
    let bytes = match unit.to_ascii_lowercase().as_str() {
        "b" => Some(count),
        "kb" => count.checked_mul(1_024),
        "mb" => count.checked_mul(1_024 * 1_024),
        _ => None,
    };
    bytes.filter(|bytes| (1..=1 << 30).contains(bytes)).ok_or_else(mistake)
}
