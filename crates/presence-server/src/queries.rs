//! Queries that only the driver's node can answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use presence_core::{EntryId, Found, Input, Query, Room};
use tokio::sync::{mpsc, oneshot};

/// Queries that may wait for their answer at a time.
const PENDING_MAX: usize = 256;
/// Further ones, for the holder of the API key.
const PENDING_RESERVE: usize = 64;
/// A slower node is overloaded, and an answer would be of no use.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// Sends queries to the driver.
#[derive(Clone)]
pub(crate) struct Queries {
    inputs: mpsc::Sender<Input>,
    pending: Arc<PendingQueries>,
}

/// The queries without an answer yet.
#[derive(Default)]
pub(crate) struct PendingQueries {
    next: AtomicU64,
    senders: Mutex<HashMap<u64, oneshot::Sender<Found>>>,
}

impl Queries {
    pub(crate) fn new(inputs: mpsc::Sender<Input>) -> Self {
        Self { inputs, pending: Arc::default() }
    }

    /// Where the driver's answers go.
    pub(crate) fn pending(&self) -> Arc<PendingQueries> {
        Arc::clone(&self.pending)
    }

    /// The node's answer. `None` if too many queries wait, or the node does not answer within 2 s.
    pub(crate) async fn ask(&self, what: Query) -> Option<Found> {
        self.answered(PENDING_MAX, |query| Input::Queried { query, what }).await
    }

    /// The same for the holder of the API key, even if too many of others wait.
    pub(crate) async fn ask_first(&self, what: Query) -> Option<Found> {
        self.answered(PENDING_MAX + PENDING_RESERVE, |query| Input::Queried { query, what }).await
    }

    /// Removes a register, a log or one entry of a log: how many facts that were. `None` as for [`Queries::ask`].
    pub(crate) async fn remove_fact(&self, room: Room, key: String, entry: Option<EntryId>) -> Option<usize> {
        match self
            .answered(PENDING_MAX + PENDING_RESERVE, |query| Input::FactRemoved { query, room, key, entry })
            .await?
        {
            Found::Removed(count) => Some(count),
            _ => None,
        }
    }

    async fn answered(&self, most: usize, input: impl FnOnce(u64) -> Input) -> Option<Found> {
        let query = self.pending.next.fetch_add(1, Relaxed);
        let (sender, answer) = oneshot::channel();
        let _pending = self.pending.insert(query, sender, most)?;
        let asked = async {
            self.inputs.send(input(query)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWERED_WITHIN, asked).await.ok().flatten()
    }
}

/// A query that waits; removed when dropped, answered or not.
struct PendingQuery<'a> {
    all: &'a PendingQueries,
    query: u64,
}

impl PendingQueries {
    fn insert(&self, query: u64, sender: oneshot::Sender<Found>, most: usize) -> Option<PendingQuery<'_>> {
        let mut senders = self.senders.lock();
        (senders.len() < most).then(|| {
            senders.insert(query, sender);
            PendingQuery { all: self, query }
        })
    }

    /// Hands an answer to the caller that waits for it.
    pub(crate) fn answer(&self, query: u64, found: Found) {
        let sender = self.senders.lock().remove(&query);
        // The caller may have given up.
        drop(sender.map(|sender| sender.send(found)));
    }
}

impl Drop for PendingQuery<'_> {
    fn drop(&mut self) {
        self.all.senders.lock().remove(&self.query);
    }
}

#[cfg(test)]
mod tests {
    use presence_core::{Below, Subtree};

    use super::*;

    #[tokio::test]
    async fn an_answer_reaches_its_caller_and_no_caller_waits_for_a_node_that_has_ended() {
        let (inputs, mut asked) = mpsc::channel(4);
        let queries = Queries::new(inputs);
        let pending = queries.pending();
        let query = || Query::Below(Subtree { path: "shop.example/".to_owned(), except: None });
        let node = tokio::spawn(async move {
            let Some(Input::Queried { query, .. }) = asked.recv().await else { panic!("a query") };
            pending.answer(query, Found::Below(Below { users: 3, ..Below::default() }));
        });
        let Some(Found::Below(below)) = queries.ask(query()).await else { panic!("an answer") };
        assert_eq!(below.users, 3);
        node.await.unwrap();
        assert_eq!(queries.ask(query()).await, None);
        assert!(queries.pending.senders.lock().is_empty());
    }
}
