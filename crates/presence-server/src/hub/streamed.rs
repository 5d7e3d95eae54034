//! Visitors that are counted by a streamed response, not by a socket: without it they could not be dismissed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use presence_core::{ConnectionId, SubscriptionId};
use tokio::sync::mpsc;

/// All streamed visitors of this node.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamedVisitors(Arc<Mutex<HashMap<ConnectionId, mpsc::Sender<SubscriptionId>>>>);

/// Tells one of them which of its subscriptions are ended. The visitor is forgotten when this is dropped.
#[derive(Debug)]
pub(crate) struct Dismissals {
    all: StreamedVisitors,
    connection: ConnectionId,
    ended: mpsc::Receiver<SubscriptionId>,
}

impl StreamedVisitors {
    /// Adds one, with at most this many subscriptions.
    pub(crate) fn begin(&self, connection: ConnectionId, subscriptions: usize) -> Dismissals {
        let (sender, ended) = mpsc::channel(subscriptions.max(1));
        self.0.lock().insert(connection, sender);
        Dismissals { all: self.clone(), connection, ended }
    }

    /// Ends a subscription. Never waits: a full queue means that the same subscription was ended twice.
    pub(super) fn dismiss(&self, connection: ConnectionId, subscription: SubscriptionId) {
        if let Some(sender) = self.0.lock().get(&connection) {
            let _twice = sender.try_send(subscription);
        }
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
        self.all.0.lock().remove(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_streamed_visitor_is_told_and_one_that_is_gone_is_forgotten() {
        let (streamed, connection) = (StreamedVisitors::default(), ConnectionId(7));
        let mut dismissed = streamed.begin(connection, 1);
        streamed.dismiss(connection, SubscriptionId(3));
        streamed.dismiss(connection, SubscriptionId(4));
        streamed.dismiss(ConnectionId(8), SubscriptionId(5));
        assert_eq!(dismissed.next().await, Some(SubscriptionId(3)));
        drop(dismissed);
        assert!(streamed.0.lock().is_empty());
    }
}
