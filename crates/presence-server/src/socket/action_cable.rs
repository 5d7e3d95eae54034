//! What one browser has asked for by Action Cable: its subscriptions, whose they are, and how fast it may ask.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use presence_cable::{Answer, Channel, Command, Identifier, answer, reflex_call};
use presence_core::{Input, Room, Stream, SubscriptionId, Tab, UserId};
use tokio::time::Instant;

use super::Visitor;
use super::cable_context::Cable;
use super::pubsub::{Named, Wanted};
use super::rate_limit::RateLimit;
use super::resumable::Sid;
use crate::hub::{Connection, Frame, Hub};
use crate::identity::StreamKind;
use crate::sites::Grant;

/// Subscriptions per room that a page needs: the room's stream, the user's stream, the reflex channel.
const SUBSCRIPTIONS_PER_ROOM: usize = 3;
/// Longest key of a subscription in bytes: the longest signed name fits.
const IDENTIFIER_BYTES_MAX: usize = 10_240;
/// Delivery long nothing is read after a click that was halted: halting is not free either.
const HALTED_PAUSE: Duration = Duration::from_millis(10);

/// What a subscription is to.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// The room's stream: the socket is in the room.
    Room(Room),
    /// The stream of the socket's user there.
    User(Room),
    /// Clicks on the room's page.
    Reflex(Room),
    /// What is published under a name.
    Named(Box<Named>),
}

