//! Tabs that go on at another node, carried between this node's visitors and the other nodes.

use crate::discovery::PendingRequest;
use crate::id::NodeHash;
use crate::io::output::{Output, Urgency};
use crate::node::Node;
use crate::presence::row::{TableKey, Took};
use crate::time::Now;
use crate::wire::{self, Request, TabMoved, TabMovedAnswer};

/// At most this many nodes are asked about one tab.
const ASKED_MAX: usize = 8;

impl Node {
    /// Asks the nodes on which a user has tabs whether the one that has just joined here is one of them.
    pub(super) fn ask_about_moves(&mut self, now: Now) {
        for moved in self.local.take_moves() {
            let elsewhere = self.presence.open_elsewhere(&moved.key, self.me.table());
            let elsewhere: Vec<TableKey> = elsewhere.take(ASKED_MAX).collect();
            let asked = elsewhere.into_iter().filter(|table| self.ask_about_move(table.node, moved)).count();
            self.local.asked(moved, asked, &mut self.presence, now.mono);
        }
    }

    /// Returns whether the node can be asked.
    fn ask_about_move(&mut self, node: NodeHash, moved: TabMoved) -> bool {
        let (request, about) = (Request::TabMoved(moved), PendingRequest::TabMoved { node, moved });
        self.discovery.ask(node, &request, about, Urgency::High, &mut self.out).is_some()
    }

    /// A tab has joined at the node that asks: what it has here ends.
    pub(super) fn tab_moved(&mut self, moved: TabMoved, now: Now) -> TabMovedAnswer {
        let ended = self.local.end_moved(moved, &mut self.presence, now.mono);
        let connection = ended.and_then(|ended| ended.connection);
        connection.into_iter().for_each(|connection| self.out.push(Output::Close { connection }));
        TabMovedAnswer { seen: ended.map(|ended| ended.seen) }
    }

    /// A node that was asked about a tab has answered, or not within its time.
    pub(super) fn move_answered(&mut self, node: NodeHash, moved: TabMoved, bytes: Option<&[u8]>, now: Now) {
        let answer = bytes.and_then(wire::read_answer::<TabMovedAnswer>);
        let took = answer.and_then(|(sender, answer)| {
            let table = Some(self.me.table_of(&sender)).filter(|table| table.node == node)?;
            Some(Took { table, tabs: 1, seen: answer.seen? })
        });
        self.local.move_answered(moved, took, &mut self.presence, now.mono);
    }
}
