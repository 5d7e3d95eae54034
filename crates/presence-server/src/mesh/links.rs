//! The links of this node: to every node that it reads, and from every node that reads it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use presence_core::{DialError, Input, LinkId, Linked, NodeHash, Recipients, Urgency};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::connection::{AnswerSender, MeshConnection};
use super::dial::{Dialler, introduced, introduction};
use super::inbound::Inbound;
use super::{ANSWER_WITHIN, Counts, MESSAGE_BYTES_MAX};
use crate::config::MeshAddress;

/// Core knows at most 256 nodes, each by some addresses.
const DIALS_MAX: usize = 512;
/// 256 nodes, each with an old connection that is not known to be dead yet.
const READERS_MAX: usize = 512;
const READERS_MAX_OF_ONE: usize = 2;
/// 256 nodes with four pages each in flight; a question beyond that has no answer.
const QUESTIONS_MAX: usize = 1_024;

/// All links.
pub(super) struct Links {
    dialler: Dialler,
    inbound: Inbound,
    delays: BTreeMap<MeshAddress, Duration>,
    // Never held while anything is awaited.
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    dials: BTreeMap<String, AbortHandle>,
    reading: BTreeMap<LinkId, Link>,
    readers: BTreeMap<u64, Reader>,
    /// Questions of other nodes that wait for core's answer, for as long as those nodes wait.
    questions: BTreeMap<u64, oneshot::Sender<(Vec<u8>, Urgency)>>,
    last: u64,
    closed: bool,
}

/// A node that this one reads. What it sends may have to wait: [`Inbound::delayed`].
#[derive(Clone)]
struct Link {
    connection: MeshConnection,
    inbound: Inbound,
}

/// A node that reads this one.
struct Reader {
    node: NodeHash,
    connection: MeshConnection,
}

impl Links {
    pub(super) fn new(dialler: Dialler, inbound: Inbound, delays: BTreeMap<MeshAddress, Duration>) -> Self {
        Self { dialler, inbound, delays, open: Mutex::default() }
    }

    /// Learns which node dialled; it reads this one from now on.
    pub(super) async fn welcome(self: Arc<Self>, connection: MeshConnection) -> Result<(), DialError> {
        let (said, answer) = connection.question().await.ok_or_else(|| connection.reason())?;
        let node = introduced(&said, &connection)?;
        let Some(number) = self.open.lock().add_reader(Reader { node, connection: connection.clone() }) else {
            connection.close(None);
            return Err(DialError::Refused);
        };
        answer(introduction(self.dialler.node), Urgency::High);
        tracing::debug!(%node, "a node reads this one");
        tokio::spawn(async move {
            let links = Arc::clone(&self);
            connection.read_questions(move |bytes, answer| links.asked(node, bytes, answer)).await;
            tracing::debug!(%node, reason = connection.reason().code(), "a node no longer reads this one");
            self.open.lock().readers.remove(&number);
        });
        Ok(())
    }

    /// Passes a question to core, and its answer back. Core does not answer what it can't read; after a while the question ends
    /// without an answer, here and at the other end.
    fn asked(self: &Arc<Self>, from: NodeHash, bytes: Vec<u8>, answer: AnswerSender) {
        let (question, reply) = {
            let mut open = self.open.lock();
            if open.questions.len() >= QUESTIONS_MAX {
                return Counts::count(&self.inbound.counts().inputs_dropped);
            }
            let (reply_tx, reply) = oneshot::channel();
            open.last += 1;
            let question = open.last;
            open.questions.insert(question, reply_tx);
            (question, reply)
        };
        self.inbound.offer(Input::Asked { question, from, bytes });
        let links = Arc::clone(self);
        tokio::spawn(async move {
            if let Ok(Ok((bytes, urgency))) = timeout(ANSWER_WITHIN, reply).await {
                answer(bytes, urgency);
            }
            links.open.lock().questions.remove(&question);
        });
    }

    /// Opens a link there, in a task of its own that reports the result. A dial to that address that is under way is
    /// restarted.
    pub(super) fn dial(self: &Arc<Self>, address: String) {
        let mut open = self.open.lock();
        if let Some(earlier) = open.dials.remove(&address) {
            earlier.abort();
        }
        if open.closed || open.dials.len() >= DIALS_MAX {
            return self.inbound.deliver(Input::Dialled { address, result: Err(DialError::Busy) });
        }
        let (links, to) = (Arc::clone(self), address.clone());
        let dial = tokio::spawn(async move {
            let connected = links.dialler.dial(&to).await;
            match connected {
                Ok((connection, node)) => links.read(to, connection, node).await,
                Err(reason) => {
                    links.open.lock().dials.remove(&to);
                    links.inbound.counts().dial_failed(reason);
                    tracing::debug!(reason = reason.code(), "no link to {to}: {reason}");
                    let _ = links.inbound.inputs().send(Input::Dialled { address: to, result: Err(reason) }).await;
                }
            }
        });
        open.dials.insert(address, dial.abort_handle());
    }

