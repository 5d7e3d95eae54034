//! One QUIC connection between two nodes: each message, question and answer is a stream, so that none waits for a lost one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use presence_core::DialError;
use quinn::{ConnectionError, RecvStream, SendStream, VarInt};
use rustls::pki_types::CertificateDer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::super::{Counts, MESSAGE_BYTES_MAX, MESSAGE_WITHIN};
use crate::certificate::tls::reason_of_alert;

/// Most bytes of messages that one connection may have half read: eight of the longest. Of answers twice as many.
const READING_BYTES_MAX: usize = 8 * MESSAGE_BYTES_MAX;
/// Whatever is not here whole after this long is given up: its author has long sent something newer.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// What may wait for the window of one reader, beside what is on its way.
const WAITING_BYTES_MAX: usize = MESSAGE_BYTES_MAX;
/// An answer is written in pieces: between two of them everything more urgent has its turn.
const PIECE_BYTES: usize = 32 << 10;
/// The close code that says that the certificate does not speak for the node.
pub(super) const WRONG_NAME: u32 = 2;
/// TLS alerts as QUIC's error codes (RFC 9001, section 4.8).
const CRYPTO_ERRORS: u64 = 0x100;

/// Cheap to clone.
#[derive(Clone)]
pub(in super::super) struct QuicConnection {
    inner: quinn::Connection,
    reading: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// That this connection is no stranger's, for as long as it lives.
    _known: Arc<()>,
}

impl QuicConnection {
    pub(super) fn new(inner: quinn::Connection, known: Arc<()>) -> Self {
        let most = [READING_BYTES_MAX, 2 * READING_BYTES_MAX, WAITING_BYTES_MAX];
        let [reading, answers, waiting] = most.map(|bytes| Arc::new(Semaphore::new(bytes)));
        Self { inner, reading, answers, waiting, _known: known }
    }

    /// The certificate that the other end has shown.
    pub(in super::super) fn certificate(&self) -> Option<CertificateDer<'static>> {
        let shown = self.inner.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        shown.into_iter().next()
    }

    /// Sends a message now or not at all: false where the reader grants no stream, or too much waits for it already.
    pub(in super::super) fn publish(&self, bytes: &Bytes, priority: i32, counts: &Arc<Counts>) -> bool {
        let Some(Ok(mut stream)) = self.inner.open_uni().now_or_never() else { return false };
        let _ = stream.set_priority(priority);
        let mut rest = [bytes.clone()];
        match stream.write_chunks(&mut rest).now_or_never() {
            Some(Err(_)) => false,
            Some(Ok(written)) if written.bytes == bytes.len() => stream.finish().is_ok(),
            _ => self.publish_later(stream, rest, Arc::clone(counts)),
        }
    }

    /// The window is full: the rest of a message waits, for a second at the most, and is counted if it is dropped then.
    fn publish_later(&self, mut stream: SendStream, mut rest: [Bytes; 1], counts: Arc<Counts>) -> bool {
        let Some(waiting) = room(&self.waiting, rest[0].len()) else {
            let _ = stream.reset(VarInt::from_u32(0));
            return false;
        };
        tokio::spawn(async move {
            let _waiting = waiting;
            if !matches!(timeout(MESSAGE_WITHIN, stream.write_all_chunks(&mut rest)).await, Ok(Ok(()))) {
                // Without this the reader would take the first part for the whole.
                let _ = stream.reset(VarInt::from_u32(0));
                Counts::count(&counts.messages_dropped);
            }
        });
        true
    }

    /// Asks the other end. Dropped, the question is withdrawn.
    pub(in super::super) async fn ask(&self, bytes: &Bytes, priority: i32) -> Option<Vec<u8>> {
        let (question, answer) = self.inner.open_bi().await.ok()?;
        let _ = question.set_priority(priority);
        let mut question = QuicAnswer(Some(question));
        question.0.as_mut()?.write_all(bytes).await.ok()?;
        question.0.take()?.finish().ok()?;
        read(answer, &self.answers).await
    }

    /// Hands over what the other end publishes, until the connection ends.
    pub(in super::super) async fn read_messages(&self, deliver: impl Fn(Vec<u8>) + Clone + Send + 'static) {
        while let Ok(stream) = self.inner.accept_uni().await {
            at_once_or_later(read_in_time(stream, Arc::clone(&self.reading)), deliver.clone());
        }
    }

    /// The next question, with the way back.
    pub(in super::super) async fn question(&self) -> Option<(Vec<u8>, QuicAnswer)> {
        let (answer, question) = self.inner.accept_bi().await.ok()?;
        let answer = QuicAnswer(Some(answer));
        Some((read(question, &self.reading).await?, answer))
    }

    /// Hands over what the other end asks, each with the way back, until the connection ends.
    pub(in super::super) async fn read_questions(&self, take: impl Fn(Vec<u8>, QuicAnswer) + Clone + Send + 'static) {
        while let Ok((answer, question)) = self.inner.accept_bi().await {
            let (take, answer) = (take.clone(), QuicAnswer(Some(answer)));
            at_once_or_later(read_in_time(question, Arc::clone(&self.reading)), move |bytes| take(bytes, answer));
        }
    }

    /// Ends it; the other end knows within a round trip.
    pub(in super::super) fn close(&self, why: Option<DialError>) {
        let code = if why == Some(DialError::WrongName) { WRONG_NAME } else { 0 };
        self.inner.close(VarInt::from_u32(code), b"");
    }

    /// Why it has ended, or will have once nothing is heard for too long.
    pub(in super::super) fn reason(&self) -> DialError {
        self.inner.close_reason().map_or(DialError::NoAnswer, |error| reason_of(&error))
    }
}

