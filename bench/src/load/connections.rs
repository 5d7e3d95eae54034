//! All connections of the load, in one thread with one `epoll`, so that the load costs little beside the server.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use presence_bench::websocket::{self, CLOSE, FrameSender, TEXT};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketType, bind, connect, send, socket, sockopt};

use crate::client::{Client, ClientContext, ClientEvent, Role};
use crate::http;
use crate::protocol::{ClientPlan, ClientProtocol, Phase};

const EVENTS_AT_ONCE: usize = 1_024;
const READ_BYTES: usize = 256 * 1_024;
/// Source addresses from 127.0.0.2 on; each has its own ports.
const SOURCES: usize = 8;

/// Totals over all connections.
#[derive(Clone, Copy, Default)]
pub(crate) struct ConnectionTotals {
    pub(crate) ready: usize,
    pub(crate) subscribed: usize,
    /// Subscriptions and upgrades that the server refused.
    pub(crate) refused: usize,
    /// Connections that the server closed.
    pub(crate) closed: usize,
    pub(crate) texts: u64,
    /// Texts that are heartbeats.
    pub(crate) heartbeats: u64,
    pub(crate) pings: u64,
    pub(crate) bytes: u64,
    /// Reads from sockets.
    pub(crate) reads: u64,
}

/// Connections to one server.
pub(crate) struct Connections {
    pub(crate) protocol: ClientProtocol,
    pub(crate) host: String,
    at: SocketAddrV4,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    clients: Vec<Option<Client>>,
    began: Instant,
    /// Whether clients subscribe as soon as they are ready, instead of by [`Connections::join`].
    pub(crate) subscribe_when_ready: bool,
    pub(crate) totals: ConnectionTotals,
    /// The first error.
    pub(crate) first_error: Option<String>,
}

