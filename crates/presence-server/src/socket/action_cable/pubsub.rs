//! The part of Action Cable that has no channel class: streams by name, their history, and presence.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use presence_cable::HistoryRequest;
use presence_cable::action_cable::{
    self, Channel, Command, Extras, MessageContent, PRESENCE_ERROR, PresenceRequest, Version, WELCOME, confirm,
    encoder, restored, welcome,
};
use presence_core::{Input, Message, Room, StreamName, Tab};
use tokio::time::Instant;

use super::super::members::{JoinedMember, MembersQuery, shown_id, tab};
use super::super::resumable::{SavedSession, SavedSubscription, Sid};
use super::super::session::Subscription;
use super::super::subscription_target::{ListenRight, NamedStream, SubscriptionTarget};
use super::ActionCableSession;
use crate::close_reason::CloseReason;
use crate::hub::{Frame, Subscriber};
use crate::identity::sha256;
use crate::sites::normal_form;

/// The optional parts of a subscribe command.
pub(super) struct SubscribeOptions<'a> {
    pub(super) history: Option<HistoryRequest>,
    pub(super) presence: Option<PresenceRequest<'a>>,
}

impl SubscribeOptions<'_> {
    /// What the subscription is to be sent besides the content of messages.
    pub(super) fn extras(&self) -> Extras {
        match self {
            Self { presence: Some(_), .. } => Extras::Presence,
            Self { history: Some(_), .. } => Extras::Positions,
            Self { .. } => Extras::None,
        }
    }
}

impl ActionCableSession {
    /// Sends the first frame. Resumes an earlier session if the browser names one that it may resume. The session's new id
    /// says which guest this is: no other node knows the session, and there the guest would be counted again.
    pub(super) fn welcome(&mut self, version: Version, sid: Option<&str>) {
        let (new, guest) = (Sid::random(), self.user.undecided());
        let id = guest.map_or_else(|| new.to_string(), |guest| self.context.guests.seal(new, guest));
        if version == Version::Plain {
            return self.session.send(&guest.map_or_else(|| WELCOME.to_owned(), |_| welcome(&id)));
        }
        let owner = self.user.known();
        let resumed = sid.and_then(|sid| self.context.resumable.take(sid, owner, Instant::now()));
        self.from_elsewhere = sid.is_some() && resumed.is_none();
        let resumed = resumed.unwrap_or_default();
        if let Some(socket) = resumed.socket {
            socket.close(CloseReason::Resumed, self.session.hub.now_ms());
        }
        self.user = self.user.or(resumed.saved.user);
        let begun = SavedSession { owner, user: self.user.known(), subscriptions: Vec::new() };
        self.context.resumable.begin(new, begun, &self.session.connection);
        self.sid = Some(new);
        let mut live = Vec::new();
        for SavedSubscription { key, extras } in &resumed.saved.subscriptions {
            let Ok(mut target) = self.target(key) else { continue };
            if let SubscriptionTarget::Named(named) = &mut target {
                named.extras = *extras;
                named.waits = Some(Box::new(self.published_later(&named.stream)));
            }
            live.push((&**key, target));
        }
        if live.is_empty() {
            return self.session.send(&welcome(&id));
        }
        let names: Vec<&str> = live.iter().map(|(key, ..)| *key).collect();
        self.session.send(&restored(&id, &names));
        for (key, target) in live {
            self.accept(key, target);
        }
    }

