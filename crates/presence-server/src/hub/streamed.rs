//! Who is counted by an answer that streamed open, not by a socket: without it nobody could make them leave.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use presence_core::{ConnectionId, SubscriptionId};
use tokio::sync::mpsc;

/// All of them on this node.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamedVisitors(Arc<Mutex<HashMap<ConnectionId, mpsc::Sender<SubscriptionId>>>>);

/// Tells one of them which of its subscriptions are ended. It is forgotten when this is dropped.
#[derive(Debug)]
pub(crate) struct Dismissals {
    all: StreamedVisitors,
    connection: ConnectionId,
    ended: mpsc::Receiver<SubscriptionId>,
}

impl StreamedVisitors {
    /// One more, with so many subscriptions at most.
    pub(crate) fn begin(&self, connection: ConnectionId, subscriptions: usize) -> Dismissals {
        let (sender, ended) = mpsc::channel(subscriptions.max(1));
        self.lock().insert(connection, sender);
        Dismissals { all: self.clone(), connection, ended }
    }

    /// Ends a subscription. Never waits: who has not taken as many as it has subscriptions takes one twice.
    pub(super) fn dismiss(&self, connection: ConnectionId, subscription: SubscriptionId) {
        if let Some(sender) = self.lock().get(&connection) {
            let _twice = sender.try_send(subscription);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, mpsc::Sender<SubscriptionId>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dismissals {
    /// The next subscription that is ended.
    pub(crate) async fn next(&mut self) -> Option<SubscriptionId> {
        self.ended.recv().await
    }
}

impl Drop for Dismissals {
    fn drop(&mut self) {
        self.all.lock().remove(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_stays_is_told_and_who_is_gone_is_forgotten() {
        let (streamed, connection) = (StreamedVisitors::default(), ConnectionId(7));
        let mut dismissed = streamed.begin(connection, 1);
        streamed.dismiss(connection, SubscriptionId(3));
        streamed.dismiss(connection, SubscriptionId(4));
        streamed.dismiss(ConnectionId(8), SubscriptionId(5));
        assert_eq!(dismissed.next().await, Some(SubscriptionId(3)));
        drop(dismissed);
        assert!(streamed.lock().is_empty());
    }
}
