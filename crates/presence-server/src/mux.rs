//! Messages, questions and answers over one stream of bytes, each in pieces, so that a long one does not delay a short one.
//! Without it links over TCP would deliver a page before the heartbeats that came after it.
//!
//! The end that dialled reads messages and asks; the other publishes and answers. What an end may not send is ignored.

mod frames;
mod write_queue;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

#[doc(hidden)]
pub use self::frames::{Broken, FrameReader, Kind, write_frame};
use self::write_queue::WriteQueue;

/// The longest message, question or answer.
pub const BYTES_MAX: usize = 1 << 20;
/// An end that sends nothing, or takes nothing, for this long is gone.
const SILENT_AFTER: Duration = Duration::from_secs(3);
/// Something is sent at least this often.
const KEEP_ALIVE: Duration = Duration::from_millis(600);
/// Messages or questions that were read and not yet received by the caller, and their bytes. More are dropped.
const READ_MAX: usize = 512;
const READ_BYTES_MAX: usize = 8 * BYTES_MAX;
/// Questions of the other end that may be open. More are refused.
const QUESTIONS_MAX: usize = 16;
/// A record of TLS.
const READ_BYTES: usize = 16 << 10;

/// One end of the stream. Cheap to clone; the stream is closed with the last clone.
#[derive(Clone)]
pub(crate) struct Mux {
    shared: Arc<MuxState>,
    pump: Arc<Pump>,
    read: Arc<AsyncMutex<mpsc::Receiver<Read>>>,
}

/// A message, or a question by its number, with what it takes of [`READ_BYTES_MAX`].
type Read = (u64, Vec<u8>, OwnedSemaphorePermit);

/// The task that reads and writes; it ends with this.
struct Pump(AbortHandle);

impl Drop for Pump {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Default)]
struct MuxState {
    outbox: Mutex<WriteQueue>,
    waits: Notify,
    asked: Mutex<OpenQuestions>,
    last: AtomicU64,
    /// A clone for each question of the other end that is open.
    answering: Arc<()>,
}

/// Questions of this end.
#[derive(Default)]
struct OpenQuestions {
    open: BTreeMap<u64, oneshot::Sender<Vec<u8>>>,
    /// Why the stream has ended, once it has.
    ended: Option<Arc<io::Error>>,
}

impl Mux {
    /// `dialled`: this end reads and asks; else it publishes and answers.
    pub(crate) fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static, dialled: bool) -> Self {
        let (read_tx, read) = mpsc::channel(READ_MAX);
        let shared = Arc::new(MuxState::default());
        let pump = tokio::spawn(Arc::clone(&shared).pump(stream, dialled, read_tx)).abort_handle();
        Self { shared, pump: Arc::new(Pump(pump)), read: Arc::new(AsyncMutex::new(read)) }
    }

    /// Sends a message, those of the highest priority first; returns whether there was room for it. Adds to `dropped` the earlier
    /// ones that have waited for too long.
    pub(crate) fn publish(&self, bytes: &Bytes, priority: i32, dropped: &AtomicU64) -> bool {
        dropped.fetch_add(self.shared.outbox.lock().take_late(), Ordering::Relaxed);
        self.shared.put(Kind::Message, self.shared.number(), bytes.clone(), priority)
    }

    /// Asks the other end. If the future is dropped, the answer is no longer waited for.
    pub(crate) async fn ask(&self, bytes: &Bytes, priority: i32) -> Option<Vec<u8>> {
        let (number, (answer_tx, answer)) = (self.shared.number(), oneshot::channel());
        {
            let mut asked = self.shared.asked.lock();
            if asked.ended.is_some() {
                return None;
            }
            asked.open.retain(|_, answer| !answer.is_closed());
            asked.open.insert(number, answer_tx);
        }
        if !self.shared.put(Kind::Question, number, bytes.clone(), priority) {
            return None;
        }
        answer.await.ok()
    }

    /// The next message; `None` once the stream has ended.
    pub(crate) async fn message(&self) -> Option<Vec<u8>> {
        self.read.lock().await.recv().await.map(|(_, bytes, _)| bytes)
    }

    /// The next question, with the way back; `None` once the stream has ended.
    pub(crate) async fn question(&self) -> Option<(Vec<u8>, MuxAnswer)> {
        loop {
            let (number, bytes, _) = self.read.lock().await.recv().await?;
            let open = Some(Arc::clone(&self.shared.answering));
            let answer = MuxAnswer { shared: Arc::clone(&self.shared), number, open };
            // One more than are open: the clone that is always there.
            if Arc::strong_count(&self.shared.answering) <= QUESTIONS_MAX + 1 {
                return Some((bytes, answer));
            }
        }
    }

    /// Closes the stream.
    pub(crate) fn close(&self) {
        self.pump.0.abort();
        self.shared.end(io::ErrorKind::NotConnected.into());
    }

    /// Why the stream has ended, once it has. `UnexpectedEof`: the other end closed it.
    pub(crate) fn ended(&self) -> Option<Arc<io::Error>> {
        self.shared.asked.lock().ended.clone()
    }
}

