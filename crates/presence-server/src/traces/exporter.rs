//! Sends spans to a collector, many at once, each once. What can't be sent is dropped and counted: traces are no records.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request, header};
use presence_core::{NodeName, Region};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::SpanCounts;
use super::otlp;
use super::span::FinishedSpan;
use crate::config::OtlpEndpoint;
use crate::https_client::{HttpsClient, https_client, with_causes};

/// Most spans in a request, and how long the first of them waits for the others.
const BATCH_MAX: usize = 512;
const GATHERED_FOR: Duration = Duration::from_secs(1);
/// How long a collector's answer may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;
/// Failures are logged once in this time.
const LOGGED_EVERY: Duration = Duration::from_secs(60);

/// Asks that all that waits is sent now; answered once it was.
pub(super) type FlushRequest = oneshot::Sender<()>;

/// What the task has to do next.
enum ExportStep {
    /// There are more spans.
    Spans,
    Flush(FlushRequest),
    /// It is time to send.
    Late,
    Ended,
}

/// The task between the queue of spans and the collector.
pub(super) struct Exporter {
    endpoint: OtlpEndpoint,
    headers: HeaderMap,
    resource: Value,
    client: HttpsClient,
    counts: Arc<SpanCounts>,
    /// When the last failure was logged, and what was dropped by then.
    logged: Option<(Instant, u64)>,
}

impl Exporter {
    pub(super) fn new(
        endpoint: OtlpEndpoint,
        mut headers: HeaderMap,
        region: &Region,
        name: &NodeName,
        counts: Arc<SpanCounts>,
    ) -> Self {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("global-presence"));
        let (resource, client) = (otlp::resource(region, name), https_client(ANSWERED_WITHIN / 2));
        Self { endpoint, headers, resource, client, counts, logged: None }
    }

    /// Sends what comes, until no one can send more.
    pub(super) async fn run(
        mut self,
        mut spans: mpsc::Receiver<FinishedSpan>,
        mut flushes: mpsc::Receiver<FlushRequest>,
    ) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            let flush = match next(&mut spans, &mut batch, &mut flushes, None).await {
                ExportStep::Ended => return,
                ExportStep::Flush(flush) => Some(flush),
                ExportStep::Spans => gather(&mut spans, &mut batch, &mut flushes).await,
                ExportStep::Late => None,
            };
            self.send_batch(&mut batch).await;
            let Some(flush) = flush else { continue };
            while let Ok(span) = spans.try_recv() {
                batch.push(span);
                if batch.len() == BATCH_MAX {
                    self.send_batch(&mut batch).await;
                }
            }
            self.send_batch(&mut batch).await;
            let _gone = flush.send(());
        }
    }

    /// Sends spans, if there are any, and counts what became of them.
    async fn send_batch(&mut self, batch: &mut Vec<FinishedSpan>) {
        if batch.is_empty() {
            return;
        }
        let rejected = timeout(ANSWERED_WITHIN, self.send(batch)).await;
        let rejected = rejected.unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWERED_WITHIN.as_secs())));
        self.count(batch.len() as u64, rejected);
        batch.clear();
    }

    /// Sends spans once. Returns how many of them the collector rejects.
    async fn send(&self, batch: &[FinishedSpan]) -> Result<u64, String> {
        let mut request = Request::new(Body::from(otlp::request(&self.resource, batch)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.uri();
        *request.headers_mut() = self.headers.clone();
        let answer = self.client.request(request).await.map_err(|error| with_causes(&error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("it answered {status}"));
        }
        let body = to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await;
        let rejected = body.ok().and_then(|body| otlp::rejected(&body));
        rejected.ok_or_else(|| format!("it answered {status} and nothing that a collector says"))
    }

    fn count(&mut self, spans: u64, rejected: Result<u64, String>) {
        let (lost, reason) = match rejected {
            Ok(0) => (0, None),
            Ok(rejected) => (rejected.min(spans), Some("it rejected spans".to_owned())),
            Err(reason) => (spans, Some(reason)),
        };
        self.counts.sent.fetch_add(spans - lost, Relaxed);
        let dropped = self.counts.dropped.fetch_add(lost, Relaxed) + lost;
        let Some(reason) = reason else { return };
        let (at, before) = self.logged.unzip();
        if at.is_some_and(|at| at.elapsed() < LOGGED_EVERY) {
            return;
        }
        self.logged = Some((Instant::now(), dropped));
        let dropped = dropped - before.unwrap_or(0);
        tracing::warn!(collector = %self.endpoint, reason, dropped, "could not send traces to the collector; the spans are dropped");
    }
}

/// Waits for spans, which it adds to the batch, or for a reason to send what is there.
async fn next(
    spans: &mut mpsc::Receiver<FinishedSpan>,
    batch: &mut Vec<FinishedSpan>,
    flushes: &mut mpsc::Receiver<FlushRequest>,
    until: Option<Instant>,
) -> ExportStep {
    let late = async {
        match until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    let room = BATCH_MAX - batch.len();
    tokio::select! {
        received = spans.recv_many(batch, room) => if received == 0 { ExportStep::Ended } else { ExportStep::Spans },
        Some(flush) = flushes.recv() => ExportStep::Flush(flush),
        () = late => ExportStep::Late,
    }
}

/// Waits for more spans, which are sent in the same request, until there are enough, it is time, or a flush is asked for. Returns
/// that flush.
async fn gather(
    spans: &mut mpsc::Receiver<FinishedSpan>,
    batch: &mut Vec<FinishedSpan>,
    flushes: &mut mpsc::Receiver<FlushRequest>,
) -> Option<FlushRequest> {
    let until = Instant::now() + GATHERED_FOR;
    while batch.len() < BATCH_MAX {
        match next(spans, batch, flushes, Some(until)).await {
            ExportStep::Spans => {}
            ExportStep::Flush(flush) => return Some(flush),
            ExportStep::Late | ExportStep::Ended => return None,
        }
    }
    None
}
