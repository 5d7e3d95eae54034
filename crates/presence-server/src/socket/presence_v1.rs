//! What the page of a site asks for by `presence-v1`: the rooms that it is counted in and told of.

use std::sync::Arc;
use std::time::Duration;

use presence_cable::{EmbedSaid, Identifier, embed_error, embed_room, embed_welcome};
use presence_core::{Input, Room, SubscriptionId, Tab, UserId};
use tokio::time::Instant;

use super::rate_limit::RateLimit;
use crate::clock::wall_ms;
use crate::hub::{Connection, Frame, Hub};
use crate::identity::{EmbedId, Embeds};
use crate::problem::Problem;
use crate::sites::{RoomSeat, Site, Sites};
use crate::views::Views;

/// A join that waits for its turn is looked at again after this time, so that a drain need not wait for it.
const TURN_LOOKED_AT: Duration = Duration::from_millis(250);

/// What all embeds share.
#[derive(Clone)]
pub(crate) struct EmbedShared {
    pub(crate) sites: Arc<Sites>,
    pub(crate) embeds: Arc<Embeds>,
    pub(crate) views: Arc<Views>,
}

/// Whose page it is, as the upgrade's request said.
#[derive(Clone, Debug)]
pub(crate) struct EmbedVisitor {
    pub(crate) site: Site,
    /// The page's host, with its port.
    pub(crate) host: String,
    /// The id of the request's cookie, if that is ours.
    pub(crate) known: Option<EmbedId>,
    /// The id that the answer's cookie holds: the known one, or a new one.
    pub(crate) kept: EmbedId,
}

/// One room that the page asked for.
struct Joined {
    subscription: SubscriptionId,
    identifier: Identifier,
    room: Room,
    /// It counts there; else it is told the numbers alone.
    counted: bool,
    _seat: RoomSeat,
}

/// A join that waits for its turn.
struct Turn {
    at: Instant,
    subscription: SubscriptionId,
    user: UserId,
    info: Vec<u8>,
}

/// One page's side of the talk.
pub(super) struct Embed {
    connection: Arc<Connection>,
    hub: Arc<Hub>,
    shared: EmbedShared,
    visitor: EmbedVisitor,
    /// Known once it has said hello.
    user: Option<UserId>,
    visible: bool,
    rooms: Vec<Joined>,
    turn: Option<Turn>,
    next: u32,
    /// Joins have their own, so that a page may ask for all its rooms at once.
    joins: RateLimit,
    others: RateLimit,
    inputs: Vec<Input>,
}

impl Embed {
    pub(super) fn new(connection: Arc<Connection>, hub: Arc<Hub>, shared: EmbedShared, visitor: EmbedVisitor) -> Self {
        let rooms = u32::try_from(hub.limits.rooms_per_socket).unwrap_or(u32::MAX);
        let joins = RateLimit::of(hub.limits.messages_per_second, hub.limits.message_burst.max(rooms));
        let others = RateLimit::new(&hub.limits);
        let (rooms, inputs) = (Vec::new(), Vec::new());
        Self {
            connection,
            hub,
            shared,
            visitor,
            user: None,
            visible: true,
            rooms,
            turn: None,
            next: 0,
            joins,
            others,
            inputs,
        }
    }

