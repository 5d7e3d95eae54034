//! The baseline: a server that only sends a message to each of its sockets. Without it the cost of the kernel could not be
//! told from the cost of a server.
//!
//! One thread, one `epoll`, a frame that is written once and handed to `send` for every socket. Broadcasts that were read
//! in one pass leave together. It speaks no protocol besides the WebSocket's; one text message is one command:
//!
//! * `B<text>` sends the text to every client;
//! * `J` joins: every client is sent `{"count":n}`, at most every 50 ms;
//! * `P<n>` sends `n` small text messages a second from now on, to one client after the other;
//! * `Q<n>` does the same with the WebSocket's own pings, which clients answer.

mod commands;
mod sockets;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use presence_bench::schedule::Schedule;
use presence_bench::websocket::{FrameSender, PING, TEXT, write};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use crate::commands::ClientCommand;
use crate::sockets::{SocketEvent, Sockets};

/// A longer interval would change nothing; a shorter one would announce a storm more often.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_millis(10);

/// Sends what one client says to all clients, as cheaply as a program can
#[derive(Parser)]
struct BaselineArgs {
    /// The port on 127.0.0.1
    port: u16,
}

/// The server between two passes over its sockets.
struct Baseline {
    sockets: Sockets,
    joined: usize,
    count_changed: bool,
    announced: Instant,
    texts: Heartbeats,
    pings: Heartbeats,
}

/// The same frame at an even rate, to one client after the other: the least that heartbeats cost.
struct Heartbeats {
    frame: Vec<u8>,
    schedule: Schedule,
    next: usize,
}

fn main() -> anyhow::Result<()> {
    let BaselineArgs { port } = BaselineArgs::parse();
    let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let listener = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
    sockopt::set_socket_reuseaddr(&listener, true)?;
    bind(&listener, &at).with_context(|| format!("{at} can't be used"))?;
    listen(&listener, 4_096)?;

    let now = Instant::now();
    // As long as Action Cable's ping, and as ours.
    let texts = Heartbeats::new(TEXT, br#"{"type":"ping","message":1700000000}"#, now);
    let pings = Heartbeats::new(PING, b"01234567", now);
    let sockets = Sockets::new(listener)?;
    let mut baseline = Baseline { sockets, joined: 0, count_changed: false, announced: now, texts, pings };
    loop {
        baseline.pass()?;
    }
}

impl Baseline {
    fn pass(&mut self) -> anyhow::Result<()> {
        let busy = self.count_changed || self.texts.runs() || self.pings.runs();
        let events = self.sockets.wait(busy.then_some(TICK))?;
        let now = Instant::now();
        let mut wire = Vec::new();
        for event in events {
            match event {
                SocketEvent::Received(ClientCommand::Broadcast(text)) => {
                    write(&mut wire, FrameSender::Server, TEXT, &text)
                }
                SocketEvent::Received(ClientCommand::Join) => self.join(1),
                SocketEvent::Received(ClientCommand::Texts(rate)) => self.texts.set(rate, now),
                SocketEvent::Received(ClientCommand::Pings(rate)) => self.pings.set(rate, now),
                SocketEvent::Left => self.join(-1),
            }
        }
        if self.count_changed && now - self.announced >= ANNOUNCE_EVERY {
            write(&mut wire, FrameSender::Server, TEXT, format!(r#"{{"count":{}}}"#, self.joined).as_bytes());
            self.count_changed = false;
            self.announced = now;
        }
        if !wire.is_empty() {
            self.sockets.send_to_all(&wire)?;
        }
        for heartbeats in [&mut self.texts, &mut self.pings] {
            heartbeats.send_due(&mut self.sockets, now)?;
        }
        Ok(())
    }

    fn join(&mut self, by: isize) {
        self.joined = self.joined.saturating_add_signed(by);
        self.count_changed = true;
    }
}

impl Heartbeats {
    fn new(opcode: u8, payload: &[u8], now: Instant) -> Self {
        let mut frame = Vec::new();
        write(&mut frame, FrameSender::Server, opcode, payload);
        Self { frame, schedule: Schedule::new(0, None, now), next: 0 }
    }

    fn runs(&self) -> bool {
        self.schedule.next_at().is_some()
    }

    fn set(&mut self, rate: u32, now: Instant) {
        self.schedule = Schedule::new(rate, None, now);
    }

    fn send_due(&mut self, sockets: &mut Sockets, now: Instant) -> anyhow::Result<()> {
        for _ in 0..self.schedule.take_due(now) {
            sockets.send_to(self.next, &self.frame)?;
            self.next = self.next.wrapping_add(1);
        }
        Ok(())
    }
}
