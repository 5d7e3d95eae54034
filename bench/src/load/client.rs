//! One connection of the load: turns bytes into events.

use std::os::fd::OwnedFd;

use presence_bench::websocket::{self, FrameSender};

use crate::connections::ConnectionTotals;
use crate::http;
use crate::protocol::{ClientPlan, ClientProtocol, Phase, ServerMessage};

/// What a connection is for.
pub(crate) enum Role {
    /// A WebSocket.
    Socket { plan: ClientPlan, phase: Phase },
    /// Plain HTTP requests.
    Http,
}

/// State of all connections, lent to one of them.
pub(crate) struct ClientContext<'a> {
    pub(crate) protocol: ClientProtocol,
    /// Whether a client subscribes as soon as it is ready.
    pub(crate) subscribe_when_ready: bool,
    pub(crate) totals: &'a mut ConnectionTotals,
    /// Bytes to send.
    pub(crate) out: &'a mut Vec<u8>,
}

/// What a connection received.
pub(crate) enum ClientEvent<'a> {
    Text(&'a [u8]),
    /// The response to a plain request.
    Response(http::HttpResponse<'a>),
}

pub(crate) struct Client {
    pub(crate) fd: OwnedFd,
    role: Role,
    /// Bytes of an incomplete message.
    rest: Vec<u8>,
}

impl Client {
    pub(crate) fn new(fd: OwnedFd, role: Role) -> Self {
        Self { fd, role, rest: Vec::new() }
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        match self.role {
            Role::Socket { phase, .. } => Some(phase),
            Role::Http => None,
        }
    }

    /// Handles bytes that were read. Fails if the server ends the connection.
    pub(crate) fn on_bytes(
        &mut self,
        read: &[u8],
        context: &mut ClientContext<'_>,
        on_event: &mut dyn FnMut(ClientEvent<'_>),
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
                Role::Http => responded(bytes, on_event),
                Role::Socket { phase: Phase::Upgrading, .. } => self.upgraded(bytes, context)?,
                Role::Socket { .. } => self.frame(bytes, context, on_event)?,
            };
            if bytes.len() == before {
                break;
            }
        }
        self.rest = bytes.to_vec();
        Ok(())
    }

    fn upgraded<'a>(&mut self, bytes: &'a [u8], context: &mut ClientContext<'_>) -> Result<&'a [u8], String> {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(bytes) };
        if !bytes.starts_with(b"HTTP/1.1 101") {
            return Err(format!(
                "the upgrade was answered {}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(300)])
            ));
        }
        self.enter(Phase::Opened);
        if !context.protocol.welcomes() {
            self.ready(context);
        }
        Ok(&bytes[end + 4..])
    }

    fn frame<'a>(
        &mut self,
        bytes: &'a [u8],
        context: &mut ClientContext<'_>,
        on_event: &mut dyn FnMut(ClientEvent<'_>),
    ) -> Result<&'a [u8], String> {
        let Some((frame, rest)) = websocket::first(bytes) else { return Ok(bytes) };
        let payload = frame.payload;
        match frame.opcode {
            websocket::PING => {
                context.totals.pings += 1;
                websocket::write(context.out, FrameSender::Client, websocket::PONG, payload);
            }
            websocket::CLOSE => {
                return Err(format!("closed: {}", String::from_utf8_lossy(payload.get(2..).unwrap_or(&[]))));
            }
            websocket::PONG => {}
            _ => {
                context.totals.texts += 1;
                self.on_message(payload, context);
                on_event(ClientEvent::Text(payload));
            }
        }
        Ok(rest)
    }

    fn on_message(&mut self, text: &[u8], context: &mut ClientContext<'_>) {
        let phase = self.phase().unwrap_or(Phase::Subscribed);
        match context.protocol.read(phase, text) {
            ServerMessage::Other => {}
            ServerMessage::Ready => self.ready(context),
            ServerMessage::Asks(answer) => {
                websocket::write(context.out, FrameSender::Client, websocket::TEXT, answer.as_bytes())
            }
            ServerMessage::Heartbeat => context.totals.heartbeats += 1,
            ServerMessage::Rejected => context.totals.refused += 1,
            ServerMessage::Confirmed => match phase {
                Phase::Subscribing(left @ 2..) => self.enter(Phase::Subscribing(left - 1)),
                _ => {
                    self.enter(Phase::Subscribed);
                    context.totals.subscribed += 1;
                }
            },
        }
    }

    fn ready(&mut self, context: &mut ClientContext<'_>) {
        self.enter(Phase::Ready);
        context.totals.ready += 1;
        if context.subscribe_when_ready {
            self.subscribe(context);
        }
    }

    /// Sends its subscriptions, once.
    pub(crate) fn subscribe(&mut self, context: &mut ClientContext<'_>) {
        let Role::Socket { plan, phase: phase @ Phase::Ready } = &mut self.role else { return };
        for message in &plan.subscribe {
            websocket::write(context.out, FrameSender::Client, websocket::TEXT, message.as_bytes());
        }
        *phase = Phase::Subscribing(plan.subscribe.len());
        if !context.protocol.confirms() || plan.subscribe.is_empty() {
            *phase = Phase::Subscribed;
            context.totals.subscribed += 1;
        }
        // They are sent once; thousands of connections need not keep them.
        plan.subscribe = Vec::new();
    }

    pub(crate) fn enter(&mut self, next: Phase) {
        if let Role::Socket { phase, .. } = &mut self.role {
            *phase = next;
        }
    }
}

fn responded<'a>(bytes: &'a [u8], on_event: &mut dyn FnMut(ClientEvent<'_>)) -> &'a [u8] {
    let Some(response) = http::response(bytes) else { return bytes };
    let length = response.length;
    on_event(ClientEvent::Response(response));
    &bytes[length..]
}