impl Kind {
    fn room(&self) -> Option<&Room> {
        match self {
            Self::Room(room) | Self::User(room) | Self::Reflex(room) => Some(room),
            Self::Named(_) => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: SubscriptionId,
    pub(super) identifier: Identifier,
    pub(super) kind: Kind,
}

/// One browser's side of the talk in Action Cable.
pub(super) struct Session {
    pub(super) connection: Arc<Connection>,
    pub(super) hub: Arc<Hub>,
    pub(super) cable: Arc<Cable>,
    /// It speaks the extended protocol, and can be gone on with by this name.
    pub(super) sid: Option<Sid>,
    pub(super) user: Option<UserId>,
    /// What its token opens.
    pub(super) grant: Option<Box<Grant>>,
    pub(super) subscriptions: Vec<Subscription>,
    next: u32,
    /// The round trip that its page shows, in ms.
    shown_ms: Option<u32>,
    /// Clicks have their own, so that a page's subscriptions cost its visitor none.
    clicks: RateLimit,
    others: RateLimit,
    pub(super) inputs: Vec<Input>,
}

impl Session {
    /// Welcomes a browser.
    pub(super) fn begin(connection: Arc<Connection>, hub: Arc<Hub>, cable: Arc<Cable>, visitor: Visitor) -> Self {
        let (clicks, others) = (RateLimit::new(&hub.limits), RateLimit::new(&hub.limits));
        let Visitor { user, extended, sid, grant } = visitor;
        let (subscriptions, inputs, grant) = (Vec::new(), Vec::new(), grant.map(Box::new));
        let mut session = Self {
            connection,
            hub,
            cable,
            sid: None,
            user,
            grant,
            subscriptions,
            next: 0,
            shown_ms: None,
            clicks,
            others,
            inputs,
        };
        session.welcome(extended, sid.as_deref());
        session
    }

    /// What has happened since, for the driver.
    pub(super) fn take_inputs(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.inputs)
    }

    /// Handles one message. Returns how long nothing more may be read.
    pub(super) fn text(&mut self, text: &str) -> Option<Duration> {
        self.forget_dismissed();
        let done = match Command::parse(text) {
            Ok(Command::Subscribe { identifier, history, presence }) => {
                self.subscribe(&identifier, &Wanted { history, presence });
                Ok(())
            }
            Ok(Command::Unsubscribe { identifier }) => {
                self.unsubscribe(&identifier);
                Ok(())
            }
            Ok(Command::Message { identifier, data }) => match self.click(&Identifier::new(&identifier), &data) {
                Ok(true) => return None,
                Ok(false) => return Some(HALTED_PAUSE),
                Err(reason) => Err(reason),
            },
            Ok(command) => self.follow(&command),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = done {
            tracing::debug!(connection.id = self.connection.id.0, reason, "a message is ignored");
        }
        self.others.take(Instant::now())
    }

    /// Our ping was answered. The page is told of a round trip that differs by more than a tenth from the one it shows.
    pub(super) fn ponged(&mut self, round_trip_ms: Option<u32>) {
        let shown = |ms: u32| self.shown_ms.is_some_and(|shown| ms.abs_diff(shown) <= shown / 10);
        if let Some(round_trip_ms) = round_trip_ms.filter(|ms| !shown(*ms)) {
            // Before the page listens to its own stream it is not shown anything.
            let listens = self.subscriptions.iter().any(|known| matches!(known.kind, Kind::User(_)));
            self.shown_ms = listens.then_some(round_trip_ms);
            self.inputs.push(Input::Ponged { connection: self.connection.id, round_trip_ms });
        }
        self.wait_no_longer();
    }

    /// The socket is gone: nobody listens any more.
    pub(super) fn end(&mut self) {
        for subscription in std::mem::take(&mut self.subscriptions) {
            self.ignore(&subscription);
        }
        if let Some(sid) = self.sid {
            self.cable.resumes.end(sid, Instant::now());
        }
    }

    fn subscribe(&mut self, key: &str, wanted: &Wanted<'_>) {
        let identifier = Identifier::new(key);
        if self.subscriptions.iter().any(|known| known.identifier == identifier) {
            // The client asks again when the first confirm is late.
            return self.send(&identifier.confirm());
        }
        match self.allowed(key) {
            Ok(kind) => {
                self.send(&identifier.confirm());
                self.accept(key, kind);
                self.begin_with(&identifier, wanted);
            }
            Err(reason) => {
                tracing::debug!(connection.id = self.connection.id.0, reason, "a subscription is rejected");
                self.send(&identifier.reject());
            }
        }
    }

    /// What a subscription with this key would be to, or why it may not be.
    pub(super) fn allowed(&mut self, key: &str) -> Result<Kind, String> {
        let limits = &self.hub.limits;
        if key.len() > IDENTIFIER_BYTES_MAX {
            return Err("its key is too long".to_owned());
        }
        if self.subscriptions.len() >= limits.rooms_per_socket.saturating_mul(SUBSCRIPTIONS_PER_ROOM) {
            return Err("the socket has too many".to_owned());
        }
        let (signed, clicks) = match Channel::parse(key).map_err(|error| error.to_string())? {
            Channel::Stream { name } => (name, false),
            Channel::Reflex { room } => (room, true),
            channel @ (Channel::Public { .. } | Channel::Signed { .. } | Channel::Turbo { .. }) => {
                return self.named(&channel).map(|named| Kind::Named(Box::new(named)));
            }
        };
        let name = self.cable.names.open_name(&signed).ok_or("its name is not signed by us")?;
        let kind = match name.stream {
            StreamKind::User(_) if clicks => return Err("clicks need a room".to_owned()),
            StreamKind::Room(room) if clicks => Kind::Reflex(room),
            StreamKind::Room(room) if self.is_full_for(&room) => {
                return Err(format!("the socket is in {} rooms already", limits.rooms_per_socket));
            }
            StreamKind::Room(room) => Kind::Room(room),
            StreamKind::User(room) => Kind::User(room),
        };
        self.user = self.user.or(name.guest);
        Ok(kind)
    }

    /// Whether the socket is in so many rooms that it can't be in this one, too.
    pub(super) fn is_full_for(&self, room: &Room) -> bool {
        let rooms = self.subscriptions.iter().filter_map(|known| match &known.kind {
            Kind::Room(known) => Some(known.as_str()),
            Kind::Named(named) => named.member.as_ref().map(|_| named.stream.as_str()),
            Kind::User(_) | Kind::Reflex(_) => None,
        });
        let rooms: std::collections::BTreeSet<_> = rooms.collect();
        rooms.len() >= self.hub.limits.rooms_per_socket && !rooms.contains(room.as_str())
    }

    /// It listens, then the driver is told, whose answer shows all: nothing is lost between. Its client was told before
    /// that the subscription is live, so that nothing arrives at one that it does not know.
    pub(super) fn accept(&mut self, key: &str, kind: Kind) {
        let user = *self.user.get_or_insert_with(|| self.cable.names.new_guest());
        let (connection, subscription, identifier) = (self.connection.id, self.number(), self.hub.identifier(key));
        let kind = self.interned(kind);
        self.connection.subscribe(subscription, identifier.clone());
        if let Some(stream) = stream(&kind, user) {
            self.hub.listen(&stream, identifier.clone(), subscription, &self.connection);
        }
        self.inputs.extend(match &kind {
            Kind::Room(room) => {
                Some(Input::Joined { connection, subscription, room: room.clone(), user, tab: Tab::page() })
            }
            Kind::User(room) => Some(Input::Listened { connection, subscription, room: room.clone(), user }),
            Kind::Reflex(_) | Kind::Named(_) => None,
        });
        self.subscriptions.reserve_exact(1);
        self.subscriptions.push(Subscription { id: subscription, identifier, kind });
        if let Some(sid) = self.sid {
            self.cable.resumes.subscribed(sid, key, user);
        }
    }

    /// The same, its room's name kept once for all subscriptions to that room.
    fn interned(&self, kind: Kind) -> Kind {
        let known = |room: Room| {
            let same = self.subscriptions.iter().filter_map(|known| known.kind.room()).find(|known| **known == room);
            same.cloned().unwrap_or(room)
        };
        match kind {
            Kind::Room(room) => Kind::Room(known(room)),
            Kind::User(room) => Kind::User(known(room)),
            Kind::Reflex(room) => Kind::Reflex(known(room)),
            Kind::Named(_) => kind,
        }
    }

    /// A number for a subscription, or for what core takes for one.
    pub(super) fn number(&mut self) -> SubscriptionId {
        self.next += 1;
        SubscriptionId(self.next - 1)
    }

    fn unsubscribe(&mut self, key: &str) {
        let identifier = Identifier::new(key);
        let Some(index) = self.subscriptions.iter().position(|known| known.identifier == identifier) else { return };
        let mut ended = self.subscriptions.swap_remove(index);
        self.ignore(&ended);
        self.connection.unsubscribe(ended.id);
        let (connection, subscription) = (self.connection.id, ended.id);
        match &mut ended.kind {
            Kind::Room(_) | Kind::User(_) => self.inputs.push(Input::Unsubscribed { connection, subscription }),
            Kind::Named(named) => self.inputs.extend(named.leave(&self.connection)),
            Kind::Reflex(_) => {}
        }
        if let Some(sid) = self.sid {
            self.cable.resumes.unsubscribed(sid, key);
        }
    }

    /// Whoever was made to leave is in that room no more; the browser was told.
    fn forget_dismissed(&mut self) {
        for dismissed in self.connection.take_dismissed() {
            if let Some(index) = self.subscriptions.iter().position(|known| known.id == dismissed) {
                let ended = self.subscriptions.swap_remove(index);
                self.ignore(&ended);
            }
            for known in &mut self.subscriptions {
                if let Kind::Named(named) = &mut known.kind {
                    named.member.take_if(|member| member.subscription == dismissed);
                }
            }
        }
    }

    fn ignore(&self, Subscription { identifier, kind, .. }: &Subscription) {
        if let Kind::Named(named) = kind {
            return self.hub.ignore_named(&named.stream, named.ear, identifier, self.connection.id);
        }
        // Whoever has a subscription has a user.
        if let Some(stream) = self.user.and_then(|user| stream(kind, user)) {
            self.hub.ignore(&stream, identifier, self.connection.id);
        }
    }

    /// Takes a click; one too many is halted, and `false`. Fails where it is no click that could be answered.
    fn click(&mut self, identifier: &Identifier, data: &str) -> Result<bool, String> {
        let to = self.subscriptions.iter().find(|known| known.identifier == *identifier);
        let (Some(Subscription { id, kind: Kind::Reflex(room), .. }), Some(user)) = (to, self.user) else {
            return Err("nobody expects it".to_owned());
        };
        let call = reflex_call(data).map_err(|error| error.to_string())?;
        let connection = self.connection.id;
        if self.clicks.take(Instant::now()).is_some() {
            let body = Bytes::from(answer(Answer::Halted, &call.echo));
            self.connection.tell(*id, &body, false, self.hub.now_ms());
            return Ok(false);
        }
        self.inputs.push(Input::Clicked { connection, subscription: *id, room: room.clone(), user, call });
        Ok(true)
    }

    pub(super) fn send(&self, text: &str) {
        self.connection.send(&Frame::text(text), self.hub.now_ms());
    }
}

fn stream(kind: &Kind, user: UserId) -> Option<Stream> {
    match kind {
        Kind::Room(room) => Some(Stream::Room(room.clone())),
        Kind::User(room) => Some(Stream::User(room.clone(), user)),
        Kind::Reflex(_) | Kind::Named(_) => None,
    }
}
