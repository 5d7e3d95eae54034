//! One browser's session in Action Cable: its subscriptions, whose they are, and how fast it may ask.

mod clicks;
mod history;
mod pubsub;
mod socket_user;
pub(super) mod targets;
mod visibility;

use std::sync::Arc;
use std::time::Duration;

use presence_cable::Encoder;
use presence_cable::action_cable::{self, Command, MessageContent, Version, confirm, encoder, reject};
use presence_core::{Input, SignedUser, Tab, TraceContext};
use tokio::time::Instant;

use self::pubsub::SubscribeOptions;
use self::socket_user::SocketUser;
use super::action_cable_context::{ActionCableContext, Visitor};
use super::protocol::{Protocol, SessionStart};
use super::rate_limit::RateLimit;
use super::resumable::Sid;
use super::session::{SessionBase, Subscription};
use super::subscription_target::SubscriptionTarget;
use crate::hub::{Connection, Hub};
use crate::sites::Grant;

/// A session in Action Cable.
pub(super) struct ActionCableSession {
    pub(super) session: SessionBase<SubscriptionTarget>,
    pub(super) context: Arc<ActionCableContext>,
    /// Of the extended protocol: the name by which the session can be resumed.
    pub(super) sid: Option<Sid>,
    pub(super) user: SocketUser,
    /// Who the user is, if they have signed in.
    pub(super) signed: Option<Arc<SignedUser>>,
    /// Its client was connected to another node, or to an earlier start of this one.
    pub(super) from_elsewhere: bool,
    /// What its token opens.
    pub(super) grant: Option<Box<Grant>>,
    /// The trace that its clicks are a part of, which few sockets have.
    pub(super) trace: Option<Box<TraceContext>>,
    /// Whether its page is visible, as far as it has said.
    pub(super) visible: bool,
    /// The round trip that its page shows, in ms.
    shown_ms: Option<u32>,
    /// Clicks have a limit of their own, so that a page's subscriptions cost its visitor none.
    clicks: RateLimit,
}

impl ActionCableContext {
    /// A session for this visitor.
    pub(crate) fn session(self: &Arc<Self>, visitor: Visitor) -> SessionStart {
        let context = Arc::clone(self);
        let content = MessageContent::Data;
        let encoder = encoder(visitor.version.extras(content), content);
        let begin = |connection, hub| {
            Box::new(ActionCableSession::begin(connection, hub, context, visitor)) as Box<dyn Protocol>
        };
        SessionStart { encoder, begin: Box::new(begin) }
    }
}

impl Protocol for ActionCableSession {
    fn text(&mut self, text: &str) -> Option<Duration> {
        self.forget_dismissed();
        let done = match Command::parse(text) {
            Ok(Command::Subscribe { identifier, history, presence }) => {
                return self.subscribe(&identifier, &SubscribeOptions { history, presence });
            }
            // An end never waits: it makes room. Junk of this kind is bounded by its bytes.
            Ok(Command::Unsubscribe { identifier }) => {
                self.unsubscribe(&identifier);
                return None;
            }
            Ok(Command::Message { identifier, data }) => match self.click(&identifier, &data) {
                Ok(pause) => return pause,
                Err(reason) => Err(reason),
            },
            Ok(Command::Visible { visible }) => {
                self.set_visible(visible);
                Ok(())
            }
            Ok(command) => self.follow(&command),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = done {
            tracing::debug!(connection.id = self.session.connection.id.0, reason, "ignored a message");
        }
        self.session.spend_request()
    }

    /// The page is told of a round trip that differs by more than a tenth from the one it shows.
    fn ponged(&mut self, round_trip_ms: Option<u32>) {
        let shown = |ms: u32| self.shown_ms.is_some_and(|shown| ms.abs_diff(shown) <= shown / 10);
        if let Some(round_trip_ms) = round_trip_ms.filter(|ms| !shown(*ms)) {
            // Before the page listens to its own stream it is not shown anything.
            let listens =
                self.session.subscriptions.iter().any(|known| matches!(known.to, SubscriptionTarget::User(_)));
            self.shown_ms = listens.then_some(round_trip_ms);
            self.session.inputs.push(Input::Ponged { connection: self.session.connection.id, round_trip_ms });
        }
        self.wait_no_longer();
    }

    fn take_inputs(&mut self) -> Vec<Input> {
        self.session.take_inputs()
    }

    fn end(&mut self) {
        for subscription in std::mem::take(&mut self.session.subscriptions) {
            self.ignore(&subscription);
        }
        if let Some(sid) = self.sid {
            self.context.resumable.end(sid, Instant::now());
        }
    }
}

impl ActionCableSession {
    /// Welcomes a browser.
    fn begin(connection: Arc<Connection>, hub: Arc<Hub>, context: Arc<ActionCableContext>, visitor: Visitor) -> Self {
        let clicks = RateLimit::of_messages(&hub.limits);
        let Visitor { user, signed, version, sid, grant, tab, trace } = visitor;
        if let (Some(user), Some(tab)) = (&user, &tab) {
            hub.take_place(&connection, user, tab);
        }
        let user = SocketUser::new(user, sid.as_deref().and_then(|sid| context.guests.open(sid)));
        let (session, grant, trace) = (SessionBase::new(connection, hub), grant.map(Box::new), trace.map(Box::new));
        let mut session = Self {
            session,
            context,
            sid: None,
            user,
            signed,
            from_elsewhere: false,
            grant,
            trace,
            visible: true,
            shown_ms: None,
            clicks,
        };
        session.welcome(version, sid.as_deref());
        session
    }

