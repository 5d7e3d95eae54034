//! The command line of the load.

use std::net::SocketAddrV4;

use clap::{Parser, ValueEnum};

use crate::protocol::ClientProtocol;

/// Measurements.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum LoadScenario {
    /// Connections without messages
    Idle,
    /// One broadcast at a time, with pauses
    Fanout,
    /// Broadcasts without pauses, a window of them at once
    Sustain,
    /// All clients join one room at the same moment
    Storm,
    /// Clicks at one node until another node shows them
    Click,
    /// Plain HTTP requests
    Http,
    /// A busy node: visitors join, leave and click for a long time
    Soak,
}

/// Puts load on a server and prints its cost, one line of JSON for each measurement
#[derive(Parser, Clone, Debug)]
pub(crate) struct LoadArgs {
    /// Address of the server
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) address: SocketAddrV4,

    /// Processes of the server
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<u32>,

    #[arg(long, value_enum, default_value = "actioncable")]
    pub(crate) protocol: ClientProtocol,

    #[arg(long, value_enum, value_delimiter = ',', required = true)]
    pub(crate) scenario: Vec<LoadScenario>,

    /// Numbers of connections to measure with; connections stay open from one to the next
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1000")]
    pub(crate) connections: Vec<usize>,

    /// Message that subscribes a client; for Action Cable an identifier
    #[arg(long, value_name = "TEXT")]
    pub(crate) subscribe: Vec<String>,

    /// Makes each connection a visitor that subscribes to the streams of its page
    #[arg(long)]
    pub(crate) pages: bool,

    /// Path that broadcasts are posted to; without it they are sent on a socket
    #[arg(long, value_name = "PATH")]
    pub(crate) publish: Option<String>,

    /// Header of such requests
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,

    /// Body of a broadcast; {payload} is replaced by what its receivers look for
    #[arg(long, value_name = "TEXT", default_value = "B{payload}")]
    pub(crate) body: String,

    /// Bytes of the payload
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub(crate) size: usize,

    /// Numbers of broadcasts in flight at once, for sustain
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1,8")]
    pub(crate) windows: Vec<usize>,

    /// Number of broadcasts, for fanout
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub(crate) broadcasts: usize,

    /// Length of a measurement
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub(crate) seconds: f64,

    /// Length of a measurement of idle connections
    #[arg(long, value_name = "SECONDS", default_value_t = 12.0)]
    pub(crate) idle_seconds: f64,

    /// Text messages a second that the baseline sends to idle connections
    #[arg(long, value_name = "RATE", default_value_t = 0)]
    pub(crate) baseline_texts: u32,

    /// Pings a second that the baseline sends to idle connections
    #[arg(long, value_name = "RATE", default_value_t = 0)]
    pub(crate) baseline_pings: u32,

    /// Text before the number of people in the room
    #[arg(long, value_name = "TEXT", default_value = r#""count":"#)]
    pub(crate) count_after: String,

    /// Time after which a storm is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub(crate) give_up: f64,

    /// Node whose pages must show the clicks
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) other: Option<SocketAddrV4>,

    /// Clicks a second
    #[arg(long, value_name = "RATE", value_delimiter = ',', default_value = "10,1000")]
    pub(crate) rates: Vec<u32>,

    /// Paths of plain HTTP requests
    #[arg(long, value_name = "PATH", value_delimiter = ',', default_value = "/,/api/v1/rooms/demo")]
    pub(crate) paths: Vec<String>,
}
