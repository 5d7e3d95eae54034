//! The session of an embed in `presence-v1`: the rooms that it is counted in and whose counts it is sent.

mod sharing;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use presence_cable::presence_v1::{self, EmbedRequest, PresenceV1, error, join_error, welcome};
use presence_core::{Input, Room, SubscriptionId, Tab, UserId};
use tokio::time::Instant;

use self::sharing::SharesListener;
use super::protocol::{Protocol, SessionStart};
use super::session::{SessionBase, Subscription};
use crate::hub::{Connection, Hub};
use crate::identity::{EmbedId, EmbedIds};
use crate::problem::Problem;
use crate::sites::{RoomPermit, SiteConnection, SitePage, Sites};
use crate::views::Views;

/// A join that waits for its turn is checked again after this time, so that a drain need not wait for it.
const TURN_CHECKED_EVERY: Duration = Duration::from_millis(250);

/// Names under which one page may show one room: `lamp` and `/lamp/`, for example. Counts are sent under each.
const SPELLINGS_MAX: usize = 4;

/// What all embeds share.
#[derive(Clone)]
pub(crate) struct EmbedContext {
    pub(crate) sites: Arc<Sites>,
    pub(crate) ids: Arc<EmbedIds>,
    pub(crate) views: Arc<Views>,
}

/// The page of a socket, as the upgrade's request said.
#[derive(Clone, Debug)]
pub(crate) struct EmbedVisitor {
    pub(crate) page: SitePage,
    /// The id of the request's cookie, if that is ours.
    pub(crate) known: Option<EmbedId>,
    /// The id that the answer's cookie holds: the known one, or a new one.
    pub(crate) kept: EmbedId,
    pub(crate) address: IpAddr,
}

/// One room that the page asked for.
struct EmbedRoom {
    room: Room,
    /// Who counts there; without one, the page is sent the numbers alone.
    counted: Option<UserId>,
    permit: RoomPermit,
    /// Who its site says that the visitor is, as the others may be told.
    person: Option<Vec<u8>>,
    /// Where the page is sent what the room's users share, if it listens.
    shares: Option<SharesListener>,
}

/// A join that waits for its turn.
struct PendingJoin {
    at: Instant,
    subscription: SubscriptionId,
    user: UserId,
    info: Vec<u8>,
}

/// A session in `presence-v1`.
struct EmbedSession {
    session: SessionBase<EmbedRoom>,
    context: EmbedContext,
    visitor: EmbedVisitor,
    counted: SiteConnection,
    /// Known once it has said hello.
    user: Option<UserId>,
    visible: bool,
    pending: Option<PendingJoin>,
}

impl EmbedContext {
    /// A session for this visitor.
    pub(crate) fn session(&self, visitor: EmbedVisitor) -> SessionStart {
        let context = self.clone();
        let begin =
            |connection, hub| Box::new(EmbedSession::new(connection, hub, context, visitor)) as Box<dyn Protocol>;
        SessionStart { encoder: &PresenceV1, begin: Box::new(begin) }
    }
}

impl Protocol for EmbedSession {
    fn text(&mut self, text: &str) -> Option<Duration> {
        self.counted.received(text.len());
        self.forget_dismissed();
        match EmbedRequest::parse(text) {
            Ok(EmbedRequest::Join { room, token, attempt }) => {
                if let Err(problem) = self.join(&room, token.as_deref()) {
                    self.session.send(&join_error(&room, attempt, problem.status(), problem.detail()));
                }
                return self.session.spend_subscription().max(self.resume());
            }
            Ok(EmbedRequest::Hello { id, visible, tab }) => self.hello(id.as_deref(), visible, tab.as_deref()),
            Ok(EmbedRequest::Leave { room }) => {
                self.leave(&room, None);
                return None;
            }
            Ok(EmbedRequest::Listen { room }) => self.listen_shares(&room),
            Ok(EmbedRequest::Share { room, key, value }) => self.share(&room, &key, &value),
            Ok(EmbedRequest::Visible { visible }) => self.set_visible(visible),
            Ok(EmbedRequest::Moving) => self.expect_back(),
            Err(reason) => {
                tracing::debug!(connection.id = self.session.connection.id.0, %reason, "refused a message");
                self.session.send(&error(400, "This is not a message of presence-v1."));
            }
        }
        self.session.spend_request()
    }

