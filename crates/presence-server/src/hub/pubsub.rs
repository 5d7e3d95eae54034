//! Streams by name: what is published reaches all listeners once, and those who join later are sent what they missed.

use std::sync::Arc;

use presence_cable::{Encoder, Position, PresenceEvent, ReplayEnd};
use presence_core::{ConnectionId, Message, MessageId, StreamName};

use super::frame::Frame;
use super::listeners::Subscriber;
use super::message_queue::QueuedMessage;
use super::prefix::Prefix;
use super::{Connection, Hub};
use crate::history::{Asked, LockedHistory, Missed, StoredMessage};

impl Hub {
    /// Writes a message to all listeners of its stream on this node, and puts it into the history if it is to be kept.
    pub(super) fn deliver(&self, message: &Arc<Message>, id: MessageId) {
        if std::str::from_utf8(&message.body).is_err() {
            return;
        }
        // Held until the message waits in the audience: a subscription that begins later has it from the history.
        let mut held = self.history.lock(&message.stream);
        let offset = message.kept.then(|| held.store(message, id, self.history.now()));
        if let Some(audience) = self.streams.find(&message.stream) {
            let position = offset.map(|offset| self.position(offset));
            audience.broadcast(QueuedMessage::Message { message: Arc::clone(message), position }, &self.shared);
        }
    }

    fn position(&self, offset: u64) -> Position {
        Position { epoch: self.history.epoch().to_owned(), offset }
    }

    /// Whether a listener on this node is sent the presence events of this stream.
    pub(crate) fn hears_presence(&self, stream: &StreamName) -> bool {
        self.streams.find(stream).is_some_and(|audience| audience.speaks(self.hearing_presence))
    }

    /// Sends an event to all listeners of a stream whose protocol has presence. Returns whether there was room: if not, they
    /// must be sent the members.
    pub(crate) fn tell_presence(&self, stream: &StreamName, event: PresenceEvent) -> bool {
        let Some(audience) = self.streams.find(stream).filter(|audience| audience.speaks(self.hearing_presence)) else {
            return true;
        };
        let event = QueuedMessage::Presence(Arc::new(event));
        let fits = audience.change(|queue| queue.make_room(&event));
        if fits {
            audience.broadcast(event, &self.shared);
        }
        fits
    }

    /// How many presence events a stream's listeners have been sent.
    pub(crate) fn presence_events(&self, stream: &StreamName) -> u64 {
        self.streams.find(stream).map_or(0, |audience| audience.change(|queue| queue.presence_events))
    }

    /// Sends one subscription the members, unless more presence events than this have been sent: the client would take an
    /// older state for a newer one. Returns whether it was sent.
    pub(crate) fn send_members(
        &self,
        stream: &StreamName,
        unless_more_than: Option<u64>,
        subscriber: (&Prefix, &Arc<Connection>),
        members: &PresenceEvent,
    ) -> bool {
        let (prefix, connection) = subscriber;
        // The subscription that asked has ended.
        let Some(audience) = self.streams.find(stream) else { return true };
        let Some(body) = self.encoder(prefix).presence(members) else { return true };
        let frame = Frame::message(prefix.as_str(), &body.into());
        audience.change(|queue| {
            let same = unless_more_than.is_none_or(|events| queue.presence_events == events);
            if same {
                connection.send(&frame, self.now_ms());
            }
            same
        })
    }

    /// A subscription begins to listen. Before that it is sent a first frame and what it missed, if it asks; nothing comes
    /// twice, or not at all, in between: what a client publishes once it has the first frame is heard. If this node lacks
    /// what it asks for, the subscription does not listen yet: fails with the time since when that must be fetched.
    pub(crate) fn listen_named(
        &self,
        stream: &StreamName,
        subscriber: &Subscriber<'_>,
        first: Option<&Frame>,
        history: Option<Asked<'_>>,
    ) -> Result<(), u64> {
        let mut held = self.history.lock(stream);
        first.inspect(|first| subscriber.connection.send(first, self.now_ms()));
        if let Some(asked) = history {
            self.send_missed(&mut held, subscriber.prefix, subscriber.connection, asked)?;
        }
        self.streams.join(stream, subscriber);
        Ok(())
    }

