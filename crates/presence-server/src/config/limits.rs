//! What visitors and sockets may use.

use std::time::Duration;

use clap::Args;
use presence_core::FactSettings;

use super::parse::{at_least_one, duration, memory, size};

/// Limits for visitors and sockets.
///
/// ```
/// let mut config = presence_server::Config::of([]).unwrap();
/// assert_eq!((config.limits.messages_per_second, config.limits.rooms_per_socket), (10, 100));
/// // For cursors that move often.
/// config.limits.messages_per_second = 30;
/// ```
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Sockets from one IPv4 address or IPv6 /64; further ones are answered with 429. The address may have 64 other
    /// connections as well
    #[arg(long, env = "GP_SOCKETS_PER_ADDRESS", value_name = "COUNT", default_value = "1000", value_parser = at_least_one::<usize>)]
    pub sockets_per_address: usize,

    /// Connections to the node, sockets included; a further one ends the one that has been idle for longest, or is answered
    /// with 503
    #[arg(long, env = "GP_CONNECTIONS", value_name = "COUNT", default_value = "100000", value_parser = at_least_one::<usize>)]
    pub connections: usize,

    /// Memory that the node may use; at 90 % of it further sockets are answered with 503 [default: the limit of its cgroup]
    #[arg(long, env = "GP_MEMORY", value_name = "SIZE", value_parser = memory)]
    pub memory: Option<u64>,

    /// Rooms for each socket; further subscriptions are rejected
    #[arg(long, env = "GP_ROOMS_PER_SOCKET", value_name = "COUNT", default_value = "100", value_parser = at_least_one::<usize>)]
    pub rooms_per_socket: usize,

    /// Rooms of one site on this node, a quarter of them for one address; joins of further ones are refused
    #[arg(long, env = "GP_ROOMS_PER_SITE", value_name = "COUNT", default_value = "100000", value_parser = at_least_one::<usize>)]
    pub rooms_per_site: usize,

    /// Users that a site's room counts, a quarter of them for one address; further visitors see the numbers without being counted
    #[arg(long, env = "GP_USERS_PER_ROOM", value_name = "COUNT", default_value = "1000000", value_parser = at_least_one::<usize>)]
    pub users_per_room: usize,

    /// Joins a second from the pages of one site on this node, a quarter of them for one address; further ones wait up to 10 s
    #[arg(long, env = "GP_JOINS_PER_SECOND", value_name = "COUNT", default_value = "5000", value_parser = at_least_one::<u32>)]
    pub joins_per_second: u32,

    /// Registers, logs, counters, sets and entries of maps that an app may write in one room; further ones are refused
    #[arg(long, env = "GP_FACTS_PER_ROOM", value_name = "COUNT", default_value = "1024", value_parser = at_least_one::<usize>)]
    pub facts_per_room: usize,

    /// Users in one set of a room; further ones are refused
    #[arg(long, env = "GP_USERS_PER_SET", value_name = "COUNT", default_value = "10000", value_parser = at_least_one::<usize>)]
    pub users_per_set: usize,

    /// The largest frame from a browser; a larger one closes the socket with 1009
    #[arg(long, env = "GP_FRAME_SIZE", value_name = "SIZE", default_value = "16kb", value_parser = size)]
    pub frame_size: usize,

    /// Messages a second from one socket; further clicks are halted, other messages wait
    #[arg(long, env = "GP_MESSAGES_PER_SECOND", value_name = "COUNT", default_value = "10", value_parser = at_least_one::<u32>)]
    pub messages_per_second: u32,

    /// Messages that one socket may send at once before that rate applies
    #[arg(long, env = "GP_MESSAGE_BURST", value_name = "COUNT", default_value = "40", value_parser = at_least_one::<u32>)]
    pub message_burst: u32,

    /// Bytes a second from one socket, after four times as many at once; then reading pauses. A ping, a pong or a part of a
    /// message counts as 1 KB or more
    #[arg(long, env = "GP_BYTES_PER_SECOND", value_name = "SIZE", default_value = "16kb", value_parser = size)]
    pub bytes_per_second: usize,

    /// How often Action Cable's ping is sent if nothing else was; its client reconnects after 6 s of silence
    #[arg(long, env = "GP_PING_EVERY", value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub ping_every: Duration,

    /// How often the WebSocket's ping is sent, and presence-v1's if nothing else was
    #[arg(long, env = "GP_PROBE_EVERY", value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub probe_every: Duration,

    /// How long a socket may answer no WebSocket ping before it is closed
    #[arg(long, env = "GP_PONG_WITHIN", value_name = "TIME", default_value = "25s", value_parser = duration)]
    pub pong_within: Duration,

    /// How long a socket may accept less than 16 KB of what waits for it before it is closed
    #[arg(long, env = "GP_WRITE_WITHIN", value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub write_within: Duration,

    /// How many bytes may wait for a socket whose send buffer is full
    #[arg(long, env = "GP_SOCKET_QUEUE", value_name = "SIZE", default_value = "256kb", value_parser = size)]
    pub socket_queue: usize,

    /// The size of a socket's send buffer in the kernel
    #[arg(long, env = "GP_SEND_BUFFER", value_name = "SIZE", default_value = "64kb", value_parser = size)]
    pub send_buffer: usize,

    /// How long the head of a request may take, and how long a connection may be idle
    #[arg(long, env = "GP_HEADER_WITHIN", value_name = "TIME", default_value = "15s", value_parser = duration)]
    pub header_within: Duration,

    /// The time over which sockets are closed when the node drains
    #[arg(long, env = "GP_DRAIN_OVER", value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub drain_over: Duration,
}

impl Limits {
    /// What apps may write.
    pub(crate) fn facts(&self, has_disk: bool) -> FactSettings {
        FactSettings { has_disk, keys_per_room: self.facts_per_room, users_per_set: self.users_per_set }
    }
}