    /// Counts a join whose turn has come.
    fn resume(&mut self) -> Option<Duration> {
        let pending = self.pending.as_ref()?;
        let wait = pending.at.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            return Some(wait.min(TURN_CHECKED_EVERY));
        }
        let pending = self.pending.take()?;
        self.count(pending);
        None
    }

    fn take_inputs(&mut self) -> Vec<Input> {
        self.session.take_inputs()
    }

    fn end(&mut self) {
        self.counted.sent(self.session.connection.sent_bytes());
        for joined in std::mem::take(&mut self.session.subscriptions) {
            self.ignore(&joined);
        }
    }
}

impl EmbedSession {
    fn new(connection: Arc<Connection>, hub: Arc<Hub>, context: EmbedContext, visitor: EmbedVisitor) -> Self {
        let session = SessionBase::new(connection, hub);
        let counted = context.sites.connected(&visitor.page.site);
        Self { session, context, visitor, counted, user: None, visible: true, pending: None }
    }

    /// Says who the visitor is. A repeated hello has the same answer.
    fn hello(&mut self, given: Option<&str>, visible: bool, tab: Option<&str>) {
        let ids = &self.context.ids;
        let (id, identity) = ids.identify(self.visitor.known, given, self.visitor.kept);
        let welcome = welcome(&ids.text(&id), identity);
        let user = id.user(self.visitor.page.site.name());
        if *self.user.get_or_insert(user) != user {
            return self.session.send(&error(409, "This page has already said hello with another id."));
        }
        if let Some(tab) = tab {
            self.session.hub.take_place(&self.session.connection, &user, tab);
        }
        self.session.send(&welcome);
        self.set_visible(visible);
    }

    fn set_visible(&mut self, visible: bool) {
        if std::mem::replace(&mut self.visible, visible) == visible {
            return;
        }
        let connection = self.session.connection.id;
        let counted = self.session.subscriptions.iter().filter(|joined| joined.to.counted.is_some());
        let looked = counted.map(|joined| Input::Looked { connection, subscription: joined.id, visible });
        self.session.inputs.extend(looked);
    }

    /// The visitor's next page may need a while on a slow line: until then they count, as a page's own visitor does.
    fn expect_back(&mut self) {
        let counted = self.session.subscriptions.iter();
        let served = counted
            .filter_map(|Subscription { to, .. }| to.counted.map(|user| Input::Served { room: to.room.clone(), user }));
        let served: Vec<Input> = served.collect();
        self.session.inputs.extend(served);
    }

