//! Streams by name: what is published reaches all who listen, once, and whoever comes later is sent what was missed.

use std::sync::Arc;

use bytes::Bytes;
use presence_cable::{HistoryRequest, Identifier, positioned, published};
use presence_core::{ConnectionId, Message, StreamName, SubscriptionId};

use super::message_queue::{MessageKind, QueuedMessage};
use super::{Connection, Frame, Hub};
use crate::clock::wall_ms;
use crate::history::{Held, Kept};

/// What a subscription can make of a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Capabilities {
    /// It speaks the extended protocol: messages say their place in the history, and there are presence events.
    pub(crate) extended: bool,
    /// The page performs what it is sent: never what somebody whispers.
    pub(crate) html: bool,
}

impl Capabilities {
    const ALL: [Self; 4] = [
        Self { extended: false, html: false },
        Self { extended: true, html: false },
        Self { extended: false, html: true },
        Self { extended: true, html: true },
    ];
    const PRESENCE: Self = Self { extended: true, html: false };
}

impl Hub {
    /// Writes a message to all who listen to its stream on this node, and keeps it where it is to be kept.
    pub(super) fn deliver(&self, message: &Arc<Message>) {
        let Ok(json) = std::str::from_utf8(&message.body) else { return };
        // Held until it waits in every audience: whoever listens from then on has it from the history.
        let mut held = self.history.hold(&message.stream);
        let offset = message.kept.then(|| held.keep(message, wall_ms()));
        let kind = if message.whispered { MessageKind::Whispered } else { MessageKind::Published };
        for ear in Capabilities::ALL.into_iter().filter(|ear| !(ear.html && message.whispered)) {
            let Some(audience) = self.named.find(&(message.stream.clone(), ear)) else { continue };
            let body = self.body(json, &message.stream, offset.filter(|_| ear.extended));
            audience.broadcast(QueuedMessage { body, except: message.from, kind }, &self.clock);
        }
    }

    fn body(&self, json: &str, stream: &StreamName, offset: Option<u64>) -> Bytes {
        let placed = offset.map(|offset| positioned(json, stream.as_str(), self.history.epoch(), offset));
        placed.unwrap_or_else(|| published(json)).into()
    }

    /// Whether anybody on this node is told who comes and goes there.
    pub(crate) fn hears_presence(&self, stream: &StreamName) -> bool {
        self.named.find(&(stream.clone(), Capabilities::PRESENCE)).is_some()
    }

    /// Tells all who listen to a stream and can be told who is there.
    pub(crate) fn tell_presence(&self, stream: &StreamName, body: Bytes) {
        if let Some(audience) = self.named.find(&(stream.clone(), Capabilities::PRESENCE)) {
            audience.broadcast(QueuedMessage { body, except: None, kind: MessageKind::Presence }, &self.clock);
        }
    }

    /// Delivery many comings and goings a stream's listeners have been told of.
    pub(crate) fn arrivals(&self, stream: &StreamName) -> u64 {
        self.named
            .find(&(stream.clone(), Capabilities::PRESENCE))
            .map_or(0, |audience| audience.change(|told| told.arrivals))
    }

    /// Sends who is there, but not where somebody has come or gone since so many had: it would be taken for what is true
    /// after that. Whether it was sent.
    pub(crate) fn send_present(
        &self,
        stream: &StreamName,
        unless_more_than: Option<u64>,
        frame: &Frame,
        connection: &Arc<Connection>,
    ) -> bool {
        // Whoever asked has unsubscribed.
        let Some(audience) = self.named.find(&(stream.clone(), Capabilities::PRESENCE)) else { return true };
        audience.change(|told| {
            let same = unless_more_than.is_none_or(|arrivals| told.arrivals == arrivals);
            if same {
                connection.send(frame, self.now_ms());
            }
            same
        })
    }

    /// A subscription listens from now on. Before that it is sent what it missed, if it asks; nothing comes twice, or
    /// not at all, in between.
    pub(crate) fn listen_named(
        &self,
        stream: &StreamName,
        ear: Capabilities,
        identifier: &Identifier,
        subscription: SubscriptionId,
        connection: &Arc<Connection>,
        history: Option<&HistoryRequest>,
    ) {
        let mut held = self.history.hold(stream);
        if let Some(request) = history {
            self.send_missed(&mut held, identifier, connection, request);
        }
        self.named.join(&(stream.clone(), ear), identifier.clone(), subscription, connection);
    }

    /// The same for one that listens already.
    pub(crate) fn repeat(
        &self,
        stream: &StreamName,
        identifier: &Identifier,
        connection: &Arc<Connection>,
        request: &HistoryRequest,
    ) {
        self.send_missed(&mut self.history.hold(stream), identifier, connection, request);
    }

    /// A subscription listens no more.
    pub(crate) fn ignore_named(
        &self,
        stream: &StreamName,
        ear: Capabilities,
        identifier: &Identifier,
        connection: ConnectionId,
    ) {
        self.named.leave(&(stream.clone(), ear), identifier, connection);
    }

    fn send_missed(
        &self,
        held: &mut Held<'_>,
        identifier: &Identifier,
        connection: &Arc<Connection>,
        request: &HistoryRequest,
    ) {
        let missed = held.missed(request, wall_ms()).map(|missed| self.frames(&missed, identifier));
        // What has no room in the socket's queue would close it, and its client would come back and ask again.
        let room = self.limits.socket_queue / 2;
        let frames = missed.filter(|frames| frames.iter().map(Frame::len).sum::<usize>() <= room);
        let end = if frames.is_some() { identifier.confirm_history() } else { identifier.reject_history() };
        for frame in frames.into_iter().flatten().chain([Frame::text(&end)]) {
            connection.send(&frame, self.now_ms());
        }
    }

    fn frames(&self, missed: &[Kept], identifier: &Identifier) -> Vec<Frame> {
        let frame = |kept: &Kept| {
            let json = std::str::from_utf8(&kept.message.body).ok()?;
            let body = self.body(json, &kept.message.stream, Some(kept.offset));
            Some(Frame::message(identifier.opening(), &body))
        };
        missed.iter().filter_map(frame).collect()
    }
}
