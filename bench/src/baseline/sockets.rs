//! The baseline's sockets: accepting, reading, and one `send` for each.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, accept_with, send, sockopt};
use tungstenite::handshake::derive_accept_key;

use crate::commands::{ClientCommand, commands};

const EVENTS_AT_ONCE: usize = 1_024;
const READ_BYTES: usize = 64 * 1_024;

struct ClientSocket {
    fd: OwnedFd,
    open: bool,
    joined: bool,
    /// Bytes that the kernel did not take yet. While there are any, `epoll` reports when it can take more.
    backlog: Vec<u8>,
}

/// What one pass found.
pub(crate) enum SocketEvent {
    /// A client sent a command.
    Received(ClientCommand),
    /// A client that had joined closed its socket.
    Left,
}

/// All sockets, by the number of their descriptor.
pub(crate) struct Sockets {
    epoll: OwnedFd,
    listener: OwnedFd,
    sockets: Vec<Option<ClientSocket>>,
    /// Sockets whose handshake is done, without gaps.
    live: Vec<usize>,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
}

fn number(fd: &OwnedFd) -> usize {
    usize::try_from(fd.as_raw_fd()).expect("a descriptor is no negative number")
}

fn key(number: usize) -> epoll::EventData {
    epoll::EventData::new_u64(number as u64)
}

impl Sockets {
    pub(crate) fn new(listener: OwnedFd) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, key(number(&listener)), epoll::EventFlags::IN)?;
        let (events, buffer) = (Vec::with_capacity(EVENTS_AT_ONCE), vec![0; READ_BYTES]);
        Ok(Self { epoll, listener, sockets: Vec::new(), live: Vec::new(), events, buffer })
    }

    /// Waits until something happens, for at most that long.
    pub(crate) fn wait(&mut self, at_most: Option<Duration>) -> io::Result<Vec<SocketEvent>> {
        let at_most = at_most.map(|wait| Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() });
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), at_most.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut events = Vec::new();
        for place in 0..self.events.len() {
            let (data, flags) = (self.events[place].data, self.events[place].flags);
            let at = usize::try_from(data.u64()).unwrap_or(usize::MAX);
            if at == number(&self.listener) {
                self.accept()?;
                continue;
            }
            if flags.contains(epoll::EventFlags::OUT) {
                self.send_backlog(at)?;
            }
            if flags.intersects(!epoll::EventFlags::OUT) {
                self.read(at, &mut events);
            }
        }
        Ok(events)
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let fd = match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(fd) => fd,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            sockopt::set_tcp_nodelay(&fd, true)?;
            let at = number(&fd);
            epoll::add(&self.epoll, &fd, key(at), epoll::EventFlags::IN)?;
            if self.sockets.len() <= at {
                self.sockets.resize_with(at + 1, || None);
            }
            self.sockets[at] = Some(ClientSocket { fd, open: false, joined: false, backlog: Vec::new() });
        }
    }

    fn read(&mut self, at: usize, events: &mut Vec<SocketEvent>) {
        let Some(socket) = self.sockets.get_mut(at).and_then(Option::as_mut) else { return };
        let bytes = match rustix::io::read(&socket.fd, &mut self.buffer[..]) {
            Ok(0) => return self.close(at, events),
            Ok(read) => &self.buffer[..read],
            Err(Errno::AGAIN) => return,
            Err(_) => return self.close(at, events),
        };
        if !socket.open {
            let text = String::from_utf8_lossy(bytes);
            let key = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                derive_accept_key(key.trim().as_bytes())
            );
            socket.open = send(&socket.fd, answer.as_bytes(), SendFlags::NOSIGNAL).is_ok();
            self.live.push(at);
            return;
        }
        for command in commands(bytes) {
            if command == ClientCommand::Join && std::mem::replace(&mut socket.joined, true) {
                continue;
            }
            events.push(SocketEvent::Received(command));
        }
    }

    fn close(&mut self, at: usize, events: &mut Vec<SocketEvent>) {
        if self.sockets[at].take().is_some_and(|socket| socket.joined) {
            events.push(SocketEvent::Left);
        }
        self.live.retain(|live| *live != at);
    }

    /// Sends to every socket, one `send` each.
    pub(crate) fn send_to_all(&mut self, wire: &[u8]) -> io::Result<()> {
        for place in 0..self.live.len() {
            self.send_to(place, wire)?;
        }
        Ok(())
    }

    /// Sends to one of the live sockets; places beyond the last one start over.
    pub(crate) fn send_to(&mut self, place: usize, wire: &[u8]) -> io::Result<()> {
        let Some(at) = place.checked_rem(self.live.len()).map(|place| self.live[place]) else { return Ok(()) };
        let Some(socket) = self.sockets[at].as_mut() else { return Ok(()) };
        let sent = if socket.backlog.is_empty() {
            // A broken socket is closed when it is read.
            send(&socket.fd, wire, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).unwrap_or(0)
        } else {
            0
        };
        if sent < wire.len() {
            if socket.backlog.is_empty() {
                epoll::modify(&self.epoll, &socket.fd, key(at), epoll::EventFlags::IN | epoll::EventFlags::OUT)?;
            }
            socket.backlog.extend_from_slice(&wire[sent..]);
        }
        Ok(())
    }

    fn send_backlog(&mut self, at: usize) -> io::Result<()> {
        let Some(socket) = self.sockets.get_mut(at).and_then(Option::as_mut) else { return Ok(()) };
        let sent = send(&socket.fd, &socket.backlog, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).unwrap_or(0);
        socket.backlog.drain(..sent);
        if socket.backlog.is_empty() {
            socket.backlog = Vec::new();
            epoll::modify(&self.epoll, &socket.fd, key(at), epoll::EventFlags::IN)?;
        }
        Ok(())
    }
}
