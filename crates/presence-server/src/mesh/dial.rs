//! Dials an address and checks which node answers: without it a connection could lead to any process.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::select_ok;
use presence_core::{DialError, NodeHash, Urgency};
use tokio::time::timeout;

use super::Carriers;
use super::connection::MeshConnection;
use crate::certificate::tls::SharedTrust;
use crate::config::{MeshAddress, MeshProtocol};
use crate::resolver::{ResolvedNames, look_up};

/// The time from the first packet to the other's name: two round trips of 0.8 s, a lost packet, and one more round trip if
/// this node has to prove its address.
const DIAL_WITHIN: Duration = Duration::from_secs(4);
/// A name in a node's address stands for one node; more numbers than this are its many interfaces.
const NUMBERS_MAX: usize = 4;

pub(super) type Dialled = Result<(MeshConnection, NodeHash), DialError>;

/// Dials other nodes, and learns their names.
pub(super) struct Dialler {
    pub(super) node: NodeHash,
    pub(super) carriers: Arc<Carriers>,
    pub(super) trust: SharedTrust,
    pub(super) known: ResolvedNames,
}

impl Dialler {
    /// Opens a link to the node at that address.
    pub(super) async fn dial(&self, address: &str) -> Dialled {
        timeout(DIAL_WITHIN, self.connect(address)).await.unwrap_or(Err(DialError::NoAnswer))
    }

    async fn connect(&self, text: &str) -> Dialled {
        let address = MeshAddress::parse(text).map_err(|_| DialError::Unreachable)?;
        let names = self.trust.read().names(&address, self.known.name_of(&address).as_ref());
        let numbers = look_up(&address).await.into_iter().take(NUMBERS_MAX);
        let dials = numbers.map(|number| self.connect_by(&names, &address, number).boxed()).collect::<Vec<_>>();
        // Side by side: one that does not answer must not take the time of the others.
        if dials.is_empty() {
            Err(DialError::Unreachable)
        } else {
            select_ok(dials).await.map(|(connected, _)| connected)
        }
    }

    async fn connect_by(&self, names: &[String], address: &MeshAddress, number: IpAddr) -> Dialled {
        let mut last = DialError::WrongName;
        for name in names {
            match self.connect_to(address.protocol, SocketAddr::new(number, address.port), name).await {
                Err(reason) => last = reason,
                connected => return connected,
            }
        }
        Err(last)
    }

    /// A dial is a link only after the other's first message: before that it may not have checked this node's certificate.
    async fn connect_to(&self, protocol: MeshProtocol, to: SocketAddr, name: &str) -> Dialled {
        let connection = self.carriers.dial(protocol, to, name).await?;
        let said = connection.ask(&Bytes::from(introduction(self.node)), Urgency::High).await;
        let said = said.ok_or_else(|| connection.reason())?;
        let node = introduced(&said, &connection)?;
        Ok((connection, node))
    }
}

/// The first message of either end: the hash of its name.
pub(super) fn introduction(node: NodeHash) -> Vec<u8> {
    node.0.to_be_bytes().to_vec()
}

/// The node at the other end. A certificate of another name ends the connection.
pub(super) fn introduced(said: &[u8], connection: &MeshConnection) -> Result<NodeHash, DialError> {
    let node = said.try_into().ok().map(|said| NodeHash(u64::from_be_bytes(said)));
    node.filter(|node| connection.speaks_for(*node)).ok_or_else(|| {
        connection.close(Some(DialError::WrongName));
        DialError::WrongName
    })
}