impl Connections {
    pub(crate) fn new(at: SocketAddrV4, protocol: ClientProtocol) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self {
            protocol,
            host: format!("localhost:{}", at.port()),
            at,
            epoll,
            events: Vec::with_capacity(EVENTS_AT_ONCE),
            buffer: vec![0; READ_BYTES],
            clients: Vec::new(),
            began: Instant::now(),
            subscribe_when_ready: true,
            totals: ConnectionTotals::default(),
            first_error: None,
        })
    }

    /// Returns the microseconds since the load began.
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Opens a WebSocket and returns its number, by which its events are reported.
    pub(crate) fn open(&mut self, plan: ClientPlan) -> anyhow::Result<usize> {
        let cookie = plan.cookie.as_ref().map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
        let headers = format!(
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nOrigin: http://{}\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}{cookie}",
            self.host,
            self.protocol.header()
        );
        let upgrade = http::request("GET", &self.host, self.protocol.path(), &headers, "");
        let id = self.connect(Role::Socket { plan, phase: Phase::Upgrading })?;
        self.write(id, upgrade.as_bytes());
        Ok(id)
    }

    /// Opens a connection for plain HTTP requests.
    pub(crate) fn open_http(&mut self) -> anyhow::Result<usize> {
        self.connect(Role::Http)
    }

    fn connect(&mut self, role: Role) -> anyhow::Result<usize> {
        let id = self.clients.len();
        let source = Ipv4Addr::new(127, 0, 0, u8::try_from(2 + id % SOURCES)?);
        let fd = socket(AddressFamily::INET, SocketType::STREAM, None).context("no socket: raise `ulimit -n`")?;
        bind(&fd, &SocketAddrV4::new(source, 0))?;
        // On loopback this takes no time, so it may block.
        connect(&fd, &self.at).with_context(|| format!("{} can't be reached", self.at))?;
        rustix::io::ioctl_fionbio(&fd, true)?;
        sockopt::set_tcp_nodelay(&fd, true)?;
        epoll::add(&self.epoll, &fd, epoll::EventData::new_u64(id as u64), epoll::EventFlags::IN)?;
        self.clients.push(Some(Client::new(fd, role)));
        Ok(id)
    }

    /// Sends one text message.
    pub(crate) fn send_text(&mut self, id: usize, text: &str) {
        let mut frame = Vec::with_capacity(text.len() + 14);
        websocket::write(&mut frame, FrameSender::Client, TEXT, text.as_bytes());
        self.write(id, &frame);
    }

    /// Sends bytes. Messages of the load are small, so a server that does not accept them has failed.
    pub(crate) fn write(&mut self, id: usize, bytes: &[u8]) {
        let Some(client) = self.clients.get(id).and_then(Option::as_ref) else { return };
        if bytes.is_empty() || send(&client.fd, bytes, SendFlags::NOSIGNAL) == Ok(bytes.len()) {
            return;
        }
        self.first_error.get_or_insert_with(|| "a message could not be sent".to_owned());
        self.gone(id);
    }

    /// Subscribes a client that is ready.
    pub(crate) fn join(&mut self, id: usize) {
        let Some(client) = self.clients.get_mut(id).and_then(Option::as_mut) else { return };
        let mut out = Vec::new();
        client.subscribe(&mut ClientContext {
            protocol: self.protocol,
            subscribe_when_ready: true,
            totals: &mut self.totals,
            out: &mut out,
        });
        self.write(id, &out);
    }

    /// Closes a client as a browser closes a tab.
    pub(crate) fn leave(&mut self, id: usize) {
        let mut frame = Vec::new();
        websocket::write(&mut frame, FrameSender::Client, CLOSE, &1001_u16.to_be_bytes());
        self.write(id, &frame);
        if let Some(client) = self.clients.get_mut(id).and_then(Option::as_mut) {
            self.totals.subscribed -= usize::from(client.phase() == Some(Phase::Subscribed));
            client.enter(Phase::Leaving);
        }
    }

    /// Returns whether the connection is open.
    pub(crate) fn is_there(&self, id: usize) -> bool {
        self.clients.get(id).is_some_and(Option::is_some)
    }

    /// Closes a connection for plain requests.
    pub(crate) fn hang_up(&mut self, id: usize) {
        self.clients[id] = None;
    }

    /// Opens further connections to another server.
    pub(crate) fn connect_to(&mut self, at: SocketAddrV4) {
        self.at = at;
        self.host = format!("localhost:{}", at.port());
    }

    /// Returns whether a client has all its subscriptions.
    pub(crate) fn is_subscribed(&self, id: usize) -> bool {
        self.clients.get(id).and_then(Option::as_ref).and_then(Client::phase) == Some(Phase::Subscribed)
    }

    fn gone(&mut self, id: usize) {
        let Some(client) = self.clients.get_mut(id).and_then(Option::take) else { return };
        match client.phase() {
            Some(Phase::Subscribed) => self.totals.subscribed -= 1,
            Some(Phase::Upgrading) => self.totals.refused += 1,
            // Servers close quiet connections for plain requests.
            None | Some(Phase::Leaving) => return,
            Some(_) => {}
        }
        self.totals.closed += 1;
    }

    /// Reads what has arrived, waiting at most that long, and passes events with their time to `on_event`.
    pub(crate) fn poll(
        &mut self,
        wait: Duration,
        on_event: &mut dyn FnMut(usize, u64, ClientEvent<'_>),
    ) -> anyhow::Result<()> {
        let wait = Timespec { tv_sec: wait.as_secs().try_into()?, tv_nsec: wait.subsec_nanos().into() };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for place in 0..self.events.len() {
            let data = self.events[place].data;
            self.read(usize::try_from(data.u64())?, on_event);
        }
        Ok(())
    }

    fn read(&mut self, id: usize, on_event: &mut dyn FnMut(usize, u64, ClientEvent<'_>)) {
        let Some(client) = self.clients.get_mut(id).and_then(Option::as_mut) else { return };
        let read = match rustix::io::read(&client.fd, &mut self.buffer[..]) {
            Ok(0) => return self.gone(id),
            Ok(read) => read,
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(error) => {
                self.first_error.get_or_insert_with(|| error.to_string());
                return self.gone(id);
            }
        };
        let now_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.totals.bytes += read as u64;
        self.totals.reads += 1;
        let mut out = Vec::new();
        let mut context = ClientContext {
            protocol: self.protocol,
            subscribe_when_ready: self.subscribe_when_ready,
            totals: &mut self.totals,
            out: &mut out,
        };
        let handled = client.on_bytes(&self.buffer[..read], &mut context, &mut |what| on_event(id, now_us, what));
        self.write(id, &out);
        if let Err(first_error) = handled {
            self.first_error.get_or_insert(first_error);
            self.gone(id);
        }
    }

    /// Polls until `done` or until the time is over, and returns whether it was done.
    pub(crate) fn until(
        &mut self,
        within: Duration,
        on_event: &mut dyn FnMut(usize, u64, ClientEvent<'_>),
        done: &mut dyn FnMut(&mut Self) -> bool,
    ) -> anyhow::Result<bool> {
        let end = Instant::now() + within;
        loop {
            if done(self) {
                return Ok(true);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.poll(left.min(Duration::from_millis(20)), on_event)?;
        }
    }

    /// Polls for this time.
    pub(crate) fn rest(&mut self, time: Duration) -> anyhow::Result<()> {
        self.until(time, &mut |_, _, _| {}, &mut |_| false)?;
        Ok(())
    }

    /// Fails if the server has refused or closed a connection.
    pub(crate) fn ensure_all_open(&self) -> anyhow::Result<()> {
        let ConnectionTotals { refused, closed, .. } = self.totals;
        if refused + closed > 0 {
            let reason = self.first_error.as_deref().unwrap_or("without a reason");
            bail!("{refused} connections were refused and {closed} closed: {reason}");
        }
        Ok(())
    }
}
