//! The subscriptions of one connection, and what is written to one of them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use presence_cable::{EarlierAnswer, Encoder};
use presence_core::{ConnectionId, Input, Outcome, RoomView, SubscriptionId};

use super::audience::Audience;
use super::connection::{Connection, DropPolicy};
use super::counts_queue::CountsQueue;
use super::frame::Frame;
use super::prefix::Prefix;
use super::protocols::ProtocolId;
use super::shares_queue::SharesQueue;

/// One subscription.
#[derive(Debug)]
pub(super) struct Subscribed {
    id: SubscriptionId,
    prefix: Prefix,
    /// Where it listens, if it is not to what an app draws or a server publishes.
    source: Option<Source>,
    /// The ordinal up to which all drawings are part of what it was shown.
    shown_upto: u64,
}

/// What a subscription of an embed listens to: its newest content says everything.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The counts of a room.
    Counts(Arc<Audience<CountsQueue>>),
    /// What a room's users share.
    Shares(Arc<Audience<SharesQueue>>),
}

impl Source {
    fn leave(&self, prefix: &Prefix, connection: ConnectionId) {
        match self {
            Self::Counts(audience) => audience.leave(prefix, connection),
            Self::Shares(audience) => audience.leave(prefix, connection),
        }
    }
}

/// Nothing is drawn before the first whole showing, which has all of it.
const NOT_YET: u64 = u64::MAX;

impl Connection {
    /// Adds a subscription, so that messages to it find their way.
    pub(crate) fn subscribe(&self, id: SubscriptionId, prefix: Prefix) {
        self.add(Subscribed { id, prefix, source: None, shown_upto: NOT_YET });
    }

    /// Adds a subscription of an embed.
    pub(super) fn subscribe_to(&self, id: SubscriptionId, prefix: Prefix, source: Source) {
        self.add(Subscribed { id, prefix, source: Some(source), shown_upto: 0 });
    }

    fn add(&self, subscribed: Subscribed) {
        let mut subscriptions = self.subscriptions.lock();
        // A page has three; growth by doubling would keep room for a fourth in every socket.
        subscriptions.reserve_exact(1);
        subscriptions.push(subscribed);
        self.shared.stats.subscribed();
    }

    pub(crate) fn unsubscribe(&self, subscription: SubscriptionId) {
        let mut subscriptions = self.subscriptions.lock();
        let before = subscriptions.len();
        subscriptions.retain(|subscribed| subscribed.id != subscription);
        self.shared.stats.unsubscribed(before - subscriptions.len());
    }

    /// A subscription has another prefix from now on.
    pub(super) fn change_prefix(&self, subscription: SubscriptionId, prefix: &Prefix) {
        let mut subscriptions = self.subscriptions.lock();
        let found = subscriptions.iter_mut().filter(|subscribed| subscribed.id == subscription);
        found.for_each(|subscribed| subscribed.prefix = prefix.clone());
    }

    pub(crate) fn prefix(&self, subscription: SubscriptionId) -> Option<Prefix> {
        self.find(subscription, |subscribed| subscribed.prefix.clone())
    }

    fn find<T>(&self, subscription: SubscriptionId, get: impl FnOnce(&Subscribed) -> T) -> Option<T> {
        self.subscriptions.lock().iter().find(|subscribed| subscribed.id == subscription).map(get)
    }

    pub(super) fn source(&self, subscription: SubscriptionId) -> Option<Source> {
        self.find(subscription, |subscribed| subscribed.source.clone()).flatten()
    }