    /// What has happened since, for the driver.
    pub(super) fn take_inputs(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.inputs)
    }

    /// Handles one message. Returns how long nothing more may be read.
    pub(super) fn text(&mut self, text: &str) -> Option<Duration> {
        self.forget_dismissed();
        let now = Instant::now();
        match EmbedSaid::parse(text) {
            Ok(EmbedSaid::Join { room, token }) => {
                if let Err(problem) = self.join(&room, token.as_deref()) {
                    self.refuse(Some(&room), &problem);
                }
                let pause = self.joins.take(now);
                return pause.max(self.resume());
            }
            Ok(EmbedSaid::Hello { id, visible }) => self.hello(id.as_deref(), visible),
            Ok(EmbedSaid::Leave { room }) => self.leave(&room),
            Ok(EmbedSaid::Visible { visible }) => self.look(visible),
            Err(error) => {
                tracing::debug!(connection.id = self.connection.id.0, %error, "junk on a socket is answered");
                self.send(&embed_error(None, 400, "This is no message of presence-v1."));
            }
        }
        self.others.take(now)
    }

    /// Counts a join whose turn has come. Returns how long nothing may be read, where it has not.
    pub(super) fn resume(&mut self) -> Option<Duration> {
        let turn = self.turn.as_ref()?;
        let wait = turn.at.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            return Some(wait.min(TURN_LOOKED_AT));
        }
        let turn = self.turn.take()?;
        self.count(turn.subscription, turn.user, turn.info);
        None
    }

    /// The socket is gone: nobody listens any more.
    pub(super) fn end(&mut self) {
        for joined in std::mem::take(&mut self.rooms) {
            self.hub.ignore_counts(&joined.room, &joined.identifier, &self.connection);
        }
    }

    /// Who the visitor is. Said again, it is answered with the same.
    fn hello(&mut self, given: Option<&str>, visible: bool) {
        let embeds = &self.shared.embeds;
        let (id, identity) = embeds.who(self.visitor.known, given, self.visitor.kept);
        let welcome = embed_welcome(&embeds.written(&id), identity);
        let user = id.user(self.visitor.site.name());
        if *self.user.get_or_insert(user) != user {
            return self.send(&embed_error(None, 409, "This page said hello with another id before."));
        }
        self.send(&welcome);
        self.look(visible);
    }

    fn look(&mut self, visible: bool) {
        if std::mem::replace(&mut self.visible, visible) == visible {
            return;
        }
        let connection = self.connection.id;
        let counted = self.rooms.iter().filter(|joined| joined.counted);
        let looked = counted.map(|joined| {
            let subscription = joined.subscription;
            Input::Looked { connection, subscription, visible }
        });
        self.inputs.extend(looked);
    }

    /// Listening first, then told what is so now, then counted: nothing is lost between. Asked again, it is told again, and
    /// counted where it could not be before.
    fn join(&mut self, name: &str, token: Option<&str>) -> Result<(), Problem> {
        let user = self.user.ok_or_else(|| problem(400, "Say hello first."))?;
        let identifier = embed_room(name);
        let known = self.rooms.iter().find(|joined| joined.identifier == identifier);
        if let Some(known) = known.filter(|known| known.counted) {
            self.hub.tell_counts(&known.room, known.subscription, &self.connection, &self.shared.views);
            return Ok(());
        }
        let known = known.map(|known| known.subscription);
        let EmbedVisitor { site, host, .. } = &self.visitor;
        let entry = self.shared.sites.enter(site, host, name, token, wall_ms() / 1_000)?;
        let subscription = match known {
            Some(subscription) => subscription,
            None => self.listen(identifier, &entry.room)?,
        };
        let view = self.shared.views.room(&entry.room);
        if view.is_some_and(|view| self.shared.sites.is_full(&view)) {
            return Err(self.shared.sites.full());
        }
        let at = Instant::now() + self.shared.sites.turn(&self.visitor.site)?;
        self.turn = Some(Turn { at, subscription, user: entry.user.unwrap_or(user), info: entry.info });
        Ok(())
    }

    fn listen(&mut self, identifier: Identifier, room: &Room) -> Result<SubscriptionId, Problem> {
        let most = self.hub.limits.rooms_per_socket;
        if self.rooms.len() >= most {
            return Err(problem(429, format!("One page may show {most} rooms, and this one shows as many.")));
        }
        let seat = self.shared.sites.seat(&self.visitor.site, room)?;
        let subscription = SubscriptionId(self.next);
        self.next += 1;
        self.hub.listen_counts(room, &identifier, subscription, &self.connection, &self.shared.views);
        let room = room.clone();
        self.rooms.push(Joined { subscription, identifier, room, counted: false, _seat: seat });
        Ok(subscription)
    }

    fn count(&mut self, subscription: SubscriptionId, user: UserId, info: Vec<u8>) {
        let Some(joined) = self.rooms.iter_mut().find(|joined| joined.subscription == subscription) else { return };
        joined.counted = true;
        let (connection, room) = (self.connection.id, joined.room.clone());
        let tab = Tab { info, visible: self.visible, proven: true, draws: false };
        self.inputs.push(Input::Joined { connection, subscription, room, user, tab });
    }

    fn leave(&mut self, name: &str) {
        let identifier = embed_room(name);
        let Some(index) = self.rooms.iter().position(|joined| joined.identifier == identifier) else { return };
        let joined = self.forget(index);
        if joined.counted {
            let (connection, subscription) = (self.connection.id, joined.subscription);
            self.inputs.push(Input::Unsubscribed { connection, subscription });
        }
    }

    fn forget(&mut self, index: usize) -> Joined {
        let joined = self.rooms.swap_remove(index);
        self.hub.ignore_counts(&joined.room, &joined.identifier, &self.connection);
        self.connection.unsubscribe(joined.subscription);
        joined
    }

    /// What the hub ended, since its user was made to leave.
    fn forget_dismissed(&mut self) {
        for subscription in self.connection.take_dismissed() {
            if let Some(index) = self.rooms.iter().position(|joined| joined.subscription == subscription) {
                self.forget(index);
            }
        }
    }

    fn refuse(&self, room: Option<&str>, problem: &Problem) {
        self.send(&embed_error(room, problem.status(), problem.detail()));
    }

    fn send(&self, text: &str) {
        self.connection.send(&Frame::text(text), self.hub.now_ms());
    }
}

fn problem(status: u16, detail: impl Into<String>) -> Problem {
    let status = axum::http::StatusCode::from_u16(status).expect("a status that HTTP knows");
    Problem::new(status, detail)
}