    /// Listens, is sent the present counts, then is counted: nothing is lost in between. A repeated join is sent the counts
    /// again, and counted if it could not be before. With another token it replaces the join before.
    fn join(&mut self, name: &str, token: Option<&str>) -> Result<(), Problem> {
        let user = self.user.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "Say hello first."))?;
        let prefix = presence_v1::prefix(name);
        let known = self.session.position(&prefix).map(|index| &self.session.subscriptions[index]);
        let counted = known.and_then(|known| known.to.counted);
        if let Some(Subscription { id, to, .. }) = known
            && counted == Some(user)
            && token.is_none()
        {
            let SessionBase { hub, connection, .. } = &self.session;
            hub.tell_counts(&to.room, *id, connection, &self.context.views);
            return Ok(());
        }
        let entry = self.context.sites.admit(&self.visitor.page, name, token, self.context.views.now_ms() / 1_000);
        // After a refusal no counts may come, not even of a room that was listened to without being counted.
        if counted.is_some() || entry.is_err() {
            self.leave(name, entry.as_ref().ok().map(|entry| entry.user.unwrap_or(user)));
        }
        let entry = entry?;
        let subscription = match self.session.position(&prefix) {
            Some(index) => self.session.subscriptions[index].id,
            None => self.listen(prefix, &entry.room)?,
        };
        if let Some(index) = self.session.position_of(subscription) {
            let permit = &self.session.subscriptions[index].to.permit;
            self.context.sites.check_room(permit, self.context.views.room(&entry.room).as_deref())?;
        }
        let delay = self.context.sites.join_delay(&self.visitor.page.site, self.visitor.address)?;
        let at = Instant::now() + delay;
        self.pending = Some(PendingJoin { at, subscription, user: entry.user.unwrap_or(user), info: entry.info });
        Ok(())
    }

    fn listen(&mut self, prefix: String, room: &Room) -> Result<SubscriptionId, Problem> {
        let most = self.session.hub.limits.rooms_per_socket;
        if self.session.subscriptions.len() >= most {
            let detail = format!("A page may show at most {most} rooms, and this one already does.");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        let spellings = self.session.subscriptions.iter().filter(|joined| joined.to.room == *room).count();
        if spellings >= SPELLINGS_MAX {
            let detail = format!("This page already shows the room {:?} under {spellings} names.", room.as_str());
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        let permit = self.context.sites.acquire_room(&self.visitor.page.site, room, self.visitor.address)?;
        let (id, prefix) = (self.session.number(), self.session.hub.prefix(&PresenceV1, prefix));
        let joined = Subscription {
            id,
            prefix,
            to: EmbedRoom { room: room.clone(), counted: None, permit, person: None, shares: None },
        };
        let SessionBase { hub, connection, .. } = &self.session;
        hub.listen_counts(room, &joined.subscriber(connection), &self.context.views);
        self.session.add(joined);
        Ok(id)
    }

    fn count(&mut self, pending: PendingJoin) {
        let PendingJoin { subscription, user, info, .. } = pending;
        let Some(index) = self.session.position_of(subscription) else { return };
        let joined = &mut self.session.subscriptions[index].to;
        joined.counted = Some(user);
        joined.person = sharing::person(&info);
        let (connection, room) = (self.session.connection.id, joined.room.clone());
        let id = self.session.connection.tab();
        let tab = Tab { id, info, visible: self.visible, proven: true, draws: false, related: None };
        self.session.inputs.push(Input::Joined { connection, subscription, room, user, tab });
        self.introduce(index);
    }

    /// Leaves a room. If the visitor joins it again as another user (`next`), the earlier one does not linger: one visitor would
    /// count twice.
    fn leave(&mut self, name: &str, next: Option<UserId>) {
        let Some(index) = self.session.position(&presence_v1::prefix(name)) else { return };
        let Subscription { id: subscription, to, .. } = self.forget(index);
        let Some(before) = to.counted else { return };
        if next.is_some_and(|next| next != before) {
            let connection = self.session.connection.id;
            self.session.inputs.push(Input::Resigned { connection, subscription });
        } else {
            self.session.unsubscribed(subscription);
        }
    }

    fn forget(&mut self, index: usize) -> Subscription<EmbedRoom> {
        let joined = self.session.remove(index);
        self.ignore(&joined);
        joined
    }

    fn ignore(&self, joined: &Subscription<EmbedRoom>) {
        let SessionBase { hub, connection, .. } = &self.session;
        hub.ignore_counts(&joined.to.room, &joined.prefix, connection);
        joined.to.shares.iter().for_each(|shares| shares.end(&joined.to.room, hub, connection));
    }

    /// Forgets the subscriptions that the hub ended, since their user was made to leave.
    fn forget_dismissed(&mut self) {
        for dismissed in self.session.connection.take_dismissed() {
            if let Some(index) = self.session.position_of(dismissed) {
                self.forget(index);
            }
        }
    }
}
