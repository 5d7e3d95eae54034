//! What a load is told on its command line.

use std::net::SocketAddrV4;

use clap::{Parser, ValueEnum};

use crate::protocol::Protocol;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Scenario {
    /// Connections that nothing is said to
    Idle,
    /// One broadcast at a time, quiet in between
    Fanout,
    /// Broadcasts without a pause, so many at once
    Sustain,
    /// Everybody joins one room at the same moment
    Storm,
    /// Clicks at one node until they are seen at another
    Click,
    /// Plain requests
    Http,
    /// A day in the life of a busy node, shortened
    Soak,
}

/// Puts load on a server and prints what it cost, one line of JSON for each measurement
#[derive(Parser, Clone, Debug)]
pub(crate) struct Args {
    /// The server
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) address: SocketAddrV4,

    /// The server's processes
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<u32>,

    #[arg(long, value_enum, default_value = "actioncable")]
    pub(crate) protocol: Protocol,

    #[arg(long, value_enum, value_delimiter = ',', required = true)]
    pub(crate) scenario: Vec<Scenario>,

    /// At how many connections to measure; they are added to each other
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1000")]
    pub(crate) connections: Vec<usize>,

    /// What everybody says to subscribe: an identifier of Action Cable, else a message
    #[arg(long, value_name = "TEXT")]
    pub(crate) subscribe: Vec<String>,

    /// Every connection is a visitor of its own, whose page says what it subscribes to
    #[arg(long)]
    pub(crate) pages: bool,

    /// The path that broadcasts are posted to; without it they are said on a socket
    #[arg(long, value_name = "PATH")]
    pub(crate) publish: Option<String>,

    /// A header of such posts
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,

    /// A broadcast; {payload} is what its receivers look for
    #[arg(long, value_name = "TEXT", default_value = "B{payload}")]
    pub(crate) body: String,

    /// Bytes of the payload
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub(crate) size: usize,

    /// How many broadcasts are under way at once while they are sustained
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1,8")]
    pub(crate) windows: Vec<usize>,

    /// How many broadcasts one after the other
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub(crate) broadcasts: usize,

    /// How long to measure what goes on all the time
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub(crate) seconds: f64,

    /// How long to measure connections that nothing is said to
    #[arg(long, value_name = "SECONDS", default_value_t = 12.0)]
    pub(crate) idle_seconds: f64,

    /// How many text messages a second the floor sends meanwhile
    #[arg(long, value_name = "RATE", default_value_t = 0)]
    pub(crate) floor_texts: u32,

    /// How many pings a second the floor sends meanwhile
    #[arg(long, value_name = "RATE", default_value_t = 0)]
    pub(crate) floor_pings: u32,

    /// The text before the number that says how many are in the room
    #[arg(long, value_name = "TEXT", default_value = r#""count":"#)]
    pub(crate) count_after: String,

    /// When a storm is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub(crate) give_up: f64,

    /// The node where clicks are looked for
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) other: Option<SocketAddrV4>,

    /// Clicks a second
    #[arg(long, value_name = "RATE", value_delimiter = ',', default_value = "10,1000")]
    pub(crate) rates: Vec<u32>,

    /// The paths of plain requests
    #[arg(long, value_name = "PATH", value_delimiter = ',', default_value = "/,/api/v1/rooms/demo")]
    pub(crate) paths: Vec<String>,
}
