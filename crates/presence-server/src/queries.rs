//! Questions that only the node itself can answer, from whoever may ask; without it nobody could list a room.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use presence_core::{Found, Input, Query};
use tokio::sync::{mpsc, oneshot};

/// Most questions that wait for their answer at a time.
const WAITING_MAX: usize = 256;
/// A node that is this slow has other worries.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// Who waits for which answer.
#[derive(Clone)]
pub(crate) struct Queries {
    inputs: mpsc::Sender<Input>,
    waiting: Arc<Waiting>,
}

/// The driver's end: where answers go.
#[derive(Default)]
pub(crate) struct Waiting {
    next: AtomicU64,
    senders: Mutex<HashMap<u64, oneshot::Sender<Found>>>,
}

impl Queries {
    pub(crate) fn new(inputs: mpsc::Sender<Input>) -> Self {
        Self { inputs, waiting: Arc::default() }
    }

    /// The end that answers are given to.
    pub(crate) fn waiting(&self) -> Arc<Waiting> {
        Arc::clone(&self.waiting)
    }

    /// Asks the node. `None` where too many questions wait, or the node does not answer within 2 s.
    pub(crate) async fn ask(&self, what: Query) -> Option<Found> {
        let query = self.waiting.next.fetch_add(1, Relaxed);
        let (sender, answer) = oneshot::channel();
        let _forgotten = self.waiting.wait(query, sender)?;
        let asked = async {
            self.inputs.send(Input::Queried { query, what }).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWERED_WITHIN, asked).await.ok().flatten()
    }
}

/// A question that waits; forgotten when dropped, whether it was answered or not.
struct Place<'a> {
    waiting: &'a Waiting,
    query: u64,
}

impl Waiting {
    fn wait(&self, query: u64, sender: oneshot::Sender<Found>) -> Option<Place<'_>> {
        let mut senders = self.senders.lock();
        (senders.len() < WAITING_MAX).then(|| {
            senders.insert(query, sender);
            Place { waiting: self, query }
        })
    }

    /// Gives an answer to who waits for it.
    pub(crate) fn answer(&self, query: u64, found: Found) {
        let sender = self.senders.lock().remove(&query);
        // Whoever asked may have given up.
        drop(sender.map(|sender| sender.send(found)));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.senders.lock().remove(&self.query);
    }
}

#[cfg(test)]
mod tests {
    use presence_core::Below;

    use super::*;

    #[tokio::test]
    async fn an_answer_reaches_who_asked_and_nobody_waits_for_a_node_that_is_gone() {
        let (inputs, mut asked) = mpsc::channel(4);
        let queries = Queries::new(inputs);
        let waiting = queries.waiting();
        let query = || Query::Below { path: "shop.example/".to_owned() };
        let node = tokio::spawn(async move {
            let Some(Input::Queried { query, .. }) = asked.recv().await else { panic!("a query") };
            waiting.answer(query, Found::Below(Below { users: 3, ..Below::default() }));
        });
        let Some(Found::Below(below)) = queries.ask(query()).await else { panic!("an answer") };
        assert_eq!(below.users, 3);
        node.await.unwrap();
        assert_eq!(queries.ask(query()).await, None);
        assert!(queries.waiting.senders.lock().is_empty());
    }
}
