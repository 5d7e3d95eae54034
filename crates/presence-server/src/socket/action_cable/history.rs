//! What a subscription to a stream by name missed: sent before it listens, or fetched from another node first.

use std::sync::Arc;

use presence_cable::action_cable::replayed;
use presence_cable::{HistoryRequest, Position, ReplayEnd};
use presence_core::StreamName;

use super::super::history_fetch::{FetchedSubscription, HistoryFetch};
use super::super::session::Subscription;
use super::super::subscription_target::SubscriptionTarget;
use super::ActionCableSession;
use crate::clock::wall_ms;
use crate::history::Asked;
use crate::hub::Frame;

/// A request is read once before it is fetched and once after, and the machine's clock may be corrected in between.
const CLOCK_MARGIN_MS: u64 = 100;

impl ActionCableSession {
    /// What is published from now on.
    pub(super) fn published_later(&self, stream: &StreamName) -> HistoryRequest {
        let history = &self.session.hub.history;
        let position = Position { epoch: history.epoch().to_owned(), offset: history.head() };
        let streams = [(stream.as_str().to_owned(), position)].into();
        HistoryRequest { since: Some(wall_ms() as f64 / 1_000.0), streams }
    }

    /// A room is shown whole to a socket that joins it: nothing was missed.
    pub(super) fn confirm_history(&self, index: usize) {
        let prefix = &self.session.subscriptions[index].prefix;
        self.session.send(&replayed(prefix.as_str(), ReplayEnd::Complete));
    }

    pub(super) fn go_live(&mut self, index: usize, first: Option<&Frame>, history: Option<&HistoryRequest>) {
        let subscription = &mut self.session.subscriptions[index];
        let SubscriptionTarget::Named(named) = &mut subscription.to else { return };
        named.waits = None;
        let (stream, subscription) = (named.stream.clone(), &self.session.subscriptions[index]);
        let subscriber = subscription.subscriber(&self.session.connection);
        let asked = history.map(|request| self.asked(request));
        let confirmed_at = self.session.hub.history.head();
        let listening = self.session.hub.listen_named(&stream, &subscriber, first, asked);
        if let (Err(since_ms), Some(request)) = (listening, history) {
            self.fetch(index, request, (since_ms, confirmed_at), false);
        }
    }

    fn asked<'a>(&self, request: &'a HistoryRequest) -> Asked<'a> {
        Asked { request, from_elsewhere: self.from_elsewhere, fetched_since_ms: None }
    }

    /// Sends a subscription what it missed once another node has said what that is.
    fn fetch(&mut self, index: usize, request: &HistoryRequest, (since_ms, confirmed_at): (u64, u64), listens: bool) {
        let Subscription { id, to, .. } = &mut self.session.subscriptions[index];
        let SubscriptionTarget::Named(named) = to else { return };
        // One at a time: the first answer is one for all.
        if named.fetching.as_ref().is_some_and(|fetched| fetched.is_under_way()) {
            return;
        }
        let fetched = Arc::new(FetchedSubscription::new(listens));
        named.fetching = Some(Arc::clone(&fetched));
        let fetch = HistoryFetch {
            queries: self.context.queries.clone(),
            locks: Arc::clone(&self.context.fetch_locks),
            hub: Arc::clone(&self.session.hub),
            connection: Arc::clone(&self.session.connection),
            subscription: *id,
            stream: named.stream.clone(),
            request: request.clone(),
            from_elsewhere: self.from_elsewhere,
            confirmed_at,
            since_ms: since_ms.saturating_sub(CLOCK_MARGIN_MS),
            fetched,
        };
        tokio::spawn(fetch.run());
    }

    /// Sends resumed subscriptions what came since, if their client has not said what it knows.
    pub(super) fn wait_no_longer(&mut self) {
        for index in 0..self.session.subscriptions.len() {
            let waits = self.named_at(index).and_then(|named| named.waits.clone());
            waits.into_iter().for_each(|request| self.go_live(index, None, Some(&request)));
        }
    }

    pub(super) fn send_history(&mut self, index: usize, history: &HistoryRequest) {
        match self.named_at(index) {
            Some(named) if named.waits.is_some() => self.go_live(index, None, Some(history)),
            Some(named) => {
                // Its answer is on its way.
                if named.fetching.as_ref().is_some_and(|fetched| fetched.is_under_way()) {
                    return;
                }
                let subscriber = (&self.session.subscriptions[index].prefix, &self.session.connection);
                if let Err(since_ms) = self.session.hub.replay(&named.stream, subscriber, self.asked(history)) {
                    self.fetch(index, history, (since_ms, self.session.hub.history.head()), true);
                }
            }
            None => self.confirm_history(index),
        }
    }
}
