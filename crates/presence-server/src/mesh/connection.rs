//! One authenticated connection between two nodes, over QUIC or over TLS; its users need not know which.

use std::sync::Arc;

use bytes::Bytes;
use presence_core::{DialError, NodeHash, Urgency};

use super::{Counts, quic, tls};
use crate::certificate::tls::speaks_for;
use crate::mux;

/// A connection. Cheap to clone. The end that dialled reads and asks, the other publishes and answers.
#[derive(Clone)]
pub(super) enum MeshConnection {
    Quic(quic::QuicConnection),
    Tls(tls::TlsConnection),
}

/// The way back to the node that asked. If it is dropped without an answer, that node knows that there is none.
pub(super) type AnswerSender = Box<dyn FnOnce(Vec<u8>, Urgency) + Send>;

impl MeshConnection {
    /// Whether the certificate of the other end may speak for that node.
    pub(super) fn speaks_for(&self, node: NodeHash) -> bool {
        let shown = match self {
            Self::Quic(quic) => quic.certificate(),
            Self::Tls(tls) => tls.certificate.clone(),
        };
        shown.is_some_and(|certificate| speaks_for(&certificate, node))
    }

    /// Sends a message; returns false if there is no room for it now, and it is dropped. Counts those that are dropped later.
    pub(super) fn publish(&self, bytes: &Bytes, urgency: Urgency, counts: &Arc<Counts>) -> bool {
        match self {
            Self::Quic(quic) => quic.publish(bytes, priority(urgency), counts),
            Self::Tls(tls) => tls.mux.publish(bytes, priority(urgency), &counts.messages_dropped),
        }
    }

    /// Asks the other end. If the future is dropped, the question is withdrawn.
    pub(super) async fn ask(&self, bytes: &Bytes, urgency: Urgency) -> Option<Vec<u8>> {
        match self {
            Self::Quic(quic) => quic.ask(bytes, priority(urgency)).await,
            Self::Tls(tls) => tls.mux.ask(bytes, priority(urgency)).await,
        }
    }

    /// Passes on what the other end publishes, until the connection ends.
    pub(super) async fn read_messages(&self, deliver: impl Fn(Vec<u8>) + Clone + Send + 'static) {
        match self {
            Self::Quic(quic) => quic.read_messages(deliver).await,
            Self::Tls(tls) => {
                while let Some(bytes) = tls.mux.message().await {
                    deliver(bytes);
                }
            }
        }
    }

    /// The next question, with the way back.
    pub(super) async fn question(&self) -> Option<(Vec<u8>, AnswerSender)> {
        match self {
            Self::Quic(quic) => quic.question().await.map(|(bytes, answer)| (bytes, over_quic(answer))),
            Self::Tls(tls) => tls.mux.question().await.map(|(bytes, answer)| (bytes, over_tls(answer))),
        }
    }

    /// Passes on each question of the other end with the way back, until the connection ends.
    pub(super) async fn read_questions(&self, deliver: impl Fn(Vec<u8>, AnswerSender) + Clone + Send + 'static) {
        match self {
            Self::Quic(quic) => quic.read_questions(move |bytes, answer| deliver(bytes, over_quic(answer))).await,
            Self::Tls(tls) => {
                while let Some((bytes, answer)) = tls.mux.question().await {
                    deliver(bytes, over_tls(answer));
                }
            }
        }
    }

    /// Ends it, for this reason if any.
    pub(super) fn close(&self, why: Option<DialError>) {
        match self {
            Self::Quic(quic) => quic.close(why),
            Self::Tls(tls) => tls.mux.close(),
        }
    }

    /// Why it has ended.
    pub(super) fn reason(&self) -> DialError {
        match self {
            Self::Quic(quic) => quic.reason(),
            Self::Tls(tls) => tls.reason(),
        }
    }
}

/// Answers wait for all messages.
fn over_quic(answer: quic::QuicAnswer) -> AnswerSender {
    Box::new(move |bytes, urgency| answer.send(bytes.into(), priority(urgency).min(0)))
}

fn over_tls(answer: mux::MuxAnswer) -> AnswerSender {
    Box::new(move |bytes, urgency| answer.send(bytes.into(), priority(urgency).min(0)))
}

/// The order in which waiting bytes are sent.
fn priority(urgency: Urgency) -> i32 {
    match urgency {
        Urgency::Heartbeat => 3,
        Urgency::High => 2,
        Urgency::Low => -1,
    }
}