    /// Tells core of the link, then reads until it ends.
    async fn read(&self, address: String, connection: MeshConnection, node: NodeHash) {
        let delay = MeshAddress::parse(&address).ok().and_then(|address| self.delays.get(&address)).copied();
        let inbound = delay.map_or_else(|| self.inbound.clone(), |one_way| self.inbound.delayed(one_way));
        let link = {
            let mut open = self.open.lock();
            open.dials.remove(&address);
            open.last += 1;
            let link = LinkId(open.last);
            open.reading.insert(link, Link { connection: connection.clone(), inbound: inbound.clone() });
            link
        };
        tracing::debug!(link.id = link.0, %node, "reading from {address}");
        let _ = self.inbound.inputs().send(Input::Dialled { address, result: Ok(Linked { link, node }) }).await;
        connection.read_messages(move |bytes| inbound.offer(Input::Received { link, bytes })).await;
        if self.open.lock().reading.remove(&link).is_some() {
            tracing::debug!(link.id = link.0, %node, reason = connection.reason().code(), "lost a link");
            self.inbound.deliver(Input::LinkLost { link });
        }
    }

    /// Asks. Core gets exactly one `Input::Answered`, which says so if there is no answer.
    pub(super) fn ask(&self, link: LinkId, question: u64, bytes: Vec<u8>, urgency: Urgency) {
        let link = self.open.lock().reading.get(&link).filter(|_| bytes.len() <= MESSAGE_BYTES_MAX).cloned();
        let Some(Link { connection, inbound }) = link else {
            return self.inbound.deliver(Input::Answered { question, bytes: None });
        };
        tokio::spawn(async move {
            let answer = timeout(ANSWER_WITHIN, connection.ask(&bytes.into(), urgency)).await;
            inbound.answer(Input::Answered { question, bytes: answer.ok().flatten() });
        });
    }

    /// Publishes to these readers. What a reader has no room for is dropped: waiting for it would delay all others.
    pub(super) fn publish(&self, to: &Recipients, bytes: Vec<u8>, urgency: Urgency) {
        let (counts, bytes) = (self.inbound.counts(), Bytes::from(bytes));
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Counts::count(&counts.oversized);
        }
        for reader in self.open.lock().readers.values().filter(|reader| to.includes(reader.node)) {
            if !reader.connection.publish(&bytes, urgency, counts) {
                Counts::count(&counts.messages_dropped);
            }
        }
    }

    /// Sends an answer, if that question is still open.
    pub(super) fn reply(&self, question: u64, bytes: Vec<u8>, urgency: Urgency) {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Counts::count(&self.inbound.counts().oversized);
        }
        if let Some(reply) = self.open.lock().questions.remove(&question) {
            let _ = reply.send((bytes, urgency));
        }
    }

    /// Closes one link.
    pub(super) fn hang_up(&self, link: LinkId) {
        let closed = self.open.lock().reading.remove(&link);
        if let Some(Link { connection, .. }) = closed {
            tracing::debug!(link.id = link.0, "closed a link");
            connection.close(None);
        }
    }

    /// Closes all links, and ends all dials.
    pub(super) async fn close(self: Arc<Self>) {
        let Open { dials, reading, readers, .. } =
            std::mem::replace(&mut *self.open.lock(), Open { closed: true, ..Open::default() });
        dials.into_values().for_each(|dial| dial.abort());
        let connections = reading.into_values().map(|link| link.connection);
        for connection in connections.chain(readers.into_values().map(|reader| reader.connection)) {
            connection.close(None);
        }
        self.dialler.carriers.close().await;
    }
}

impl Open {
    /// Removes an old connection of that node that is not known to be dead yet.
    fn add_reader(&mut self, reader: Reader) -> Option<u64> {
        let old: Vec<_> = self.readers.iter().filter(|(_, old)| old.node == reader.node).map(|(id, _)| *id).collect();
        if old.len() >= READERS_MAX_OF_ONE
            && let Some(oldest) = self.readers.remove(&old[0])
        {
            oldest.connection.close(None);
        }
        if self.closed || self.readers.len() >= READERS_MAX {
            return None;
        }
        self.last += 1;
        self.readers.insert(self.last, reader);
        Some(self.last)
    }
}
