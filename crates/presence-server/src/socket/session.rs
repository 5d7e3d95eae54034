//! What one browser has asked for by Action Cable: its subscriptions, whose they are, and how fast it may ask.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use presence_cable::{Answer, Channel, Command, Identifier, answer, reflex_call};
use presence_core::{Input, Room, Stream, SubscriptionId, Tab, UserId};
use tokio::time::Instant;

use super::allowance::Allowance;
use crate::hub::{Connection, Frame, Hub};
use crate::identity::{Names, StreamKind};

/// Subscriptions per room that a page needs: the room's stream, the user's stream, the reflex channel.
const SUBSCRIPTIONS_PER_ROOM: usize = 3;
/// Longest key of a subscription in bytes: the longest signed name fits.
const IDENTIFIER_BYTES_MAX: usize = 10_240;
/// How long nothing is read after a click that was halted: halting is not free either.
const HALTED_PAUSE: Duration = Duration::from_millis(10);

/// What a subscription is to.
#[derive(Clone, Debug)]
enum Kind {
    /// The room's stream: the socket is in the room.
    Room(Room),
    /// The stream of the socket's user there.
    User(Room),
    /// Clicks on the room's page.
    Reflex(Room),
}

#[derive(Debug)]
struct Subscription {
    id: SubscriptionId,
    identifier: Identifier,
    kind: Kind,
}

/// One browser's side of the talk in Action Cable.
pub(super) struct Session {
    connection: Arc<Connection>,
    hub: Arc<Hub>,
    names: Arc<Names>,
    user: Option<UserId>,
    subscriptions: Vec<Subscription>,
    next: u32,
    /// Clicks have their own, so that a page's subscriptions cost its visitor none.
    clicks: Allowance,
    others: Allowance,
    inputs: Vec<Input>,
}

impl Session {
    pub(super) fn new(connection: Arc<Connection>, hub: Arc<Hub>, names: Arc<Names>, user: Option<UserId>) -> Self {
        let (clicks, others) = (Allowance::new(&hub.limits), Allowance::new(&hub.limits));
        let (subscriptions, inputs) = (Vec::new(), Vec::new());
        Self { connection, hub, names, user, subscriptions, next: 0, clicks, others, inputs }
    }