    /// The stream that a channel names, if the browser may listen to it.
    pub(super) fn named(&self, channel: &Channel) -> Result<NamedStream, String> {
        let (found, trust, content) = match channel {
            Channel::Public { name } if self.granted(name).is_some() => {
                (StreamName::new(name), ListenRight::Site, MessageContent::Data)
            }
            Channel::Public { name } => (self.context.streams.public(name), ListenRight::Public, MessageContent::Data),
            Channel::Signed { name } => (self.context.streams.signed(name), ListenRight::Site, MessageContent::Data),
            Channel::Turbo { name } => (self.context.streams.signed(name), ListenRight::Site, MessageContent::Html),
            Channel::Stream { .. } | Channel::Reflex { .. } => (None, ListenRight::Public, MessageContent::Data),
        };
        let stream = found.ok_or("the stream is neither public nor is its name signed by us")?;
        let room = self.granted(stream.as_str()).cloned().or_else(|| self.context.streams.room(&stream));
        let extras = self.version().extras(content);
        Ok(NamedStream {
            stream,
            room,
            content,
            extras,
            member: None,
            trust,
            waits: None,
            fetching: None,
            answering: Arc::default(),
        })
    }

    /// The room that the socket's token is for, if the stream has its name.
    fn granted(&self, stream: &str) -> Option<&Room> {
        self.grant.as_ref().map(|grant| &grant.room).filter(|room| normal_form(stream) == room.as_str())
    }

    /// Confirms a subscription to a stream by name, sends it what it missed, makes it live and its user present. Others were
    /// confirmed before.
    pub(super) fn start_with(&mut self, index: usize, options: &SubscribeOptions<'_>) {
        let history = options.history.as_ref();
        if matches!(self.session.subscriptions[index].to, SubscriptionTarget::Named(_)) {
            let confirm = confirm(self.session.subscriptions[index].prefix.as_str());
            self.go_live(index, Some(&Frame::text(&confirm)), history);
            if let Some(request) = &options.presence {
                self.join(index, request);
            }
        } else if history.is_some() {
            self.confirm_history(index);
        }
    }

    pub(super) fn named_at(&self, index: usize) -> Option<&NamedStream> {
        match &self.session.subscriptions[index].to {
            SubscriptionTarget::Named(named) => Some(named),
            SubscriptionTarget::Room(_) | SubscriptionTarget::User(_) | SubscriptionTarget::Reflex(_) => None,
        }
    }

    /// Follows a command that Rails does not have. As in AnyCable, clients of either protocol may use it.
    pub(super) fn follow(&mut self, command: &Command<'_>) -> Result<(), String> {
        let key = match command {
            Command::Pong => {
                self.session.connection.alive(self.session.hub.now_ms());
                return Ok(());
            }
            Command::Whisper { identifier, .. } => identifier,
            Command::History { identifier, .. }
            | Command::Join { identifier, .. }
            | Command::Leave { identifier }
            | Command::Presence { identifier } => identifier,
            Command::Subscribe { .. }
            | Command::Unsubscribe { .. }
            | Command::Message { .. }
            | Command::Visible { .. } => return Ok(()),
        };
        let index = self.session.position(&action_cable::prefix(key)).ok_or("there is no such subscription")?;
        match command {
            Command::History { .. } => self.send_extras(index, key, Extras::Positions),
            Command::Join { .. } | Command::Presence { .. } => self.send_extras(index, key, Extras::Presence),
            _ => {}
        }
        match command {
            Command::Whisper { data, .. } => return self.whisper(index, data),
            Command::History { history, .. } => self.send_history(index, history),
            Command::Join { presence, .. } => self.join(index, presence),
            Command::Leave { .. } => self.leave(index),
            Command::Presence { .. } => self.send_members(index),
            _ => {}
        }
        Ok(())
    }

    fn whisper(&mut self, index: usize, data: &str) -> Result<(), String> {
        let Some(NamedStream { stream, content: MessageContent::Data, .. }) = self.named_at(index) else {
            return Err("the subscription has no whispers".to_owned());
        };
        let (stream, from) = (stream.clone(), Some(self.session.connection.id));
        let message = Message { stream, body: data.as_bytes().to_vec(), kept: false, whispered: true, from };
        self.session.inputs.push(Input::Published { message });
        Ok(())
    }

