//! Messages from other nodes, each handed to the part that it is for: one handler for each kind.

use crate::discovery::PendingRequest;
use crate::id::{LinkId, NodeHash, PublicId, Room};
use crate::io::message::Message;
use crate::io::output::{Output, Severity, Urgency};
use crate::membership::heartbeat::ReceivedHeartbeat;
use crate::membership::peer::Path;
use crate::membership::relay::Relaying;
use crate::node::Node;
use crate::node::rejections::Rejection;
use crate::presence::row::TableKey;
use crate::pubsub;
use crate::replication::Comparison;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Now;
use crate::wire::{self, Broadcast, Bundle, Heartbeat, Leaving, NodeStatus, Relayed, Request, SenderId, Unreadable};

impl Node {
    /// Handles what a link delivered: its author's own message, or one of another node that it relays.
    pub(super) fn received(&mut self, link: LinkId, bytes: &[u8], now: Now) {
        let Some(certified) = self.discovery.node_at(link) else { return };
        let Some((sender, broadcast)) = self.readable(certified, Broadcast::read(bytes), now) else { return };
        let hash = self.me.table_of(&sender).node;
        if !self.discovery.speaks_for(link, &sender, hash, &self.membership, now.mono, &mut self.out) {
            return self.reject(certified, Rejection::OtherSender, now.mono);
        }
        if !self.discovery.is_proven(link) && !self.proves(link, &sender, &broadcast, bytes, now) {
            return;
        }
        if let Broadcast::Relayed(relayed) = broadcast {
            return self.relayed(hash, &relayed, now);
        }
        let relaying = Relaying::of(&broadcast);
        self.heard(&sender, broadcast, bytes, Path::DIRECT, now);
        if let Some(relaying) = relaying {
            self.membership.relay(self.me.hash, hash, bytes, relaying, now.mono, &mut self.out);
        }
    }

    /// The first signed message over a link shows whose it is: whether this one may be taken. What comes before it from a node
    /// whose key is known is dropped, and asked for later.
    fn proves(&mut self, link: LinkId, sender: &SenderId, broadcast: &Broadcast, bytes: &[u8], now: Now) -> bool {
        let node = self.me.table_of(sender).node;
        if !broadcast.proves_sender() {
            return !self.membership.knows_key_of(node);
        }
        if self.membership.believes_direct(&self.me, sender, bytes) {
            self.discovery.prove(link);
            return true;
        }
        self.discovery.close_link(link, &self.membership, now.mono, &mut self.out);
        self.reject(node, Rejection::OtherKey, now.mono);
        false
    }

    /// Handles a message that another node relays, unless the relay may have invented it.
    fn relayed(&mut self, via: NodeHash, relayed: &Relayed, now: Now) {
        let read = Broadcast::read(&relayed.message);
        let Some((author, inner)) = self.readable(via, read, now) else { return };
        if inner.is_signed() && !self.membership.believes_relayed(&self.me, &author, &relayed.message) {
            return self.reject(via, Rejection::NotSigned, now.mono);
        }
        // Rows come from their author where it is heard directly. A relay's are for nodes that can't hear it.
        let heard =
            self.membership.peer(self.me.table_of(&author).node).is_some_and(|peer| peer.heard_directly(now.mono));
        if heard && matches!(inner, Broadcast::Delta(_)) {
            return;
        }
        let path = Path { via: Some(via), age_ms: relayed.age_ms };
        self.heard(&author, inner, &relayed.message, path, now);
    }

    /// What could be read. A kind of a later version is no mistake.
    fn readable<T>(&mut self, from: NodeHash, read: Result<T, Unreadable>, now: Now) -> Option<T> {
        match read {
            Ok(message) => return Some(message),
            Err(Unreadable::UnknownKind) => {}
            Err(Unreadable::Malformed) => self.reject(from, Rejection::Malformed, now.mono),
            Err(Unreadable::OutOfRange) => self.reject(from, Rejection::OutOfRange, now.mono),
        }
        None
    }