impl MuxState {
    fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed)
    }

    fn put(&self, kind: Kind, number: u64, bytes: Bytes, priority: i32) -> bool {
        let fits = self.outbox.lock().put(kind, number, bytes, priority);
        self.waits.notify_one();
        fits
    }

    /// Tells every caller that waits for an answer that none will come.
    fn end(&self, why: io::Error) {
        let mut asked = self.asked.lock();
        asked.ended.get_or_insert_with(|| Arc::new(why));
        asked.open.clear();
    }

    async fn pump(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        dialled: bool,
        read: mpsc::Sender<Read>,
    ) {
        let (reading, writing) = tokio::io::split(stream);
        let ended = tokio::select! {
            Err(error) = self.read(reading, dialled, &read) => error,
            Err(error) = self.write(writing) => error,
            else => io::ErrorKind::UnexpectedEof.into(),
        };
        self.end(ended);
    }

    async fn read(
        &self,
        mut stream: impl AsyncRead + Unpin,
        dialled: bool,
        read: &mpsc::Sender<Read>,
    ) -> io::Result<std::convert::Infallible> {
        let (mut frames, mut bytes) = (FrameReader::default(), vec![0; READ_BYTES]);
        let room = Arc::new(Semaphore::new(READ_BYTES_MAX));
        let keep = |number, bytes: Vec<u8>| {
            let permit = Arc::clone(&room).try_acquire_many_owned(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            drop(permit.map(|permit| read.try_send((number, bytes, permit))));
        };
        loop {
            let length = timeout(SILENT_AFTER, stream.read(&mut bytes)).await??;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let whole = |kind, number, bytes| match kind {
                Kind::Message if dialled => keep(number, bytes),
                Kind::Question if !dialled => keep(number, bytes),
                Kind::Answer if dialled => {
                    if let Some(answer) = self.asked.lock().open.remove(&number) {
                        let _ = answer.send(bytes);
                    }
                }
                Kind::NoAnswer if dialled => drop(self.asked.lock().open.remove(&number)),
                _ => {}
            };
            frames.read(&bytes[..length], whole).map_err(|Broken| io::ErrorKind::InvalidData)?;
        }
    }

    async fn write(&self, mut stream: impl AsyncWrite + Unpin) -> io::Result<std::convert::Infallible> {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            self.outbox.lock().take(&mut bytes);
            if bytes.is_empty() {
                timeout(SILENT_AFTER, stream.flush()).await??;
                if timeout(KEEP_ALIVE, self.waits.notified()).await.is_ok() {
                    continue;
                }
                write_frame(Kind::KeepAlive, 0, &[], true, &mut bytes);
            }
            timeout(SILENT_AFTER, stream.write_all(&bytes)).await??;
        }
    }
}

/// The way back to the end that asked. If it is dropped without an answer, that end is told that there is none.
pub(crate) struct MuxAnswer {
    shared: Arc<MuxState>,
    number: u64,
    open: Option<Arc<()>>,
}

impl MuxAnswer {
    pub(crate) fn send(mut self, bytes: Bytes, priority: i32) {
        if self.shared.put(Kind::Answer, self.number, bytes, priority) {
            self.open = None;
        }
    }
}

impl Drop for MuxAnswer {
    fn drop(&mut self) {
        if self.open.is_some() {
            self.shared.put(Kind::NoAnswer, self.number, Bytes::new(), i32::MAX);
        }
    }
}