async fn read_in_time(stream: RecvStream, reading: Arc<Semaphore>) -> Option<Vec<u8>> {
    timeout(READ_WITHIN, read(stream, &reading)).await.ok().flatten()
}

/// Reads a stream to its end. `None`: it was broken off, or is too long, or too much is being read already.
async fn read(mut stream: RecvStream, reading: &Arc<Semaphore>) -> Option<Vec<u8>> {
    let (mut bytes, mut held) = (Vec::new(), Vec::new());
    while let Some(chunk) = stream.read_chunk(MESSAGE_BYTES_MAX, true).await.ok()? {
        let room = room(reading, chunk.bytes.len());
        if room.is_none() || bytes.len() + chunk.bytes.len() > MESSAGE_BYTES_MAX {
            let _ = stream.stop(VarInt::from_u32(0));
            return None;
        }
        held.extend(room);
        bytes.extend_from_slice(&chunk.bytes);
    }
    Some(bytes)
}

/// Reserves that many bytes, for as long as the permit is kept.
fn room(of: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    Arc::clone(of).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
}

/// A stream that is reset unless all of it was sent; quinn would end it, and a part would pass for the whole.
pub(in super::super) struct QuicAnswer(Option<SendStream>);

impl QuicAnswer {
    /// Sends the answer beside everything else, behind all messages.
    pub(in super::super) fn send(mut self, bytes: Bytes, priority: i32) {
        let Some(mut stream) = self.0.take() else { return };
        let _ = stream.set_priority(priority);
        tokio::spawn(async move {
            if !matches!(timeout(READ_WITHIN, write_pieces(&mut stream, bytes)).await, Ok(Ok(()))) {
                let _ = stream.reset(VarInt::from_u32(0));
            }
        });
    }
}

async fn write_pieces(stream: &mut SendStream, mut bytes: Bytes) -> Result<(), quinn::WriteError> {
    while !bytes.is_empty() {
        stream.write_chunk(bytes.split_to(bytes.len().min(PIECE_BYTES))).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

impl Drop for QuicAnswer {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.0 {
            let _ = stream.reset(VarInt::from_u32(0));
        }
    }
}

/// Most streams are a packet, and here whole when they are seen: those need no task.
fn at_once_or_later(
    read: impl Future<Output = Option<Vec<u8>>> + Send + 'static,
    then: impl FnOnce(Vec<u8>) + Send + 'static,
) {
    let mut read = Box::pin(read);
    match read.as_mut().now_or_never() {
        Some(Some(bytes)) => then(bytes),
        Some(None) => {}
        None => drop(tokio::spawn(async move {
            if let Some(bytes) = read.await {
                then(bytes);
            }
        })),
    }
}

/// What the end of a connection says to an operator.
pub(super) fn reason_of(error: &ConnectionError) -> DialError {
    let of_code = |code: u64| {
        let alert = code.checked_sub(CRYPTO_ERRORS).and_then(|alert| u8::try_from(alert).ok());
        alert.and_then(reason_of_alert)
    };
    match error {
        ConnectionError::VersionMismatch => DialError::OtherVersion,
        ConnectionError::TransportError(error) => of_code(error.code.into()).unwrap_or(DialError::Protocol),
        ConnectionError::ConnectionClosed(close) => match u64::from(close.error_code) {
            2 => DialError::Refused,
            code => of_code(code).unwrap_or(DialError::Protocol),
        },
        ConnectionError::ApplicationClosed(close) if close.error_code == VarInt::from_u32(WRONG_NAME) => {
            DialError::WrongName
        }
        ConnectionError::ApplicationClosed(_) => DialError::Refused,
        ConnectionError::Reset | ConnectionError::TimedOut => DialError::NoAnswer,
        ConnectionError::LocallyClosed | ConnectionError::CidsExhausted => DialError::Busy,
    }
}
