//! Traces of clicks: one span where a click was taken, and one on every node for what is drawn of it. The trace goes from node
//! to node with the facts that the click writes; a collector of OpenTelemetry puts the spans of all nodes together.
//!
//! Without a collector nothing is recorded, and a caller's trace is passed on as it came. Nothing here waits: spans that do not
//! fit into the queue are dropped and counted.

mod exporter;
mod otlp;
mod span;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use parking_lot::Mutex;
use presence_core::{FactKind, Input, NodeName, Outcome, Output, TraceContext, TracedWrites};
use tokio::sync::{mpsc, oneshot};

use self::exporter::{Exporter, FlushRequest};
pub(crate) use self::span::{DrawOutcome, SpanName};
use self::span::{FinishedSpan, OpenSpan};
use crate::clock::wall_ms;
use crate::config::{Config, otlp_headers};
use crate::secret::random;
use crate::supervision::Supervisor;

/// Spans that wait to be sent.
const SPANS_MAX: usize = 4_096;
/// Clicks that the driver has not handled yet.
const OPEN_MAX: usize = 1_024;
/// A click that the driver has not handled by then was lost on the way.
const OPEN_FOR: Duration = Duration::from_secs(10);
/// How long [`Traces::flush`] may take.
const FLUSHED_WITHIN: Duration = Duration::from_secs(1);
/// Clicks in a second that are recorded since their caller wants that: anybody can be a caller.
const CALLERS_PER_SECOND: u32 = 100;

/// Records clicks in traces, or does not; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Traces(Option<Arc<Tracer>>);

