//! All connections of a load, in one thread and one `epoll`, so that the load costs as little beside the server as it can.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketType, bind, connect, send, socket, sockopt};

use crate::http;
use crate::member::{Heard, Member, Role, Talk};
use crate::protocol::{Phase, Plan, Protocol};

const EVENTS_AT_ONCE: usize = 1_024;
const READ_BYTES: usize = 256 * 1_024;
/// Addresses that connections come from, 127.0.0.2 and on: each has its own ports.
const SOURCES: usize = 8;

/// What has come, in all.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) ready: usize,
    pub(crate) subscribed: usize,
    /// Rejected, or refused by the upgrade.
    pub(crate) refused: usize,
    /// Ended by the server.
    pub(crate) closed: usize,
    pub(crate) texts: u64,
    /// Those of them that only say that the server is there.
    pub(crate) heartbeats: u64,
    pub(crate) pings: u64,
    pub(crate) bytes: u64,
    /// How often something was read.
    pub(crate) reads: u64,
}

/// Connections to one server.
pub(crate) struct Crowd {
    pub(crate) protocol: Protocol,
    pub(crate) host: String,
    at: SocketAddrV4,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
    members: Vec<Option<Member>>,
    began: Instant,
    /// Whoever is ready subscribes at once; otherwise when it is told to.
    pub(crate) gate: bool,
    pub(crate) tally: Tally,
    /// The first thing that went wrong, in words.
    pub(crate) trouble: Option<String>,
}

