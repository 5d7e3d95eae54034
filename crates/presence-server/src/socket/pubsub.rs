//! Streams that anybody with a right may listen to, and who is present there: the channel-less half of the talk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use presence_cable::{
    Channel, Command, HistoryRequest, Identifier, PRESENCE_ERROR, Position, Present, WELCOME, restored, welcome,
};
use presence_core::{Input, Message, Room, StreamName};
use tokio::time::Instant;

use super::action_cable::{Kind, Session, Subscription};
use super::members::{Member, Question, shown, tab};
use super::resumable::Memory;
use crate::hub::{Capabilities, Connection, Frame};
use crate::identity::sha256;

/// What a subscribe asks for besides.
pub(super) struct Wanted<'a> {
    pub(super) history: Option<HistoryRequest>,
    pub(super) presence: Option<Present<'a>>,
}

/// A subscription to a stream by its name.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) stream: StreamName,
    pub(super) ear: Capabilities,
    pub(super) member: Option<Member>,
    /// The site gave the right to listen: whoever has it may say who they are.
    trusted: bool,
    /// It was gone on with, and is live once its client has said what it knows: the number of the last message then.
    waits: Option<u64>,
    /// An answer to who is there is on its way.
    asking: Arc<AtomicBool>,
}

impl Named {
    /// Ends the presence, if there is one.
    pub(super) fn leave(&mut self, connection: &Connection) -> Option<Input> {
        let Member { subscription, .. } = self.member.take()?;
        connection.unsubscribe(subscription);
        Some(Input::Resigned { connection: connection.id, subscription })
    }
}

impl Session {
    /// The first frame. Goes on with an earlier session where the browser names one that it may go on with.
    pub(super) fn welcome(&mut self, extended: bool, sid: Option<&str>) {
        if !extended {
            return self.send(WELCOME);
        }
        let owner = self.user;
        let earlier = sid.and_then(|sid| self.cable.resumes.take(sid, owner, Instant::now()));
        let (memory, socket) = earlier.unwrap_or_default();
        if let Some(socket) = socket {
            socket.close(super::CloseReason::Resumed, self.hub.now_ms());
        }
        let keys = memory.keys;
        self.user = self.user.or(memory.user);
        let begun = Memory { owner, user: self.user, keys: Vec::new() };
        let sid = self.cable.resumes.begin(begun, &self.connection);
        self.sid = Some(sid);
        let mut live = Vec::new();
        for key in &keys {
            live.extend(self.allowed(key).ok().map(|kind| (&**key, kind)));
        }
        if live.is_empty() {
            return self.send(&welcome(&sid.to_string()));
        }
        let names: Vec<&str> = live.iter().map(|(key, _)| *key).collect();
        self.send(&restored(&sid.to_string(), &names));
        for (key, mut kind) in live {
            if let Kind::Named(named) = &mut kind {
                named.waits = Some(self.hub.history.head());
            }
            self.accept(key, kind);
        }
    }

    /// The stream that a channel names, where the browser may listen to it.
    pub(super) fn named(&self, channel: &Channel) -> Result<Named, String> {
        let extended = self.sid.is_some();
        let (found, trusted, html) = match channel {
            Channel::Public { name } if self.grant.as_ref().is_some_and(|grant| grant.room.as_str() == name) => {
                (StreamName::new(name), true, false)
            }
            Channel::Public { name } => (self.cable.streams.public(name), false, false),
            Channel::Signed { name } => (self.cable.streams.signed(name), true, false),
            Channel::Turbo { name } => (self.cable.streams.signed(name), true, true),
            Channel::Stream { .. } | Channel::Reflex { .. } => (None, false, false),
        };
        let stream = found.ok_or("the stream is neither public nor is its name signed by us")?;
        Ok(Named {
            stream,
            ear: Capabilities { extended, html },
            member: None,
            trusted,
            waits: None,
            asking: Arc::default(),
        })
    }

    /// A subscription was confirmed: it is sent what it missed, is live, and its user is present.
    pub(super) fn begin_with(&mut self, identifier: &Identifier, wanted: &Wanted<'_>) {
        let history = wanted.history.as_ref().filter(|_| self.sid.is_some());
        let last = self.subscriptions.len() - 1;
        if matches!(self.subscriptions[last].kind, Kind::Named(_)) {
            self.go_live(last, history);
            if let Some(present) = wanted.presence.as_ref().filter(|_| self.sid.is_some()) {
                self.join(last, present);
            }
        } else if history.is_some() {
            // A room is shown whole to whoever joins: nothing was missed.
            self.send(&identifier.confirm_history());
        }
    }

    fn go_live(&mut self, index: usize, history: Option<&HistoryRequest>) {
        let Subscription { id, identifier, kind: Kind::Named(named) } = &mut self.subscriptions[index] else { return };
        named.waits = None;
        self.hub.listen_named(&named.stream, named.ear, identifier, *id, &self.connection, history);
    }

    fn named_at(&self, index: usize) -> Option<&Named> {
        match &self.subscriptions[index].kind {
            Kind::Named(named) => Some(named),
            Kind::Room(_) | Kind::User(_) | Kind::Reflex(_) => None,
        }
    }

    /// A client that goes on and does not say what it knows is sent what came since.
    pub(super) fn wait_no_longer(&mut self) {
        for index in 0..self.subscriptions.len() {
            let Some(Named { waits: Some(offset), stream, .. }) = self.named_at(index) else { continue };
            let position = Position { epoch: self.hub.history.epoch().to_owned(), offset: *offset };
            let streams = [(stream.as_str().to_owned(), position)].into();
            self.go_live(index, Some(&HistoryRequest { since: None, streams }));
        }
    }