    /// What has happened since, for the driver.
    pub(super) fn take_inputs(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.inputs)
    }

    /// Handles one message. Returns how long nothing more may be read.
    pub(super) fn text(&mut self, text: &str) -> Option<Duration> {
        match Command::parse(text) {
            Ok(Command::Subscribe { identifier }) => self.subscribe(&identifier),
            Ok(Command::Unsubscribe { identifier }) => self.unsubscribe(&Identifier::new(&identifier)),
            Ok(Command::Message { identifier, data }) => match self.click(&Identifier::new(&identifier), &data) {
                Ok(true) => return None,
                Ok(false) => return Some(HALTED_PAUSE),
                Err(reason) => tracing::debug!(connection.id = self.connection.id.0, reason, "a message is ignored"),
            },
            Err(error) => tracing::debug!(connection.id = self.connection.id.0, %error, "junk on a socket is ignored"),
        }
        self.others.take(Instant::now())
    }

    /// Our ping was answered.
    pub(super) fn ponged(&mut self, round_trip_ms: Option<u32>) {
        let connection = self.connection.id;
        self.inputs.extend(round_trip_ms.map(|round_trip_ms| Input::Ponged { connection, round_trip_ms }));
    }

    /// The socket is gone: nobody listens any more.
    pub(super) fn end(&mut self) {
        for subscription in std::mem::take(&mut self.subscriptions) {
            self.ignore(&subscription);
        }
    }

    fn subscribe(&mut self, decoded: &str) {
        let identifier = Identifier::new(decoded);
        if self.subscriptions.iter().any(|known| known.identifier == identifier) {
            // The client asks again when the first confirm is late.
            return self.send(&identifier.confirm());
        }
        match self.allowed(decoded) {
            Ok(kind) => self.accept(identifier, kind),
            Err(reason) => {
                tracing::debug!(connection.id = self.connection.id.0, reason, "a subscription is rejected");
                self.send(&identifier.reject());
            }
        }
    }

    fn allowed(&mut self, decoded: &str) -> Result<Kind, String> {
        let limits = &self.hub.limits;
        if decoded.len() > IDENTIFIER_BYTES_MAX {
            return Err("its key is too long".to_owned());
        }
        if self.subscriptions.len() >= limits.rooms_per_socket.saturating_mul(SUBSCRIPTIONS_PER_ROOM) {
            return Err("the socket has too many".to_owned());
        }
        let channel = Channel::parse(decoded).map_err(|error| error.to_string())?;
        let (Channel::Stream { name: signed } | Channel::Reflex { room: signed }) = &channel;
        let name = self.names.open_name(signed).ok_or("its name is not signed by us")?;
        let kind = match (channel, name.stream) {
            (Channel::Stream { .. }, StreamKind::Room(room)) if self.is_full_for(&room) => {
                return Err(format!("the socket is in {} rooms already", limits.rooms_per_socket));
            }
            (Channel::Stream { .. }, StreamKind::Room(room)) => Kind::Room(room),
            (Channel::Stream { .. }, StreamKind::User(room)) => Kind::User(room),
            (Channel::Reflex { .. }, StreamKind::Room(room)) => Kind::Reflex(room),
            (Channel::Reflex { .. }, StreamKind::User(_)) => return Err("clicks need a room".to_owned()),
        };
        self.user = self.user.or(name.guest);
        Ok(kind)
    }

    fn is_full_for(&self, room: &Room) -> bool {
        let rooms = self.subscriptions.iter().filter_map(|known| match &known.kind {
            Kind::Room(known) => Some(known),
            Kind::User(_) | Kind::Reflex(_) => None,
        });
        let rooms: std::collections::BTreeSet<_> = rooms.collect();
        rooms.len() >= self.hub.limits.rooms_per_socket && !rooms.contains(room)
    }

    /// Confirmed first, then listening, then told to the driver, whose answer shows all: nothing is lost between, and
    /// nothing arrives at a subscription that its client does not know to be live.
    fn accept(&mut self, identifier: Identifier, kind: Kind) {
        let user = *self.user.get_or_insert_with(|| self.names.new_guest());
        let (connection, subscription) = (self.connection.id, SubscriptionId(self.next));
        self.next += 1;
        self.connection.subscribe(subscription, identifier.clone());
        self.send(&identifier.confirm());
        if let Some(stream) = stream(&kind, user) {
            self.hub.listen(&stream, identifier.clone(), subscription, &self.connection);
        }
        let room = match &kind {
            Kind::Room(room) | Kind::User(room) | Kind::Reflex(room) => room.clone(),
        };
        self.inputs.extend(match kind {
            Kind::Room(_) => Some(Input::Joined { connection, subscription, room, user, tab: Tab::page() }),
            Kind::User(_) => Some(Input::Listened { connection, subscription, room, user }),
            Kind::Reflex(_) => None,
        });
        self.subscriptions.push(Subscription { id: subscription, identifier, kind });
    }

    fn unsubscribe(&mut self, identifier: &Identifier) {
        let Some(index) = self.subscriptions.iter().position(|known| known.identifier == *identifier) else { return };
        let ended = self.subscriptions.swap_remove(index);
        self.ignore(&ended);
        self.connection.unsubscribe(ended.id);
        if !matches!(ended.kind, Kind::Reflex(_)) {
            self.inputs.push(Input::Unsubscribed { connection: self.connection.id, subscription: ended.id });
        }
    }

    fn ignore(&self, subscription: &Subscription) {
        // Whoever has a subscription has a user.
        if let Some(stream) = self.user.and_then(|user| stream(&subscription.kind, user)) {
            self.hub.ignore(&stream, &subscription.identifier, self.connection.id);
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

    fn send(&self, text: &str) {
        self.connection.send(Frame::text(text), self.hub.now_ms());
    }
}

fn stream(kind: &Kind, user: UserId) -> Option<Stream> {
    match kind {
        Kind::Room(room) => Some(Stream::Room(room.clone())),
        Kind::User(room) => Some(Stream::User(room.clone(), user)),
        Kind::Reflex(_) => None,
    }
}
