//! Whether the other nodes count this node's visitors. Each says in its heartbeats how many rows of some other nodes it
//! counts. Only the owner of the rows can tell that such a number is wrong: the other node, or the link to it, has a fault.

use std::collections::VecDeque;

use crate::id::NodeHash;
use crate::io::mesh_view::PeerState;
use crate::io::output::Severity;
use crate::membership::Membership;
use crate::membership::rotation::in_turn;
use crate::outputs::Outputs;
use crate::presence::row::TableKey;
use crate::time::Mono;
use crate::wire::CountedTable;

/// Most nodes of which one heartbeat says how many rows are counted. If there are more, they take turns.
const COUNTED: usize = 4;
/// This node's last heartbeats that a number is compared with: one a second, so a number may be that many seconds old.
const COMPARED: usize = 32;
/// The operator is told of a difference that lasts this long.
const TOLD_AFTER_MS: u64 = 5_000;

/// How many rows this node had at its last heartbeats.
#[derive(Debug, Default)]
pub(super) struct Beliefs {
    own: VecDeque<OwnRows>,
    turn: usize,
}

#[derive(Clone, Copy, Debug)]
struct OwnRows {
    sequence: u64,
    rows: u64,
}

/// Another node's count of this node's rows is wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    since: Mono,
    counted: u64,
    told: bool,
}

impl Beliefs {
    fn note(&mut self, sequence: u64, rows: u64) {
        self.own.push_back(OwnRows { sequence, rows });
        if self.own.len() > COMPARED {
            self.own.pop_front();
        }
    }

    /// Whether another node's count of this node's rows is right; `None` if that can't be known.
    fn is_right(&self, me: TableKey, counted: &CountedTable) -> Option<bool> {
        if counted.table != me {
            return Some(false);
        }
        let mut same = self.own.iter().filter(|own| own.sequence == counted.upto).peekable();
        if same.peek().is_some() {
            return Some(same.any(|own| own.rows == counted.rows));
        }
        let none_of_many = counted.rows == 0 && self.own.iter().all(|own| own.rows > 0);
        let long_ago = self.own.len() == COMPARED && self.own.iter().all(|own| own.sequence > counted.upto);
        (none_of_many || long_ago).then_some(false)
    }
}

impl Membership {
    /// The nodes whose counted rows the next heartbeat names.
    pub(crate) fn counted_in_turn(&mut self) -> Vec<TableKey> {
        let all: Vec<TableKey> =
            self.peers.iter().filter(|(_, peer)| !peer.left()).map(|(hash, peer)| peer.table(*hash)).collect();
        in_turn(&all, &mut self.beliefs.turn, COUNTED)
    }

    /// Notes how many rows this node has at a heartbeat.
    pub(crate) fn note_own_rows(&mut self, sequence: u64, rows: u64) {
        self.beliefs.note(sequence, rows);
    }

    /// Compares what another node says that it counts of this one, if it names this one.
    pub(crate) fn compare_counted(
        &mut self,
        me: TableKey,
        from: NodeHash,
        all: &[CountedTable],
        now: Mono,
        out: &mut Outputs,
    ) {
        let Some(counted) = all.iter().find(|counted| counted.table.node == me.node) else { return };
        let Some(right) = self.beliefs.is_right(me, counted).filter(|_| !self.is_draining()) else { return };
        let own = self.beliefs.own.back().map_or(0, |own| own.rows);
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if right {
            if peer.doubt.take().is_some_and(|doubt| doubt.told) {
                let text = format!("Node {} counts the visitors of this node again.", peer.name);
                out.notice(Severity::Info, &peer.name, &peer.region, text);
            }
            return;
        }
        let counted = if counted.table == me { counted.rows } else { 0 };
        let doubt = peer.doubt.get_or_insert(Doubt { since: now, counted, told: false });
        doubt.counted = counted;
        if !doubt.told && now.since(doubt.since) >= TOLD_AFTER_MS {
            doubt.told = true;
            let text = doubted(peer.name.as_str(), counted, own);
            out.notice(Severity::Warning, &peer.name, &peer.region, text);
        }
    }

    /// A sentence about each live node whose count of this node's rows has been wrong for a while.
    pub(crate) fn doubters(&self) -> impl Iterator<Item = String> {
        let own = self.beliefs.own.back().map_or(0, |own| own.rows);
        let live = self.peers.values().filter(|peer| peer.state == PeerState::Live && peer.is_doubting());
        live.map(move |peer| doubted(peer.name.as_str(), peer.doubt.map_or(0, |doubt| doubt.counted), own))
    }
}

impl Doubt {
    pub(super) fn is_told(self) -> bool {
        self.told
    }
}

fn doubted(name: &str, counted: u64, own: u64) -> String {
    format!(
        "Node {name} does not count the visitors of this node: it has {counted} of {own} rows. Check that it can reach this node."
    )
}