    fn heard(&mut self, sender: &SenderId, broadcast: Broadcast, bytes: &[u8], path: Path, now: Now) {
        let hash = self.me.table_of(sender).node;
        if hash == self.me.hash {
            return;
        }
        match broadcast {
            Broadcast::Heartbeat(beat) => self.heard_heartbeat(sender, ReceivedHeartbeat { beat, bytes, path }, now),
            Broadcast::Delta(delta) if delta.after <= delta.upto => {
                if let Some(table) = self.hear_from(sender, path, now) {
                    self.replication.take_delta(table, delta, &mut self.presence, now.mono);
                }
            }
            Broadcast::Facts(bundle) => {
                self.take_facts(path.via.unwrap_or(hash), &bundle, now);
            }
            Broadcast::Draining(leaving) => {
                self.heard_draining(sender, leaving, path, now);
            }
            Broadcast::Goodbye(leaving) => {
                if let Some(table) = self.heard_draining(sender, leaving, path, now) {
                    self.heard_goodbye(table, now);
                }
            }
            Broadcast::Published(published) if published.body.len() <= Message::BODY_BYTES_MAX => {
                if let Some(table) = self.hear_from(sender, path, now) {
                    self.pubsub.deliver(table, published, path.via, self.me.digest, now.mono, &mut self.out);
                }
            }
            Broadcast::Dismissed(dismissed) => {
                if let Some(room) = Room::new(&dismissed.room)
                    && self.hear_from(sender, path, now).is_some()
                {
                    self.dismiss(&room, PublicId(dismissed.user));
                }
            }
            Broadcast::Status(status) if status.body.len() <= NodeStatus::BYTES_MAX => {
                if self.hear_from(sender, path, now).is_some() {
                    self.out.push(Output::StatusHeard { node: sender.name.clone(), body: status.body });
                }
            }
            Broadcast::Receipts(bundle) if path.via.is_none() => self.take_receipts(hash, &bundle, now),
            Broadcast::ReceiptReport(report) => self.receipts.take_report(hash, report),
            Broadcast::Delta(_)
            | Broadcast::Published(_)
            | Broadcast::Relayed(_)
            | Broadcast::Receipts(_)
            | Broadcast::Status(_) => {}
        }
    }

    /// Takes facts that came over the link of this node.
    fn take_facts(&mut self, from: NodeHash, bundle: &Bundle, now: Now) {
        let own = self.me.table();
        if !self.facts.take_all(own, from, bundle, self.membership.clock(now), now.mono, &mut self.out) {
            self.reject(from, Rejection::OverQuota, now.mono);
        }
    }

    fn hear_from(&mut self, sender: &SenderId, path: Path, now: Now) -> Option<TableKey> {
        let table = self.membership.hear_from(&self.me, sender, path, now, &mut self.out);
        self.settle_peers();
        table
    }

    fn heard_heartbeat(&mut self, sender: &SenderId, received: ReceivedHeartbeat<'_>, now: Now) {
        let (table, path) = (self.me.table_of(sender), received.path);
        let beat = self.membership.heard_heartbeat(&self.me, sender, received, now, &mut self.out);
        self.settle_peers();
        let Some(beat) = beat else { return };
        self.replication.announced(table, beat.sequence, now.mono);
        self.compare_rows(table, &beat, now);
        self.pubsub.heard_heartbeat(self.me.table(), table, &beat, &self.membership, now.mono);
        self.facts.compare(table.node, &beat, &self.membership, &mut self.discovery, now.mono, &mut self.out);
        self.heard_of_departed(table.node, &beat, path, now);
        self.membership.compare_counted(self.me.table(), table.node, &beat.counted, now.mono, &mut self.out);
    }

    /// Compares the rows of a node, as they are known here, with what it says of them.
    fn compare_rows(&mut self, table: TableKey, beat: &Heartbeat, now: Now) {
        if self.membership.is_held(table) {
            return;
        }
        match self.replication.compare(table, beat, &mut self.presence, now.mono) {
            Comparison::Equal => {}
            Comparison::Differs => {
                let Some(name) = self.membership.peer(table.node).map(|peer| peer.name.clone()) else { return };
                let text = format!("The replica of {name} differs from its own table; requesting all of its rows.");
                self.out.notice(Severity::Warning, &name, &beat.region, text);
            }
            Comparison::Denied { relay } => self.reject(relay, Rejection::DeniedRows, now.mono),
        }
    }

    /// A heartbeat names nodes that have left, and what its sender holds of them.
    fn heard_of_departed(&mut self, from: NodeHash, beat: &Heartbeat, path: Path, now: Now) {
        for (index, table) in beat.left.iter().copied().enumerate() {
            let theirs = beat.held.get(index).copied();
            let over = theirs.is_some_and(|held| held.left_ms <= path.age_ms);
            if over && !self.membership.is_held(table) && self.presence.table(table).is_none() {
                continue;
            }
            if self.membership.heard_of_departed(&self.me, table, theirs, path, now, &mut self.out) {
                self.settle_peers();
                self.replication.compare_held(from, table, theirs, &self.presence, now.mono);
            }
        }
    }

    fn heard_draining(&mut self, sender: &SenderId, leaving: Leaving, path: Path, now: Now) -> Option<TableKey> {
        let table = self.membership.heard_draining(&self.me, sender, leaving, path, now, &mut self.out);
        self.settle_peers();
        self.pubsub.told(table?, leaving.published, now.mono);
        self.replication.ends_at(table?, leaving.sequence, now.mono);
        table
    }

    /// What a node said before its goodbye may come later. The link stays open until all of that is known here, or it ends.
    fn heard_goodbye(&mut self, table: TableKey, now: Now) {
        self.membership.heard_goodbye(table.node, now, &mut self.out);
        self.settle_peers();
        if !self.replication.is_incomplete(table) {
            self.discovery.close_link_to(table.node, &self.membership, now.mono, &mut self.out);
        }
    }