impl Crowd {
    pub(crate) fn new(at: SocketAddrV4, protocol: Protocol) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self {
            protocol,
            host: format!("localhost:{}", at.port()),
            at,
            epoll,
            events: Vec::with_capacity(EVENTS_AT_ONCE),
            buffer: vec![0; READ_BYTES],
            members: Vec::new(),
            began: Instant::now(),
            gate: true,
            tally: Tally::default(),
            trouble: None,
        })
    }

    /// Microseconds since the load began.
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Opens a WebSocket; its number is what everything that it hears is told by.
    pub(crate) fn open(&mut self, plan: Plan) -> anyhow::Result<usize> {
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

    /// Opens a connection for plain requests.
    pub(crate) fn open_http(&mut self) -> anyhow::Result<usize> {
        self.connect(Role::Http)
    }

    fn connect(&mut self, role: Role) -> anyhow::Result<usize> {
        let id = self.members.len();
        let source = Ipv4Addr::new(127, 0, 0, u8::try_from(2 + id % SOURCES)?);
        let fd = socket(AddressFamily::INET, SocketType::STREAM, None).context("no socket: raise `ulimit -n`")?;
        bind(&fd, &SocketAddrV4::new(source, 0))?;
        // On loopback that takes no time, so it may wait for it.
        connect(&fd, &self.at).with_context(|| format!("{} can't be reached", self.at))?;
        rustix::io::ioctl_fionbio(&fd, true)?;
        sockopt::set_tcp_nodelay(&fd, true)?;
        epoll::add(&self.epoll, &fd, epoll::EventData::new_u64(id as u64), epoll::EventFlags::IN)?;
        self.members.push(Some(Member::new(fd, role)));
        Ok(id)
    }

    /// Sends one text.
    pub(crate) fn say(&mut self, id: usize, text: &str) {
        let mut frame = Vec::with_capacity(text.len() + 14);
        crate::frame::write(&mut frame, crate::frame::TEXT, text.as_bytes());
        self.write(id, &frame);
    }

    /// Sends bytes. A load's messages are small: a server that does not even take those is in trouble.
    pub(crate) fn write(&mut self, id: usize, bytes: &[u8]) {
        let Some(member) = self.members.get(id).and_then(Option::as_ref) else { return };
        if bytes.is_empty() || send(&member.fd, bytes, SendFlags::NOSIGNAL) == Ok(bytes.len()) {
            return;
        }
        self.trouble.get_or_insert_with(|| "a message could not be sent".to_owned());
        self.gone(id);
    }

    /// Lets one that is ready subscribe.
    pub(crate) fn join(&mut self, id: usize) {
        let Some(member) = self.members.get_mut(id).and_then(Option::as_mut) else { return };
        let mut out = Vec::new();
        member.subscribe(&mut Talk { protocol: self.protocol, gate: true, tally: &mut self.tally, out: &mut out });
        self.write(id, &out);
    }

    /// Ends one as a tab that is closed does.
    pub(crate) fn leave(&mut self, id: usize) {
        let mut frame = Vec::new();
        crate::frame::write(&mut frame, crate::frame::CLOSE, &1001_u16.to_be_bytes());
        self.write(id, &frame);
        if let Some(member) = self.members.get_mut(id).and_then(Option::as_mut) {
            self.tally.subscribed -= usize::from(member.phase() == Some(Phase::Subscribed));
            member.enter(Phase::Leaving);
        }
    }

    /// Whether the connection still stands.
    pub(crate) fn is_there(&self, id: usize) -> bool {
        self.members.get(id).is_some_and(Option::is_some)
    }

    /// Ends a connection for plain requests.
    pub(crate) fn hang_up(&mut self, id: usize) {
        self.members[id] = None;
    }

    /// From now on connections are opened to another server.
    pub(crate) fn turn_to(&mut self, at: SocketAddrV4) {
        self.at = at;
        self.host = format!("localhost:{}", at.port());
    }

    /// Whether it is subscribed to all that it wanted.
    pub(crate) fn is_subscribed(&self, id: usize) -> bool {
        self.members.get(id).and_then(Option::as_ref).and_then(Member::phase) == Some(Phase::Subscribed)
    }

    fn gone(&mut self, id: usize) {
        let Some(member) = self.members.get_mut(id).and_then(Option::take) else { return };
        match member.phase() {
            Some(Phase::Subscribed) => self.tally.subscribed -= 1,
            Some(Phase::Upgrading) => self.tally.refused += 1,
            // One for plain requests that was quiet for a while: any server ends it.
            None | Some(Phase::Leaving) => return,
            Some(_) => {}
        }
        self.tally.closed += 1;
    }

    /// Reads what has come, waiting at most so long; all of it is handed to `heard`, with the time.
    pub(crate) fn turn(&mut self, wait: Duration, heard: &mut dyn FnMut(usize, u64, Heard<'_>)) -> anyhow::Result<()> {
        let wait = Timespec { tv_sec: wait.as_secs().try_into()?, tv_nsec: wait.subsec_nanos().into() };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for place in 0..self.events.len() {
            let data = self.events[place].data;
            self.read(usize::try_from(data.u64())?, heard);
        }
        Ok(())
    }

    fn read(&mut self, id: usize, heard: &mut dyn FnMut(usize, u64, Heard<'_>)) {
        let Some(member) = self.members.get_mut(id).and_then(Option::as_mut) else { return };
        let read = match rustix::io::read(&member.fd, &mut self.buffer[..]) {
            Ok(0) => return self.gone(id),
            Ok(read) => read,
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(error) => {
                self.trouble.get_or_insert_with(|| error.to_string());
                return self.gone(id);
            }
        };
        let now_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.tally.bytes += read as u64;
        self.tally.reads += 1;
        let mut out = Vec::new();
        let mut talk = Talk { protocol: self.protocol, gate: self.gate, tally: &mut self.tally, out: &mut out };
        let taken = member.take(&self.buffer[..read], &mut talk, &mut |what| heard(id, now_us, what));
        self.write(id, &out);
        if let Err(trouble) = taken {
            self.trouble.get_or_insert(trouble);
            self.gone(id);
        }
    }

    /// Goes on until `done` or until the time is over; says whether it was done.
    pub(crate) fn until(
        &mut self,
        within: Duration,
        heard: &mut dyn FnMut(usize, u64, Heard<'_>),
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
            self.turn(left.min(Duration::from_millis(20)), heard)?;
        }
    }

    /// Lets time pass, reading all the while.
    pub(crate) fn rest(&mut self, time: Duration) -> anyhow::Result<()> {
        self.until(time, &mut |_, _, _| {}, &mut |_| false)?;
        Ok(())
    }

    /// Fails where the server has refused or closed anybody.
    pub(crate) fn is_whole(&self) -> anyhow::Result<()> {
        let Tally { refused, closed, .. } = self.tally;
        if refused + closed > 0 {
            let trouble = self.trouble.as_deref().unwrap_or("without a word");
            bail!("{refused} connections were refused and {closed} closed: {trouble}");
        }
        Ok(())
    }
}
