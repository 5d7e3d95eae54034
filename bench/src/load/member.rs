//! One connection of a load: bytes in, what they mean out.

use std::os::fd::OwnedFd;

use crate::crowd::Tally;
use crate::frame;
use crate::http;
use crate::protocol::{Phase, Plan, Protocol, Told};

/// What a connection is for.
pub(crate) enum Role {
    /// A WebSocket, and how far it is.
    Socket { plan: Plan, phase: Phase },
    /// Plain requests.
    Http,
}

/// What a connection needs to talk on: the crowd's, lent for one piece of work.
pub(crate) struct Talk<'a> {
    pub(crate) protocol: Protocol,
    /// Whoever is ready subscribes at once.
    pub(crate) gate: bool,
    pub(crate) tally: &'a mut Tally,
    /// What is to be sent.
    pub(crate) out: &'a mut Vec<u8>,
}

/// What a connection heard.
pub(crate) enum Heard<'a> {
    Text(&'a [u8]),
    /// The answer to a plain request.
    Answer(http::Answer<'a>),
}

pub(crate) struct Member {
    pub(crate) fd: OwnedFd,
    role: Role,
    /// What is not whole yet.
    rest: Vec<u8>,
}

impl Member {
    pub(crate) fn new(fd: OwnedFd, role: Role) -> Self {
        Self { fd, role, rest: Vec::new() }
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        match self.role {
            Role::Socket { phase, .. } => Some(phase),
            Role::Http => None,
        }
    }

    /// Takes what was read. What is to be answered is put into `out`. Fails, in words, where the server ends it.
    pub(crate) fn take(
        &mut self,
        read: &[u8],
        talk: &mut Talk<'_>,
        heard: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(), String> {
        if self.phase() == Some(Phase::Leaving) {
            return Ok(());
        }
        let mut rest = std::mem::take(&mut self.rest);
        let mut bytes = read;
        if !rest.is_empty() {
            rest.extend_from_slice(read);
            bytes = &rest;
        }
        loop {
            let before = bytes.len();
            bytes = match &self.role {
                Role::Http => answered(bytes, heard),
                Role::Socket { phase: Phase::Upgrading, .. } => self.upgraded(bytes, talk)?,
                Role::Socket { .. } => self.frame(bytes, talk, heard)?,
            };
            if bytes.len() == before {
                break;
            }
        }
        self.rest = bytes.to_vec();
        Ok(())
    }

    fn upgraded<'a>(&mut self, bytes: &'a [u8], talk: &mut Talk<'_>) -> Result<&'a [u8], String> {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(bytes) };
        if !bytes.starts_with(b"HTTP/1.1 101") {
            return Err(format!(
                "the upgrade was answered {}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(300)])
            ));
        }
        self.enter(Phase::Opened);
        if !talk.protocol.welcomes() {
            self.ready(talk);
        }
        Ok(&bytes[end + 4..])
    }

    fn frame<'a>(
        &mut self,
        bytes: &'a [u8],
        talk: &mut Talk<'_>,
        heard: &mut dyn FnMut(Heard<'_>),
    ) -> Result<&'a [u8], String> {
        let Some((opcode, payload, rest)) = frame::first(bytes) else { return Ok(bytes) };
        match opcode {
            frame::PING => {
                talk.tally.pings += 1;
                frame::write(talk.out, frame::PONG, payload);
            }
            frame::CLOSE => {
                return Err(format!("closed: {}", String::from_utf8_lossy(payload.get(2..).unwrap_or(&[]))));
            }
            frame::PONG => {}
            _ => {
                talk.tally.texts += 1;
                self.told(payload, talk);
                heard(Heard::Text(payload));
            }
        }
        Ok(rest)
    }

    fn told(&mut self, text: &[u8], talk: &mut Talk<'_>) {
        let phase = self.phase().unwrap_or(Phase::Subscribed);
        match talk.protocol.read(phase, text) {
            Told::Nothing => {}
            Told::Ready => self.ready(talk),
            Told::Asks(answer) => frame::write(talk.out, frame::TEXT, answer.as_bytes()),
            Told::Heartbeat => talk.tally.heartbeats += 1,
            Told::Rejected => talk.tally.refused += 1,
            Told::Confirmed => match phase {
                Phase::Subscribing(left @ 2..) => self.enter(Phase::Subscribing(left - 1)),
                _ => {
                    self.enter(Phase::Subscribed);
                    talk.tally.subscribed += 1;
                }
            },
        }
    }

    fn ready(&mut self, talk: &mut Talk<'_>) {
        self.enter(Phase::Ready);
        talk.tally.ready += 1;
        if talk.gate {
            self.subscribe(talk);
        }
    }

    /// Asks for all that it wants, once.
    pub(crate) fn subscribe(&mut self, talk: &mut Talk<'_>) {
        let Role::Socket { plan, phase: phase @ Phase::Ready } = &mut self.role else { return };
        for message in &plan.subscribe {
            frame::write(talk.out, frame::TEXT, message.as_bytes());
        }
        *phase = Phase::Subscribing(plan.subscribe.len());
        if !talk.protocol.confirms() || plan.subscribe.is_empty() {
            *phase = Phase::Subscribed;
            talk.tally.subscribed += 1;
        }
        // Said once; fifteen thousand of them need not be kept.
        plan.subscribe = Vec::new();
    }

    pub(crate) fn enter(&mut self, next: Phase) {
        if let Role::Socket { phase, .. } = &mut self.role {
            *phase = next;
        }
    }
}

fn answered<'a>(bytes: &'a [u8], heard: &mut dyn FnMut(Heard<'_>)) -> &'a [u8] {
    let Some(answer) = http::answer(bytes) else { return bytes };
    let length = answer.length;
    heard(Heard::Answer(answer));
    &bytes[length..]
}
