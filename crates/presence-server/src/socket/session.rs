//! What the sessions of all protocols have: a connection, numbered subscriptions, a rate limit, and inputs for the driver.

use std::sync::Arc;
use std::time::Duration;

use presence_core::{Input, SubscriptionId};
use tokio::time::Instant;

use super::rate_limit::RateLimit;
use crate::hub::{Connection, Frame, Hub, Prefix, Subscriber};

/// A subscription of a session, to something that the protocol knows.
#[derive(Debug)]
pub(super) struct Subscription<T> {
    pub(super) id: SubscriptionId,
    pub(super) prefix: Prefix,
    pub(super) to: T,
}

impl<T> Subscription<T> {
    pub(super) fn subscriber<'a>(&'a self, connection: &'a Arc<Connection>) -> Subscriber<'a> {
        Subscriber { connection, subscription: self.id, prefix: &self.prefix }
    }
}

/// The common part of a session.
pub(super) struct SessionBase<T> {
    pub(super) connection: Arc<Connection>,
    pub(super) hub: Arc<Hub>,
    pub(super) subscriptions: Vec<Subscription<T>>,
    next: u32,
    requests: RateLimit,
    /// Apart from `requests`, so that a page's subscriptions do not delay what else it asks for.
    new_subscriptions: RateLimit,
    pub(super) inputs: Vec<Input>,
}

impl<T> SessionBase<T> {
    pub(super) fn new(connection: Arc<Connection>, hub: Arc<Hub>) -> Self {
        let requests = RateLimit::of_messages(&hub.limits);
        let new_subscriptions = RateLimit::of_subscriptions(&hub.limits);
        Self { connection, hub, subscriptions: Vec::new(), next: 0, requests, new_subscriptions, inputs: Vec::new() }
    }

    /// A new number for a subscription, or for what core takes for one.
    pub(super) fn number(&mut self) -> SubscriptionId {
        self.next += 1;
        SubscriptionId(self.next - 1)
    }

    /// The index of the subscription with this prefix.
    pub(super) fn position(&self, prefix: &str) -> Option<usize> {
        self.subscriptions.iter().position(|known| known.prefix.as_str() == prefix)
    }

    /// The index of the subscription with this number.
    pub(super) fn position_of(&self, id: SubscriptionId) -> Option<usize> {
        self.subscriptions.iter().position(|known| known.id == id)
    }

    /// Adds a subscription; returns its index.
    pub(super) fn add(&mut self, subscription: Subscription<T>) -> usize {
        self.subscriptions.reserve_exact(1);
        self.subscriptions.push(subscription);
        self.subscriptions.len() - 1
    }

    /// Removes a subscription, so that no message finds it.
    pub(super) fn remove(&mut self, index: usize) -> Subscription<T> {
        let removed = self.subscriptions.swap_remove(index);
        self.connection.unsubscribe(removed.id);
        removed
    }

    /// Tells the driver that a subscription ended.
    pub(super) fn unsubscribed(&mut self, subscription: SubscriptionId) {
        self.inputs.push(Input::Unsubscribed { connection: self.connection.id, subscription });
    }

    /// Counts one request; returns how long reading pauses, if it was one too many.
    pub(super) fn spend_request(&mut self) -> Option<Duration> {
        self.requests.charge(1, Instant::now())
    }

    /// Counts one attempt to subscribe to something new; returns how long reading pauses, if it was one too many.
    pub(super) fn spend_subscription(&mut self) -> Option<Duration> {
        self.new_subscriptions.charge(1, Instant::now())
    }

    pub(super) fn take_inputs(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.inputs)
    }

    pub(super) fn send(&self, text: &str) {
        self.connection.send(&Frame::text(text), self.hub.now_ms());
    }

    /// Sends a message to the subscription with this index.
    pub(super) fn send_to(&self, index: usize, body: String) {
        let frame = Frame::message(self.subscriptions[index].prefix.as_str(), &body.into());
        self.connection.send(&frame, self.hub.now_ms());
    }
}