    /// Sends a subscription that listens already what it missed. Fails as [`Hub::listen_named`] does.
    pub(crate) fn replay(
        &self,
        stream: &StreamName,
        (prefix, connection): (&Prefix, &Arc<Connection>),
        asked: Asked<'_>,
    ) -> Result<(), u64> {
        self.send_missed(&mut self.history.lock(stream), prefix, connection, asked)
    }

    /// Tells a subscription that what it missed can't be sent. One that did not listen meanwhile is sent what was published
    /// after this offset, and begins to listen.
    pub(crate) fn reject_history(&self, stream: &StreamName, subscriber: &Subscriber<'_>, unheard_after: Option<u64>) {
        let held = self.history.lock(stream);
        let (prefix, connection) = (subscriber.prefix, subscriber.connection);
        if let Some(offset) = unheard_after {
            let frames = self.frames(&held.arrived_after(offset), prefix);
            let fits = frames.iter().map(Frame::len).sum::<usize>() <= self.replay_bytes_max();
            frames.iter().filter(|_| fits).for_each(|frame| connection.send(frame, self.now_ms()));
        }
        self.end_replay(prefix, connection, ReplayEnd::Unknown);
        if unheard_after.is_some() {
            self.streams.join(stream, subscriber);
        }
    }

    /// A subscription is written to in another protocol from now on: the new one is in its prefix. `stream`: what it listens to.
    pub(crate) fn change_protocol(&self, stream: Option<&StreamName>, old: &Prefix, subscriber: &Subscriber<'_>) {
        subscriber.connection.change_prefix(subscriber.subscription, subscriber.prefix);
        if let Some(audience) = stream.and_then(|stream| self.streams.find(stream)) {
            audience.change_prefix(old, subscriber);
        }
    }

    /// Ends what [`Hub::listen_named`] began.
    pub(crate) fn ignore_named(&self, stream: &StreamName, prefix: &Prefix, connection: ConnectionId) {
        self.streams.leave(stream, prefix, connection);
    }

    fn encoder(&self, prefix: &Prefix) -> &'static dyn Encoder {
        self.shared.protocols.encoder(prefix.protocol())
    }

    fn send_missed(
        &self,
        held: &mut LockedHistory<'_>,
        prefix: &Prefix,
        connection: &Arc<Connection>,
        asked: Asked<'_>,
    ) -> Result<(), u64> {
        let missed = match held.missed(asked, self.history.now()) {
            Missed::All(missed) => Some(self.frames(&missed, prefix)),
            Missed::Dropped => None,
            Missed::Incomplete { since_ms } => return Err(since_ms),
        };
        let room = self.replay_bytes_max();
        let frames = missed.filter(|frames| frames.iter().map(Frame::len).sum::<usize>() <= room);
        let replay = if frames.is_some() { ReplayEnd::Complete } else { ReplayEnd::Unknown };
        frames.into_iter().flatten().for_each(|frame| connection.send(&frame, self.now_ms()));
        self.end_replay(prefix, connection, replay);
        Ok(())
    }

    /// A replay larger than the socket's queue would close it, and its client would come back and ask again.
    fn replay_bytes_max(&self) -> usize {
        self.limits.socket_queue / 2
    }

    fn end_replay(&self, prefix: &Prefix, connection: &Arc<Connection>, end: ReplayEnd) {
        if let Some(end) = self.encoder(prefix).replayed(prefix.as_str(), end) {
            connection.send(&Frame::text(&end), self.now_ms());
        }
    }

    fn frames(&self, missed: &[StoredMessage], prefix: &Prefix) -> Vec<Frame> {
        let frame = |kept: &StoredMessage| {
            let body = self.encoder(prefix).message(&kept.message, Some(&self.position(kept.offset)))?;
            Some(Frame::message(prefix.as_str(), &body.into()))
        };
        missed.iter().filter_map(frame).collect()
    }
}