    /// Follows a command that is none of Action Cable's own.
    pub(super) fn follow(&mut self, command: &Command<'_>) -> Result<(), String> {
        let key = match command {
            Command::Pong => {
                self.connection.alive(self.hub.now_ms());
                return Ok(());
            }
            Command::Whisper { identifier, .. } => identifier,
            Command::History { identifier, .. }
            | Command::Join { identifier, .. }
            | Command::Leave { identifier }
            | Command::Presence { identifier }
                if self.sid.is_some() =>
            {
                identifier
            }
            _ => return Err("its protocol has no such command".to_owned()),
        };
        let identifier = Identifier::new(key);
        let to = self.subscriptions.iter().position(|known| known.identifier == identifier);
        let index = to.ok_or("there is no such subscription")?;
        match command {
            Command::Whisper { data, .. } => return self.whisper(index, data),
            Command::History { history, .. } => self.tell_history(index, history),
            Command::Join { presence, .. } => self.join(index, presence),
            Command::Leave { .. } => self.leave(index),
            Command::Presence { .. } => self.tell_presence(index),
            _ => {}
        }
        Ok(())
    }

    fn whisper(&mut self, index: usize, data: &str) -> Result<(), String> {
        let Some(Named { stream, ear: Capabilities { html: false, .. }, .. }) = self.named_at(index) else {
            return Err("nobody would hear it".to_owned());
        };
        let (stream, from) = (stream.clone(), Some(self.connection.id));
        let message = Message { stream, body: data.as_bytes().to_vec(), kept: false, whispered: true, from };
        self.inputs.push(Input::Published { message });
        Ok(())
    }

    fn tell_history(&mut self, index: usize, history: &HistoryRequest) {
        let Subscription { identifier, kind, .. } = &self.subscriptions[index];
        match kind {
            Kind::Named(named) if named.waits.is_some() => self.go_live(index, Some(history)),
            Kind::Named(named) => self.hub.repeat(&named.stream, identifier, &self.connection, history),
            Kind::Room(_) | Kind::User(_) | Kind::Reflex(_) => self.send(&identifier.confirm_history()),
        }
    }

    fn join(&mut self, index: usize, present: &Present<'_>) {
        if let Err(reason) = self.try_join(index, present) {
            tracing::debug!(connection.id = self.connection.id.0, reason, "a presence is refused");
            self.tell(index, PRESENCE_ERROR.to_owned());
        }
    }

    fn try_join(&mut self, index: usize, present: &Present<'_>) -> Result<(), &'static str> {
        let Some(Named { stream, ear: Capabilities { html: false, .. }, member, trusted, .. }) = self.named_at(index)
        else {
            return Err("nobody is present there by an id");
        };
        if let Some(member) = member {
            return (member.id == present.id).then_some(()).ok_or("the session is present by another id");
        }
        let name = stream.as_str().strip_suffix('/').map_or(Some(stream.as_str()), |_| None);
        let room = name.and_then(Room::new).ok_or("a stream that ends with a slash is no room")?;
        if self.is_full_for(&room) {
            return Err("the socket is in too many rooms already");
        }
        let own = self.user.ok_or("nobody subscribed")?;
        let known = self.grant.as_ref().and_then(|grant| grant.user.as_ref());
        if known.is_some_and(|known| *known != present.id) {
            return Err("the token is another user's");
        }
        let vouched = *trusted || known.is_some();
        let guest = (!vouched).then(|| own.public(&room, sha256));
        let shown = shown(&present.id, guest.as_ref()).ok_or("the id can't be one")?;
        let members = &self.cable.members;
        let user = if vouched { members.named(&present.id) } else { members.of_guest(&own, &present.id) };
        let info = self.grant.as_ref().and_then(|grant| grant.info.as_deref()).unwrap_or_else(|| present.info());
        let tab = tab(&shown, info).ok_or("the info is too long")?;
        let (connection, subscription) = (self.connection.id, self.number());
        let Subscription { identifier, kind, .. } = &mut self.subscriptions[index];
        // By that number it can be ended from outside.
        self.connection.subscribe(subscription, identifier.clone());
        if let Kind::Named(named) = kind {
            named.member = Some(Member { id: present.id.clone().into_owned(), subscription });
        }
        self.inputs.push(Input::Joined { connection, subscription, room, user, tab });
        Ok(())
    }

    fn leave(&mut self, index: usize) {
        if let Kind::Named(named) = &mut self.subscriptions[index].kind {
            self.inputs.extend(named.leave(&self.connection));
        }
    }

    /// Says who is there, once the driver has said so.
    fn tell_presence(&mut self, index: usize) {
        let Subscription { identifier, kind, .. } = &self.subscriptions[index];
        let Kind::Named(named) = kind else { return self.tell(index, PRESENCE_ERROR.to_owned()) };
        if named.asking.swap(true, Relaxed) {
            return;
        }
        let question = Question {
            cable: Arc::clone(&self.cable),
            hub: Arc::clone(&self.hub),
            connection: Arc::clone(&self.connection),
            identifier: identifier.clone(),
            stream: named.stream.clone(),
        };
        let asking = Arc::clone(&named.asking);
        tokio::spawn(async move {
            question.answer().await;
            asking.store(false, Relaxed);
        });
    }

    fn tell(&self, index: usize, body: String) {
        let opening = self.subscriptions[index].identifier.opening();
        self.connection.send(&Frame::message(opening, &Bytes::from(body)), self.hub.now_ms());
    }
}