/// What became of spans so far.
#[derive(Default)]
pub(crate) struct SpanCounts {
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl SpanCounts {
    /// Those that the collector has accepted.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Those that were not sent, or not accepted.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

struct Tracer {
    spans: mpsc::Sender<FinishedSpan>,
    flushes: mpsc::Sender<FlushRequest>,
    open: Mutex<HashMap<[u8; 8], OpenSpan>>,
    own: Mutex<SecondLimit>,
    callers: Mutex<SecondLimit>,
    counts: Arc<SpanCounts>,
}

/// A write whose span ends when the node has handled it.
pub(crate) struct TracedInput {
    span: [u8; 8],
    kinds: Vec<FactKind>,
}

impl Traces {
    /// Sends spans to the configured collector, if there is one.
    ///
    /// # Errors
    ///
    /// If its address or its headers are none.
    pub(crate) fn start(config: &Config, name: &NodeName, supervisor: &Supervisor) -> anyhow::Result<Self> {
        let Some(endpoint) = config.collector().map_err(|mistake| anyhow!(mistake))? else { return Ok(Self(None)) };
        let headers = config.secrets.otlp_headers.as_deref().unwrap_or_default();
        let headers = otlp_headers(headers).map_err(|mistake| anyhow!(mistake))?;
        let ((spans, waiting), (flushes, flush_requests)) = (mpsc::channel(SPANS_MAX), mpsc::channel(1));
        let counts = Arc::<SpanCounts>::default();
        let exporter = Exporter::new(endpoint, headers, &config.own_region(), name, Arc::clone(&counts));
        supervisor.spawn("sender of traces", exporter.run(waiting, flush_requests));
        Ok(Self(Some(Arc::new(Tracer {
            spans,
            flushes,
            open: Mutex::default(),
            own: Mutex::new(SecondLimit::new(config.traces.traces_per_second)),
            callers: Mutex::new(SecondLimit::new(CALLERS_PER_SECOND)),
            counts,
        }))))
    }

    /// Sends what waits, at once; for a collector that takes longer than a second the rest is lost.
    pub(crate) async fn flush(&self) {
        let Some(tracer) = &self.0 else { return };
        let (sent, all_sent) = oneshot::channel();
        let flushed = async {
            if tracer.flushes.send(sent).await.is_ok() {
                let _ended = all_sent.await;
            }
        };
        if tokio::time::timeout(FLUSHED_WITHIN, flushed).await.is_err() {
            tracing::warn!("the collector of traces does not take the last spans; they are lost");
        }
    }

    /// What became of spans; `None`: none are recorded.
    pub(crate) fn counts(&self) -> Option<&SpanCounts> {
        self.0.as_ref().map(|tracer| &*tracer.counts)
    }

    /// Begins the span of a click, or of another write, in the trace of its caller or in a new one. Returns the trace that what
    /// it writes is a part of; `None`: it is not recorded.
    pub(crate) fn begin(&self, name: SpanName, caller: Option<&TraceContext>) -> Option<TraceContext> {
        match &self.0 {
            Some(tracer) => tracer.begin(name, caller),
            None => caller.copied().filter(TraceContext::is_sampled),
        }
    }

    /// What the driver's node is about to handle, if that is traced.
    pub(crate) fn observe(&self, input: &Input) -> Option<TracedInput> {
        self.0.as_ref()?;
        match input {
            Input::Clicked { trace: Some(trace), writes, .. } => {
                let mut kinds: Vec<FactKind> = writes.iter().flatten().filter_map(|write| write.fact_kind()).collect();
                kinds.sort_unstable();
                kinds.dedup();
                Some(TracedInput { span: trace.span_id(), kinds })
            }
            Input::FactRemoved { trace: Some(trace), .. } => {
                Some(TracedInput { span: trace.span_id(), kinds: Vec::new() })
            }
            _ => None,
        }
    }

    /// Ends the span of what the node has handled.
    pub(crate) fn written(&self, input: TracedInput, outputs: &[Output]) {
        let failed = |output: &Output| matches!(output, Output::Answer { outcome: Outcome::Failed(_), .. });
        let Some(tracer) = &self.0 else { return };
        let Some(open) = tracer.open.lock().remove(&input.span) else { return };
        tracer.send(open.finish(input.kinds, outputs.iter().any(failed)));
    }

    /// Records what was drawn of traced writes, until now.
    pub(crate) fn drawn(&self, traced: &TracedWrites, drawn: DrawOutcome) {
        let Some(tracer) = self.0.as_ref().filter(|_| !traced.is_empty()) else { return };
        for write in traced.writes().iter().filter(|write| write.context.is_sampled()) {
            match write.context.child(random()) {
                Some(context) => tracer.send(FinishedSpan::of_drawing(context, write, drawn)),
                None => tracer.drop_spans(1),
            }
        }
        tracer.drop_spans(traced.left_out());
    }
}

impl Tracer {
    fn begin(&self, name: SpanName, caller: Option<&TraceContext>) -> Option<TraceContext> {
        if caller.is_some_and(|caller| !caller.is_sampled()) {
            return None;
        }
        let limit = if caller.is_some() { &self.callers } else { &self.own };
        if !limit.lock().try_spend(Instant::now()) {
            return None;
        }
        let context = match caller {
            Some(caller) => caller.child(random())?,
            None => TraceContext::new(random(), random(), true)?,
        };
        let mut open = self.open.lock();
        if open.len() >= OPEN_MAX {
            let before = open.len();
            open.retain(|_, span| span.since.elapsed() < OPEN_FOR);
            self.drop_spans((before - open.len()) as u64);
        }
        if open.len() >= OPEN_MAX {
            self.drop_spans(1);
            return None;
        }
        let parent = caller.map(TraceContext::span_id);
        let span = OpenSpan { context, parent, name, began_ms: wall_ms(), since: Instant::now() };
        open.insert(context.span_id(), span);
        Some(context)
    }

    fn send(&self, span: FinishedSpan) {
        if self.spans.try_send(span).is_err() {
            self.drop_spans(1);
        }
    }

    fn drop_spans(&self, count: u64) {
        self.counts.dropped.fetch_add(count, Relaxed);
    }
}

/// At most a number in each second.
struct SecondLimit {
    most: u32,
    began: Option<Instant>,
    spent: u32,
}

impl SecondLimit {
    fn new(most: u32) -> Self {
        Self { most, began: None, spent: 0 }
    }

    fn try_spend(&mut self, now: Instant) -> bool {
        if self.began.is_none_or(|began| now.duration_since(began) >= Duration::from_secs(1)) {
            (self.began, self.spent) = (Some(now), 0);
        }
        let may = self.spent < self.most;
        self.spent += u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests;