    fn encoder(&self, protocol: ProtocolId) -> &'static dyn Encoder {
        self.shared.protocols.encoder(protocol)
    }

    /// Ends a subscription whose user was made to leave: its page is told, and stays away.
    pub(super) fn dismiss(self: &Arc<Self>, subscription: SubscriptionId, now_ms: u64) {
        let Some(prefix) = self.prefix(subscription) else { return };
        if let Some(source) = self.source(subscription) {
            source.leave(&prefix, self.id);
        }
        self.unsubscribe(subscription);
        self.dismissed.lock().push(subscription);
        self.send(&Frame::text(&self.encoder(prefix.protocol()).dismissed(prefix.as_str())), now_ms);
        let (inputs, connection) = (self.inputs().clone(), self.id);
        // The driver, which ordered this, must not wait for room in its own queue.
        tokio::spawn(async move { inputs.send(Input::Unsubscribed { connection, subscription }).await });
    }

    /// Takes the subscriptions that were dismissed.
    pub(crate) fn take_dismissed(&self) -> Vec<SubscriptionId> {
        std::mem::take(&mut self.dismissed.lock())
    }

    /// Whether a drawing has something that this subscription was not shown. While thousands join a room they would be
    /// sent its counts twice otherwise, and before they are shown the rest.
    pub(super) fn awaits(&self, subscription: SubscriptionId, ordinal: u64) -> bool {
        self.find(subscription, |subscribed| subscribed.shown_upto < ordinal).unwrap_or(false)
    }

    /// A subscription is about to be shown everything up to this ordinal.
    pub(super) fn shown(&self, subscription: SubscriptionId, ordinal: u64) {
        let mut subscriptions = self.subscriptions.lock();
        let found = subscriptions.iter_mut().filter(|subscribed| subscribed.id == subscription);
        found.for_each(|subscribed| subscribed.shown_upto = ordinal);
    }

    /// Sends a message to one subscription; nothing where it is gone, or where its protocol has no body for it.
    pub(super) fn tell(
        self: &Arc<Self>,
        subscription: SubscriptionId,
        policy: DropPolicy,
        now_ms: u64,
        body: impl FnOnce(ProtocolId, &dyn Encoder) -> Option<Bytes>,
    ) {
        let Some(prefix) = self.prefix(subscription) else { return };
        if let Some(body) = body(prefix.protocol(), self.encoder(prefix.protocol())) {
            let drawing = (policy == DropPolicy::MayDrop).then_some(subscription);
            self.write(&Frame::message(prefix.as_str(), &body), drawing, now_ms);
        }
    }

    /// Answers a click.
    pub(crate) fn answer(self: &Arc<Self>, subscription: SubscriptionId, outcome: &Outcome, echo: &str, now_ms: u64) {
        let failed = self.failed.swap(*outcome != Outcome::Done, Relaxed);
        let earlier = if failed { EarlierAnswer::Failure } else { EarlierAnswer::Success };
        let body = |_, encoder: &dyn Encoder| encoder.answer(outcome, echo, earlier).map(Bytes::from);
        self.tell(subscription, DropPolicy::Keep, now_ms, body);
    }

    /// Sends one subscription the counts of a room.
    pub(super) fn tell_counts(self: &Arc<Self>, subscription: SubscriptionId, view: &RoomView, now_ms: u64) {
        self.tell(subscription, DropPolicy::MayDrop, now_ms, |_, encoder| encoder.counts(view).map(Bytes::from));
    }

    /// Sends one subscription all that the users of a room share.
    pub(super) fn tell_shares(self: &Arc<Self>, subscription: SubscriptionId, view: &RoomView, now_ms: u64) {
        self.tell(subscription, DropPolicy::MayDrop, now_ms, |_, encoder| encoder.shares(None, view).map(Bytes::from));
    }

    /// Sends one subscription what it was too slow for.
    pub(super) fn tell_newest(self: &Arc<Self>, subscription: SubscriptionId, source: &Source) {
        match source {
            Source::Counts(counts) => {
                counts.newest().iter().for_each(|view| self.tell_counts(subscription, view, 0));
            }
            Source::Shares(shares) => {
                shares.newest().iter().for_each(|view| self.tell_shares(subscription, view, 0));
            }
        }
    }
}
