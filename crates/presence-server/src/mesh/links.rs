//! The links of this node: one to every node that it reads, and one from every node that reads it. Without this file
//! connections would be made and nothing would come over them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use presence_core::{DialError, Input, LinkId, Linked, NodeHash, Urgency};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::connection::{Answer, Connection};
use super::inbound::Inbound;
use super::names::{Known, look_up};
use super::questions::Questions;
use super::quic::Quic;
use super::strangers::Strangers;
use super::tls::Tls;
use super::{ANSWER_WITHIN, Counts, MESSAGE_BYTES_MAX, MeshConfig};
use crate::certificate::tls::Trust;
use crate::config::{MeshAddress, MeshProtocol};

/// From the first packet to the other's name: two round trips of 0.8 s, a lost packet, and one more round trip where it
/// has to be shown that our address is our own.
const DIAL_WITHIN: Duration = Duration::from_secs(4);
/// Core knows at most 256 nodes, each by some addresses.
const DIALS_MAX: usize = 512;
/// A name in a node's address stands for one node; more numbers than this are its many interfaces.
const NUMBERS_MAX: usize = 4;
/// 256 nodes, each with an old connection that is not known to be dead yet.
const READERS_MAX: usize = 512;

type Dialled = Result<(Connection, NodeHash), DialError>;

/// All of them.
pub(super) struct Links {
    node: NodeHash,
    trust: Trust,
    quic: Quic,
    tls: Tls,
    inbound: Inbound,
    known: Known,
    delays: BTreeMap<MeshAddress, Duration>,
    questions: Questions,
    // A std lock: never held while anything is awaited.
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    dials: BTreeMap<String, AbortHandle>,
    reading: BTreeMap<LinkId, Link>,
    readers: BTreeMap<u64, Reader>,
    last: u64,
    closed: bool,
}

/// A node that we read. What comes from there may have to wait: [`Inbound::delayed`].
#[derive(Clone)]
struct Link {
    connection: Connection,
    inbound: Inbound,
}

/// A node that reads us.
struct Reader {
    node: NodeHash,
    connection: Connection,
}

