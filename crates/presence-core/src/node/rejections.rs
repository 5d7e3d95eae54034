//! Messages of other nodes that are rejected: counted by the link that they came over, and logged at most once a minute.

use std::collections::BTreeMap;
use std::fmt;

use crate::id::{NodeHash, NodeName};
use crate::io::output::{Notice, Output, Severity};
use crate::membership::PEERS_MAX;
use crate::node::Node;
use crate::time::Mono;

/// The operator hears of the same node and reason this often.
const TOLD_MS: u64 = 60_000;

/// Why a message of another node is rejected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Rejection {
    /// It is cut short, too long or no message.
    Malformed,
    /// One of its fields has a value that no node has.
    OutOfRange,
    /// Its sender is not the node that the link's certificate names.
    OtherSender,
    /// It is not signed with the key that its sender was first heard with.
    OtherKey,
    /// It is relayed, and its author's signature is missing or wrong.
    NotSigned,
    /// It relays rows that their author does not have.
    DeniedRows,
    /// It brings more facts than one link may in a second.
    OverQuota,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "they could not be read",
            Self::OutOfRange => "they hold values that no node has",
            Self::OtherSender => "they are in the name of another node than its certificate's",
            Self::OtherKey => {
                "they are not signed with the key of that name; a node whose key has changed without a stop is heard \
                 again a minute after it was last heard"
            }
            Self::NotSigned => "it relays them without a valid signature of their author",
            Self::DeniedRows => "they hold rows that their author does not have",
            Self::OverQuota => "they hold more facts than one node may send in a second",
        })
    }
}

#[derive(Debug, Default)]
struct Rejected {
    count: u64,
    told_at: Option<Mono>,
}

/// What was rejected, by the node that the link's certificate names.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    by_link: BTreeMap<(NodeHash, Rejection), Rejected>,
    total: u64,
}

impl Rejections {
    /// Counts one. Returns how many there were since the operator was last told, if it is time to tell.
    fn add(&mut self, from: NodeHash, why: Rejection, now: Mono) -> Option<u64> {
        self.total += 1;
        // Links are at most that many: only those of nodes that have left make room.
        if self.by_link.len() >= 8 * PEERS_MAX {
            self.by_link.retain(|_, rejected| rejected.told_at.is_some_and(|at| now.since(at) < TOLD_MS));
        }
        let rejected = self.by_link.entry((from, why)).or_default();
        rejected.count += 1;
        if rejected.told_at.is_some_and(|at| now.since(at) < TOLD_MS) {
            return None;
        }
        rejected.told_at = Some(now);
        Some(std::mem::take(&mut rejected.count))
    }
}

impl Node {
    /// Rejects a message that came over the link of that node.
    pub(super) fn reject(&mut self, from: NodeHash, why: Rejection, now: Mono) {
        let Some(count) = self.rejections.add(from, why, now) else { return };
        let peer = self.membership.peer(from);
        let name = peer.map_or_else(|| from.to_string(), |peer| peer.name.as_str().to_owned());
        let message =
            format!("Rejected {count} messages of node {name}: {why}. It may run another version, or be broken.");
        let (region, peer) = (peer.map(|peer| peer.region.clone()), NodeName::new(&name));
        let peer = peer.map(|name| name.as_str().to_owned());
        self.out.push(Output::Tell(Notice { severity: Severity::Warning, peer, region, message }));
    }

    /// When each fact was stamped, and when it ends: for tests.
    #[doc(hidden)]
    pub fn fact_times(&self) -> Vec<(u64, u64)> {
        self.facts.times().collect()
    }

    /// How many messages of other nodes were rejected: for tests.
    #[doc(hidden)]
    pub fn rejected(&self) -> u64 {
        self.rejections.total
    }
}
