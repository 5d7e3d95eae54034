//! The session that listens: here a node says what it says to all or to one, and answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use presence_core::{Input, NodeHash, Urgency};
use zenoh::Wait;
use zenoh::qos::CongestionControl;
use zenoh::query::{Query, Queryable};

use super::address::Address;
use super::engine::{ASK, Engine, SAY_ALL, priority, say_to};
use super::questions::Questions;
use super::sink::Sink;
use super::{Counts, MESSAGE_BYTES_MAX};

/// A process that was here a moment ago leaves its port some 0.1 s after its end.
const LISTEN_WITHIN: Duration = Duration::from_secs(3);
const LISTEN_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Listens until it is closed.
pub(super) struct Listener {
    session: zenoh::Session,
    questions: Arc<Questions>,
    counts: Arc<Counts>,
    _queryable: Queryable<()>,
}

impl Listener {
    pub(super) async fn open(
        engine: &Arc<Engine>,
        at: &[Address],
        sink: &Sink,
        counts: Arc<Counts>,
    ) -> anyhow::Result<Self> {
        let session = listen(engine, at).await?;
        let questions = Arc::new(Questions::default());
        let queryable = tokio::task::spawn_blocking({
            let (session, questions, sink) = (session.clone(), Arc::clone(&questions), sink.clone());
            move || session.declare_queryable(ASK).complete(true).callback(move |q| asked(&questions, &sink, q)).wait()
        });
        let _queryable = queryable.await?.map_err(anyhow::Error::from_boxed)?;
        Ok(Self { session, questions, counts, _queryable })
    }

    /// Says it to one reader, or to all.
    pub(super) fn publish(&self, to: Option<NodeHash>, bytes: Vec<u8>, urgency: Urgency) {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Counts::count(&self.counts.oversized);
        }
        let key = to.map_or_else(|| SAY_ALL.to_owned(), say_to);
        // Dropped where a reader is too slow: to wait for it would stall all the others.
        let put = self.session.put(key, bytes).congestion_control(CongestionControl::Drop);
        if let Err(error) = put.priority(priority(urgency)).express(false).wait() {
            tracing::debug!("nothing could be said to other nodes: {error}");
        }
    }

    /// Answers, if that question is still open.
    pub(super) fn reply(&self, question: u64, bytes: Vec<u8>) {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Counts::count(&self.counts.oversized);
        }
        if let Some(query) = self.questions.take(question)
            && let Err(error) = query.reply(ASK, bytes).express(false).wait()
        {
            tracing::debug!("a question could not be answered: {error}");
        }
    }

    /// The others know within about a second.
    pub(super) fn close(&self) {
        if let Err(error) = self.session.close().wait() {
            tracing::debug!("the listening session did not close: {error}");
        }
    }
}

fn asked(questions: &Questions, sink: &Sink, query: Query) {
    let bytes = query.payload().map(|payload| payload.to_bytes().into_owned()).unwrap_or_default();
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Counts::count(&sink.counts().oversized);
    }
    match questions.keep(query) {
        Some(question) => sink.offer(Input::Asked { question, bytes }),
        None => Counts::count(&sink.counts().inputs_dropped),
    }
}

async fn listen(engine: &Arc<Engine>, at: &[Address]) -> anyhow::Result<zenoh::Session> {
    let began = Instant::now();
    loop {
        let (engine, addresses) = (Arc::clone(engine), at.to_vec());
        match tokio::task::spawn_blocking(move || engine.listen(&addresses)).await? {
            Ok(session) => return Ok(session),
            Err(error) if began.elapsed() > LISTEN_WITHIN => {
                let shown: Vec<_> = at.iter().map(ToString::to_string).collect();
                return Err(error).with_context(|| {
                    format!("--mesh-listen {} is taken or no address of this machine", shown.join(", "))
                });
            }
            Err(_) => tokio::time::sleep(LISTEN_AGAIN_AFTER).await,
        }
    }
}
