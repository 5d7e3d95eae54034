//! The floor: the least that any server can do that sends a message to each of its sockets. Without it nobody could tell
//! how much of a server's cost is its own and how much the kernel's.
//!
//! One thread, one `epoll`, a frame that is written once and handed to `send` for every socket. Broadcasts that were read
//! in one pass leave together. It speaks no protocol besides the WebSocket's; one text message is one order:
//!
//! * `B<text>` sends the text to everybody;
//! * `J` joins: everybody is told `{"count":n}`, at most every 50 ms;
//! * `P<n>` sends `n` small text messages a second, in turn to one socket after the other, from now on;
//! * `Q<n>` does the same with the WebSocket's own pings, which clients answer.

mod orders;
mod pace;
mod sockets;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use crate::orders::{Order, framed};
use crate::pace::Pace;
use crate::sockets::{Happened, Sockets};

/// A longer one would not change anything; a shorter one would tell of a storm more often.
const TELL_EVERY: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_millis(10);

/// Sends to everybody what one client says, as cheaply as a program can
#[derive(Parser)]
struct Args {
    /// The port on 127.0.0.1
    port: u16,
}

/// What a pass over the sockets has to send, and what it remembers.
struct Floor {
    sockets: Sockets,
    joined: usize,
    untold: bool,
    told: Instant,
    texts: Pace,
    pings: Pace,
}

fn main() -> anyhow::Result<()> {
    let Args { port } = Args::parse();
    let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let listener = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
    sockopt::set_socket_reuseaddr(&listener, true)?;
    bind(&listener, &at).with_context(|| format!("{at} can't be used"))?;
    listen(&listener, 4_096)?;

    let now = Instant::now();
    // As long as Action Cable's ping, and as ours.
    let texts = Pace::new(framed(0x81, br#"{"type":"ping","message":1700000000}"#), now);
    let pings = Pace::new(framed(0x89, b"01234567"), now);
    let sockets = Sockets::new(listener)?;
    let mut floor = Floor { sockets, joined: 0, untold: false, told: now, texts, pings };
    loop {
        floor.pass()?;
    }
}

impl Floor {
    fn pass(&mut self) -> anyhow::Result<()> {
        let busy = self.untold || self.texts.runs() || self.pings.runs();
        let happened = self.sockets.wait(busy.then_some(TICK))?;
        let now = Instant::now();
        let mut wire = Vec::new();
        for what in happened {
            match what {
                Happened::Said(Order::Broadcast(text)) => wire.extend_from_slice(&framed(0x81, &text)),
                Happened::Said(Order::Join) => self.join(1),
                Happened::Said(Order::Texts(rate)) => self.texts.set(rate, now),
                Happened::Said(Order::Pings(rate)) => self.pings.set(rate, now),
                Happened::Left => self.join(-1),
            }
        }
        if self.untold && now - self.told >= TELL_EVERY {
            wire.extend_from_slice(&framed(0x81, format!(r#"{{"count":{}}}"#, self.joined).as_bytes()));
            self.untold = false;
            self.told = now;
        }
        if !wire.is_empty() {
            self.sockets.send_to_all(&wire)?;
        }
        for pace in [&mut self.texts, &mut self.pings] {
            pace.send_due(&mut self.sockets, now)?;
        }
        Ok(())
    }

    fn join(&mut self, by: isize) {
        self.joined = self.joined.saturating_add_signed(by);
        self.untold = true;
    }
}
