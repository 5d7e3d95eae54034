//! Queries that only the driver's node can answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use presence_core::{Found, ImportResult, Input, Query, ReflexError, Room, TraceContext, Write};
use tokio::sync::{mpsc, oneshot};

/// Queries that may wait for their answer at a time.
const PENDING_MAX: usize = 256;
/// Further ones, for the operator.
const PENDING_RESERVE: usize = 64;
/// A slower node is overloaded, and an answer would be of no use.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// Whose queries wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Priority {
    Ordinary,
    /// The operator's, which are taken even if too many of others wait.
    Operator,
}

impl Priority {
    fn pending_max(self) -> usize {
        match self {
            Self::Ordinary => PENDING_MAX,
            Self::Operator => PENDING_MAX + PENDING_RESERVE,
        }
    }
}

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
    pub(crate) async fn ask(&self, what: Query, priority: Priority) -> Option<Found> {
        self.answered(priority, |query| Input::Queried { query, what }).await
    }

    /// Removes everything of a name, or one entry of it: how many facts that were. `None` as for [`Queries::ask`].
    pub(crate) async fn remove_fact(
        &self,
        room: Room,
        key: String,
        entry: Option<String>,
        trace: Option<TraceContext>,
        priority: Priority,
    ) -> Option<usize> {
        match self.answered(priority, |query| Input::FactRemoved { query, room, key, entry, trace }).await? {
            Found::Removed(count) => Some(count),
            _ => None,
        }
    }

    /// Brings in records of facts: what became of each. `None` as for [`Queries::ask`].
    pub(crate) async fn import_facts(&self, records: Vec<Vec<u8>>, priority: Priority) -> Option<Vec<ImportResult>> {
        match self.answered(priority, |query| Input::FactsImported { query, records }).await? {
            Found::Imported(results) => Some(results),
            _ => None,
        }
    }

    /// Writes facts, all of them or none. `None` as for [`Queries::ask`].
    pub(crate) async fn write_facts(
        &self,
        room: Room,
        writes: Vec<Write>,
        priority: Priority,
    ) -> Option<Result<(), ReflexError>> {
        match self.answered(priority, |query| Input::FactsWritten { query, room, writes }).await? {
            Found::Written(result) => Some(result),
            _ => None,
        }
    }

    async fn answered(&self, priority: Priority, input: impl FnOnce(u64) -> Input) -> Option<Found> {
        let query = self.pending.next.fetch_add(1, Relaxed);
        let (sender, answer) = oneshot::channel();
        let _pending = self.pending.insert(query, sender, priority.pending_max())?;
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
        let Some(Found::Below(below)) = queries.ask(query(), Priority::Ordinary).await else { panic!("an answer") };
        assert_eq!(below.users, 3);
        node.await.unwrap();
        assert_eq!(queries.ask(query(), Priority::Ordinary).await, None);
        assert!(queries.pending.senders.lock().is_empty());
    }

    #[tokio::test]
    async fn only_the_operator_has_the_reserve() {
        let (inputs, _asked) = mpsc::channel(4);
        let queries = Queries::new(inputs);
        let waiting: Vec<_> = (0..)
            .map_while(|query| {
                queries.pending.insert(1_000 + query, oneshot::channel().0, Priority::Ordinary.pending_max())
            })
            .collect();
        assert_eq!(waiting.len(), PENDING_MAX);
        let one_more = |priority: Priority| queries.pending.insert(1, oneshot::channel().0, priority.pending_max());
        assert!(one_more(Priority::Ordinary).is_none() && one_more(Priority::Operator).is_some());
    }
}