    /// From now on a subscription is sent what it has asked for, too.
    fn send_extras(&mut self, index: usize, key: &str, extras: Extras) {
        let Subscription { id, prefix, to } = &mut self.session.subscriptions[index];
        let SubscriptionTarget::Named(named) = to else { return };
        if named.extras >= extras {
            return;
        }
        named.extras = extras;
        let (hub, connection) = (&self.session.hub, &self.session.connection);
        let new = hub.prefix(encoder(extras, named.content), prefix.as_str().to_owned());
        let old = std::mem::replace(prefix, new);
        let subscriber = Subscriber { connection, subscription: *id, prefix };
        // A fetch that ends now begins to listen before this or after it.
        let _fetch = named.fetching.as_ref().map(|fetched| fetched.hold());
        // What waits does not listen yet.
        hub.change_protocol(named.waits.is_none().then_some(&named.stream), &old, &subscriber);
        if let Some(sid) = self.sid {
            self.context.resumable.sent(sid, key, extras);
        }
    }

    fn join(&mut self, index: usize, request: &PresenceRequest<'_>) {
        if let Err(reason) = self.try_join(index, request) {
            tracing::debug!(connection.id = self.session.connection.id.0, reason, "refused a presence");
            self.session.send_to(index, PRESENCE_ERROR.to_owned());
        }
    }

    fn try_join(&mut self, index: usize, request: &PresenceRequest<'_>) -> Result<(), &'static str> {
        let Some(NamedStream { room, content: MessageContent::Data, member, trust, .. }) = self.named_at(index) else {
            return Err("the subscription has no presence by id");
        };
        if let Some(member) = member {
            return (member.id == request.id).then_some(()).ok_or("the session is present by another id");
        }
        let room = room.clone().ok_or("a stream of this name has no members")?;
        if self.is_full_for(&room) {
            return Err("the socket is in too many rooms already");
        }
        let own = self.user.known().ok_or("the socket has no user yet")?;
        let known = self.grant.as_ref().and_then(|grant| grant.user.as_ref());
        if known.is_some_and(|known| *known != request.id) {
            return Err("the token is another user's");
        }
        let vouched = *trust == ListenRight::Site || known.is_some();
        let guest = (!vouched).then(|| own.public(&room, sha256));
        let shown = shown_id(&request.id, guest.as_ref()).ok_or("the id is empty, too long or reserved")?;
        let members = &self.context.members;
        let user = if vouched { members.signed(&request.id) } else { members.of_guest(&own, &request.id) };
        let info = self.grant.as_ref().and_then(|grant| grant.info.as_deref()).unwrap_or_else(|| request.info());
        let id = self.session.connection.tab();
        let tab = Tab { id, visible: self.visible, ..tab(&shown, info).ok_or("the info is too long")? };
        let (connection, subscription) = (self.session.connection.id, self.session.number());
        let joined = &mut self.session.subscriptions[index];
        // By that number it can be dismissed.
        self.session.connection.subscribe(subscription, joined.prefix.clone());
        if let SubscriptionTarget::Named(named) = &mut joined.to {
            named.member = Some(JoinedMember { id: request.id.clone().into_owned(), subscription });
        }
        self.session.inputs.push(Input::Joined { connection, subscription, room, user, tab });
        Ok(())
    }

    fn leave(&mut self, index: usize) {
        if let SubscriptionTarget::Named(named) = &mut self.session.subscriptions[index].to {
            self.session.inputs.extend(named.leave(&self.session.connection));
        }
    }

    /// Sends the members, once the driver has answered.
    fn send_members(&mut self, index: usize) {
        let Some(named) = self.named_at(index) else {
            return self.session.send_to(index, PRESENCE_ERROR.to_owned());
        };
        if named.answering.swap(true, Relaxed) {
            return;
        }
        let query = MembersQuery {
            context: Arc::clone(&self.context),
            hub: Arc::clone(&self.session.hub),
            connection: Arc::clone(&self.session.connection),
            prefix: self.session.subscriptions[index].prefix.clone(),
            stream: named.stream.clone(),
            room: named.room.clone(),
        };
        let answering = Arc::clone(&named.answering);
        tokio::spawn(async move {
            query.answer().await;
            answering.store(false, Relaxed);
        });
    }
}
