//! Answers that stay open: chunks when something changes, keepalives when nothing does, and an end.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::poll_fn;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How often something is written at least, so that a reader that is gone is noticed and proxies keep the answer open.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// What may wait for a slow reader. Numbers are read when they are written, so few of them wait.
const CHUNKS_MAX: usize = 4;

/// How often an open answer writes, and for how long.
pub(super) struct Timing {
    /// Changes that follow each other sooner are written together.
    pub(super) gap: Duration,
    /// When the first chunk after the opening is due, if no change makes it due sooner; `None`: at the first change.
    pub(super) first_within: Option<Duration>,
    pub(super) max_age: Duration,
}

/// What happened to the content of an open answer.
pub(super) enum Wake {
    /// There may be something new to write when the gap is over.
    Changed,
    /// This is written at once.
    Chunk(String),
    /// Nothing is to be written.
    Handled,
}

/// What an open answer writes.
pub(super) trait Content: Send + 'static {
    /// Waits for what happens next. It is dropped and called again at any time, and must lose nothing by that.
    fn next(&mut self) -> impl Future<Output = Wake> + Send;

    /// The chunks that say what is new.
    fn changes(&mut self) -> impl Future<Output = Vec<String>> + Send;

    /// What is written when nothing else was for a while.
    fn keepalive(&mut self) -> impl Future<Output = String> + Send;

    /// What is written when the server ends the answer.
    fn last_chunk(&self) -> Option<String> {
        None
    }

    /// The reader has closed the connection.
    fn reader_gone(&mut self) {}
}

/// The reader has closed the connection.
struct ReaderGone;

impl From<mpsc::error::SendError<Bytes>> for ReaderGone {
    fn from(_unread: mpsc::error::SendError<Bytes>) -> Self {
        Self
    }
}

/// Writes `opening` and then the content until the reader is gone, the time is over or `draining` is done.
pub(super) fn body<C: Content>(
    opening: String,
    content: C,
    timing: Timing,
    draining: impl Future<Output = ()> + Send + 'static,
) -> Body {
    let (chunks, mut read) = mpsc::channel(CHUNKS_MAX);
    tokio::spawn(run(opening, content, timing, draining, chunks));
    Body::from_stream(poll_fn(move |context| read.poll_recv(context).map(|bytes| bytes.map(Ok::<_, Infallible>))))
}

async fn run<C: Content>(
    opening: String,
    mut content: C,
    timing: Timing,
    draining: impl Future<Output = ()>,
    chunks: mpsc::Sender<Bytes>,
) {
    let ended = tokio::select! {
        ended = write(opening, &mut content, &timing, &chunks) => ended,
        () = chunks.closed() => Err(ReaderGone),
        () = draining => Ok(()),
    };
    match ended {
        Err(ReaderGone) => content.reader_gone(),
        Ok(()) => {
            if let Some(last) = content.last_chunk() {
                drop(chunks.send(last.into()).await);
            }
        }
    }
}

async fn write<C: Content>(
    opening: String,
    content: &mut C,
    timing: &Timing,
    chunks: &mpsc::Sender<Bytes>,
) -> Result<(), ReaderGone> {
    chunks.send(opening.into()).await?;
    let mut wrote_at = Instant::now();
    let ends_at = wrote_at + timing.max_age;
    let mut changed = timing.first_within.is_some();
    let mut is_first = changed;
    let mut due_at = wrote_at + timing.first_within.unwrap_or(timing.gap);
    loop {
        tokio::select! {
            wake = content.next() => match wake {
                Wake::Changed => {
                    changed = true;
                    if std::mem::take(&mut is_first) {
                        due_at = Instant::now();
                    }
                }
                Wake::Chunk(chunk) => chunks.send(chunk.into()).await?,
                Wake::Handled => {}
            },
            () = sleep_until(due_at), if changed => {
                (changed, is_first) = (false, false);
                let now = Instant::now();
                due_at = now + timing.gap;
                for chunk in content.changes().await {
                    chunks.send(chunk.into()).await?;
                    wrote_at = now;
                }
            }
            () = sleep_until(wrote_at + KEEPALIVE_EVERY) => {
                let keepalive = content.keepalive().await;
                chunks.send(keepalive.into()).await?;
                wrote_at = Instant::now();
            }
            () = sleep_until(ends_at) => return Ok(()),
        }
    }
}