    /// Makes a user leave a room here.
    pub(super) fn dismiss(&mut self, room: &Room, user: PublicId) {
        pubsub::dismiss(room, user, self.me.digest, &self.presence, &self.local, &mut self.out);
    }

    /// A request came: it is answered at once.
    pub(super) fn asked(&mut self, question: u64, from: NodeHash, bytes: &[u8], now: Now) {
        let Some((sender, request)) = self.readable(from, Request::read(bytes), now) else { return };
        if self.me.table_of(&sender).node != from && !injected(Fault::AnyNameAsks) {
            return self.reject(from, Rejection::OtherSender, now.mono);
        }
        let (me, own) = (&self.me, self.me.sender());
        let (bytes, urgency) = match request {
            Request::Hello(hello) => {
                let answer = self.discovery.hello(me, &sender, &hello, &mut self.membership, now.mono, &mut self.out);
                (wire::answer(&own, &answer), Urgency::High)
            }
            Request::Rows(request) => {
                let (sequence, presence) = (self.local.sequence(), &self.presence);
                let answer = self.replication.answer(me, request, sequence, presence, &self.membership, now.mono);
                (wire::answer(&own, &answer), Urgency::Low)
            }
            Request::Buckets(request) => (wire::answer(&own, &self.facts.bucket_sums(request)), Urgency::High),
            Request::Stamps(request) => {
                let limit = self.membership.clock(now).limit;
                (wire::answer(&own, &self.facts.bucket_stamps(&request, limit)), Urgency::Low)
            }
            Request::Fetch(request) => (wire::answer(&own, &self.facts.fetch(&request)), Urgency::Low),
            Request::Messages(request) => return self.asked_messages(question, &request, now),
            Request::TabMoved(moved) => (wire::answer(&own, &self.tab_moved(moved, now)), Urgency::High),
            Request::Offer(bundle) => {
                self.take_facts(from, &bundle, now);
                (wire::answer(&own, &self.facts.answer_to_offer(&bundle)), Urgency::High)
            }
        };
        self.out.push(Output::Reply { question, bytes, urgency });
    }

    /// A request of ours was answered, or not within its time.
    pub(super) fn answered(&mut self, question: u64, bytes: Option<&[u8]>, now: Now) {
        let Some(about) = self.discovery.answered(question) else { return };
        match (about, bytes) {
            (PendingRequest::Rows(table), bytes) => self.rows_answered(question, table, bytes, now),
            (PendingRequest::Hello(link), Some(bytes)) => {
                let (me, out) = (&self.me, &mut self.out);
                let higher = self.discovery.hello_answered(me, link, bytes, &self.membership, now, out);
                higher.into_iter().for_each(|incarnation| self.adopt_incarnation(incarnation));
            }
            (PendingRequest::Buckets { node, cut }, Some(bytes)) => {
                self.facts.compare_buckets(node, cut, bytes, &mut self.discovery, &mut self.out);
            }
            (PendingRequest::Stamps { node, buckets }, Some(bytes)) => {
                let limit = self.membership.clock(now).limit;
                self.facts.compare_stamps(node, &buckets, bytes, limit, &mut self.discovery, &mut self.out);
            }
            (PendingRequest::Fetch(node), Some(bytes)) => {
                if let Some((_, bundle)) = wire::read_answer(bytes) {
                    self.take_facts(node, &bundle, now);
                }
            }
            (PendingRequest::Messages { query }, bytes) => {
                self.pubsub.fetch_answered(query, bytes, &mut self.out);
                self.advance_fetches(now);
            }
            (PendingRequest::Confirmation, bytes) => {
                let (membership, discovery) = (&self.membership, &mut self.discovery);
                self.facts.offer_answered(bytes, membership, discovery, now.mono, &mut self.out);
            }
            (PendingRequest::TabMoved { node, moved }, bytes) => self.move_answered(node, moved, bytes, now),
            (PendingRequest::Offer, _) | (_, None) => {}
        }
    }

    /// A page of another node's table, or the loss of one.
    fn rows_answered(&mut self, question: u64, table: TableKey, bytes: Option<&[u8]>, now: Now) {
        if let Some(page) = self.replication.accept(question, table, bytes) {
            self.membership.heard_hold(table, &page, now.mono);
            self.settle_peers();
            self.replication.take_page(table, page, &mut self.presence, now.mono);
            // At once: what a relay made up must not be drawn until the next heartbeat.
            if let Some(beat) = self.membership.last_heartbeat(table).filter(|_| self.replication.is_relayed(table)) {
                self.compare_rows(table, &beat, now);
            }
        }
        self.replication.ask_pages(table, &mut self.discovery, &mut self.out);
    }
}