    /// Returns how long reading pauses, if these are too many.
    fn subscribe(&mut self, key: &str, options: &SubscribeOptions<'_>) -> Option<Duration> {
        let prefix = action_cable::prefix(key);
        if self.session.position(&prefix).is_some() {
            // The client asks again when the first confirm is late. Counted, its repeats would delay the confirms that it waits for.
            self.session.send(&confirm(&prefix));
            return None;
        }
        match self.target(key).and_then(|target| self.check_new(&prefix, target)) {
            Ok(mut target) => {
                match &mut target {
                    SubscriptionTarget::Named(named) => named.extras = named.extras.max(options.extras()),
                    _ => self.session.send(&confirm(&prefix)),
                }
                let renewal = self.renewal(key, &target);
                let index = self.accept(key, target);
                renewal.into_iter().for_each(|renewal| self.session.send_to(index, renewal));
                self.start_with(index, options);
            }
            Err(reason) => {
                tracing::debug!(connection.id = self.session.connection.id.0, reason, "rejected a subscription");
                self.session.send(&reject(&prefix));
            }
        }
        self.session.spend_subscription()
    }

    /// Listens, then tells the driver, whose answer shows everything: nothing is lost in between. The client was told before
    /// that the subscription is live, so that nothing arrives at one that it does not know; a stream by name, of which nothing
    /// is shown again, is confirmed when it goes live. Returns its index.
    pub(super) fn accept(&mut self, key: &str, target: SubscriptionTarget) -> usize {
        let user = self.user.decide(&self.context.names);
        let (connection, subscription) = (self.session.connection.id, self.session.number());
        let prefix = self.session.hub.prefix(self.encoder(&target), action_cable::prefix(key));
        let new = Subscription { id: subscription, prefix, to: self.with_shared_room(target) };
        self.session.connection.subscribe(subscription, new.prefix.clone());
        if let Some(page) = new.to.page(user) {
            self.session.hub.listen(&page, &new.subscriber(&self.session.connection));
        }
        self.session.inputs.extend(match &new.to {
            SubscriptionTarget::Room(room) => {
                let (id, related) = (self.session.connection.tab(), self.context.app.related(room));
                let tab = Tab { id, visible: self.visible, related, ..Tab::page() };
                Some(Input::Joined { connection, subscription, room: room.clone(), user, tab })
            }
            SubscriptionTarget::User(room) => {
                Some(Input::Listened { connection, subscription, room: room.clone(), user })
            }
            SubscriptionTarget::Reflex(_) | SubscriptionTarget::Named(_) => None,
        });
        if let Some(sid) = self.sid {
            self.context.resumable.subscribed(sid, key, user, new.to.extras());
        }
        self.session.add(new)
    }

    fn version(&self) -> Version {
        if self.sid.is_some() { Version::Extended } else { Version::Plain }
    }

    /// How messages to a subscription are written.
    fn encoder(&self, target: &SubscriptionTarget) -> &'static dyn Encoder {
        let content = MessageContent::Data;
        match target {
            SubscriptionTarget::Named(named) => encoder(named.extras, named.content),
            _ => encoder(self.version().extras(content), content),
        }
    }

    /// Keeps the name of a room once for all subscriptions to that room.
    fn with_shared_room(&self, mut target: SubscriptionTarget) -> SubscriptionTarget {
        if let Some(room) = target.room_mut() {
            let known = self.session.subscriptions.iter().filter_map(|known| known.to.room());
            if let Some(same) = known.into_iter().find(|known| *known == room) {
                *room = same.clone();
            }
        }
        target
    }

    fn unsubscribe(&mut self, key: &str) {
        let Some(index) = self.session.position(&action_cable::prefix(key)) else { return };
        let mut ended = self.session.remove(index);
        self.ignore(&ended);
        match &mut ended.to {
            SubscriptionTarget::Room(_) | SubscriptionTarget::User(_) => self.session.unsubscribed(ended.id),
            SubscriptionTarget::Named(named) => self.session.inputs.extend(named.leave(&self.session.connection)),
            SubscriptionTarget::Reflex(_) => {}
        }
        if let Some(sid) = self.sid {
            self.context.resumable.unsubscribed(sid, key);
        }
    }

    /// Forgets the subscriptions that the hub ended, since their user was made to leave.
    fn forget_dismissed(&mut self) {
        for dismissed in self.session.connection.take_dismissed() {
            if let Some(index) = self.session.position_of(dismissed) {
                let ended = self.session.remove(index);
                self.ignore(&ended);
            }
            for known in &mut self.session.subscriptions {
                if let SubscriptionTarget::Named(named) = &mut known.to {
                    named.member.take_if(|member| member.subscription == dismissed);
                }
            }
        }
    }

    fn ignore(&self, Subscription { prefix, to, .. }: &Subscription<SubscriptionTarget>) {
        let (hub, connection) = (&self.session.hub, self.session.connection.id);
        if let SubscriptionTarget::Named(named) = to {
            named.fetching.iter().for_each(|fetched| fetched.end());
            return hub.ignore_named(&named.stream, prefix, connection);
        }
        // A socket with a subscription has a user.
        if let Some(page) = self.user.known().and_then(|user| to.page(user)) {
            hub.ignore(&page, prefix, connection);
        }
    }
}