impl Links {
    pub(super) fn new(
        config: &MeshConfig,
        inbound: Inbound,
        known: Known,
        strangers: &Strangers,
    ) -> anyhow::Result<Self> {
        let trust = Trust::new(&config.authority, config.name.as_str(), config.hash)?;
        let delays = config.delays.iter().map(|(at, delay)| Ok((MeshAddress::parse(at)?, *delay)));
        let delays = delays.collect::<anyhow::Result<_>>()?;
        Ok(Self {
            node: config.hash,
            quic: Quic::new(&trust, config.name.as_str(), config.reset_key, strangers.clone())?,
            tls: Tls::new(&trust, strangers.clone()),
            trust,
            inbound,
            known,
            delays,
            questions: Questions::default(),
            open: Mutex::default(),
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens there; answers with the port, which the system chooses where it is 0.
    pub(super) fn listen(self: &Arc<Self>, at: &MeshAddress) -> anyhow::Result<u16> {
        let links = Arc::clone(self);
        let to = at.socket()?;
        match at.protocol {
            MeshProtocol::Quic => {
                self.quic.listen(to, Arc::new(move |quic| links.clone().welcome(Connection::Quic(quic)).boxed()))
            }
            MeshProtocol::Tls => {
                self.tls.listen(to, Arc::new(move |tls| links.clone().welcome(Connection::Tls(tls)).boxed()))
            }
        }
    }

    /// A node that dialled us says who it is, and reads us from now on.
    async fn welcome(self: Arc<Self>, connection: Connection) -> Result<(), DialError> {
        let (said, answer) = connection.question().await.ok_or_else(|| connection.reason())?;
        let node = introduced(&said, &connection)?;
        let Some(number) = self.open().add_reader(Reader { node, connection: connection.clone() }) else {
            connection.close(None);
            return Err(DialError::Refused);
        };
        answer(introduction(self.node), Urgency::High);
        tracing::debug!(%node, "another node reads this one");
        tokio::spawn(async move {
            let links = Arc::clone(&self);
            connection.read_questions(move |bytes, answer| links.asked(bytes, answer)).await;
            tracing::debug!(%node, reason = connection.reason().code(), "that node reads this one no longer");
            self.open().readers.remove(&number);
        });
        Ok(())
    }

    fn asked(&self, bytes: Vec<u8>, answer: Answer) {
        match self.questions.keep(answer) {
            Some(question) => self.inbound.offer(Input::Asked { question, bytes }),
            None => Counts::count(&self.inbound.counts().inputs_dropped),
        }
    }

    /// Opens a link there, beside everything else; the end of it is told. A dial to that address that is under way begins
    /// again.
    pub(super) fn dial(self: &Arc<Self>, address: String) {
        let mut open = self.open();
        if let Some(earlier) = open.dials.remove(&address) {
            earlier.abort();
        }
        if open.closed || open.dials.len() >= DIALS_MAX {
            return self.inbound.deliver(Input::Dialled { address, result: Err(DialError::Busy) });
        }
        let (links, to) = (Arc::clone(self), address.clone());
        let dial = tokio::spawn(async move {
            let connected = timeout(DIAL_WITHIN, links.connect(&to)).await.unwrap_or(Err(DialError::NoAnswer));
            match connected {
                Ok((connection, node)) => links.read(to, connection, node).await,
                Err(reason) => {
                    links.open().dials.remove(&to);
                    links.inbound.counts().dial_failed(reason);
                    tracing::debug!(reason = reason.code(), "no link to {to}: {reason}");
                    links.inbound.send(Input::Dialled { address: to, result: Err(reason) }).await;
                }
            }
        });
        open.dials.insert(address, dial.abort_handle());
    }

    async fn connect(&self, text: &str) -> Dialled {
        let address = MeshAddress::parse(text).map_err(|_| DialError::Unreachable)?;
        let names = self.trust.names(&address, self.known.name_of(&address).as_ref());
        let mut last = DialError::Unreachable;
        for number in look_up(&address).await.into_iter().take(NUMBERS_MAX) {
            for name in &names {
                match self.connect_to(address.protocol, SocketAddr::new(number, address.port), name).await {
                    Err(reason) => last = reason,
                    connected => return connected,
                }
            }
        }
        Err(last)
    }

    /// A dial is a link only after the other's first word: before that it may not have looked at our certificate.
    async fn connect_to(&self, protocol: MeshProtocol, to: SocketAddr, name: &str) -> Dialled {
        let connection = match protocol {
            MeshProtocol::Quic => Connection::Quic(self.quic.dial(to, name).await?),
            MeshProtocol::Tls => Connection::Tls(self.tls.dial(to, name).await?),
        };
        let said = connection.ask(&Bytes::from(introduction(self.node)), Urgency::High).await;
        let said = said.ok_or_else(|| connection.reason())?;
        let node = introduced(&said, &connection)?;
        Ok((connection, node))
    }

    /// Tells core of the link, then reads until it ends.
    async fn read(&self, address: String, connection: Connection, node: NodeHash) {
        let delay = MeshAddress::parse(&address).ok().and_then(|address| self.delays.get(&address)).copied();
        let inbound = delay.map_or_else(|| self.inbound.clone(), |one_way| self.inbound.delayed(one_way));
        let link = {
            let mut open = self.open();
            open.dials.remove(&address);
            open.last += 1;
            let link = LinkId(open.last);
            open.reading.insert(link, Link { connection: connection.clone(), inbound: inbound.clone() });
            link
        };
        tracing::debug!(link.id = link.0, %node, "reading from {address}");
        self.inbound.send(Input::Dialled { address, result: Ok(Linked { link, node }) }).await;
        connection.read_messages(move |bytes| inbound.offer(Input::Received { link, bytes })).await;
        if self.open().reading.remove(&link).is_some() {
            tracing::debug!(link.id = link.0, %node, reason = connection.reason().code(), "lost the link to that node");
            self.inbound.deliver(Input::LinkLost { link });
        }
    }

    /// Asks; exactly one answer is told, if only that there is none.
    pub(super) fn ask(&self, link: LinkId, question: u64, bytes: Vec<u8>, urgency: Urgency) {
        let link = self.open().reading.get(&link).filter(|_| bytes.len() <= MESSAGE_BYTES_MAX).cloned();
        let Some(Link { connection, inbound }) = link else {
            return self.inbound.deliver(Input::Answered { question, bytes: None });
        };
        tokio::spawn(async move {
            let answer = timeout(ANSWER_WITHIN, connection.ask(&bytes.into(), urgency)).await;
            inbound.answer(Input::Answered { question, bytes: answer.ok().flatten() });
        });
    }

    /// Says it to one reader, or to all. What a reader has no room for is dropped: to wait would hold up all the others.
    pub(super) fn publish(&self, to: Option<NodeHash>, bytes: Vec<u8>, urgency: Urgency) {
        let (counts, bytes) = (self.inbound.counts(), Bytes::from(bytes));
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Counts::count(&counts.oversized);
        }
        for reader in self.open().readers.values().filter(|reader| to.is_none_or(|to| to == reader.node)) {
            if !reader.connection.publish(&bytes, urgency) {
                Counts::count(&counts.messages_dropped);
            }
        }
    }

    /// Answers, if that question is still open.
    pub(super) fn reply(&self, question: u64, bytes: Vec<u8>, urgency: Urgency) {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Counts::count(&self.inbound.counts().oversized);
        }
        if let Some(answer) = self.questions.take(question) {
            answer(bytes, urgency);
        }
    }

    /// Closes one.
    pub(super) fn hang_up(&self, link: LinkId) {
        let closed = self.open().reading.remove(&link);
        if let Some(Link { connection, .. }) = closed {
            tracing::debug!(link.id = link.0, "closed the link");
            connection.close(None);
        }
    }

    /// Closes all, and whatever is being dialled.
    pub(super) async fn close(&self) {
        let Open { dials, reading, readers, .. } =
            std::mem::replace(&mut *self.open(), Open { closed: true, ..Open::default() });
        dials.into_values().for_each(|dial| dial.abort());
        let connections = reading.into_values().map(|link| link.connection);
        for connection in connections.chain(readers.into_values().map(|reader| reader.connection)) {
            connection.close(None);
        }
        self.tls.close();
        self.quic.close().await;
    }
}

impl Open {
    fn add_reader(&mut self, reader: Reader) -> Option<u64> {
        if self.closed || self.readers.len() >= READERS_MAX {
            return None;
        }
        self.last += 1;
        self.readers.insert(self.last, reader);
        Some(self.last)
    }
}

/// What either end says first: the hash of its name.
fn introduction(node: NodeHash) -> Vec<u8> {
    node.0.to_be_bytes().to_vec()
}

/// Which node that is. A certificate that does not speak for it ends the connection.
fn introduced(said: &[u8], connection: &Connection) -> Result<NodeHash, DialError> {
    let node = said.try_into().ok().map(|said| NodeHash(u64::from_be_bytes(said)));
    node.filter(|node| connection.speaks_for(*node)).ok_or_else(|| {
        connection.close(Some(DialError::WrongName));
        DialError::WrongName
    })
}
