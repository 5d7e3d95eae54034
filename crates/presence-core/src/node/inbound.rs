//! What comes from other nodes, carried to the parts that it is for: one handler for each kind of message.

use crate::discovery::PendingRequest;
use crate::id::{LinkId, NodeHash, PublicId, Room};
use crate::io::message::Message;
use crate::io::output::{Output, Severity, Urgency};
use crate::membership::heartbeat::ReceivedHeartbeat;
use crate::membership::peer::Path;
use crate::membership::relay::Relaying;
use crate::node::Node;
use crate::presence::row::TableKey;
use crate::pubsub;
use crate::time::Now;
use crate::wire::{self, Broadcast, Heartbeat, Leaving, Request, SenderId};

impl Node {
    /// What a link delivered: its author's own words, or those of another node that it relays.
    pub(super) fn received(&mut self, link: LinkId, bytes: &[u8], now: Now) {
        let Some((sender, broadcast)) = Broadcast::read(bytes) else { return };
        let hash = self.me.table_of(&sender).node;
        if !self.discovery.speaks_for(link, &sender, hash, &self.membership, now.mono, &mut self.out) {
            return;
        }
        if let Broadcast::Relayed(relayed) = broadcast {
            if let Some((author, inner)) = Broadcast::read(&relayed.message) {
                let path = Path { via: Some(hash), age_ms: relayed.age_ms };
                self.heard(&author, inner, &relayed.message, path, now);
            }
            return;
        }
        let relaying = Relaying::of(&broadcast);
        self.heard(&sender, broadcast, bytes, Path::DIRECT, now);
        self.membership.relay(self.me.hash, hash, bytes, relaying, now.mono, &mut self.out);
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
                self.facts.take_all(hash, &bundle, self.membership.clock(now), now.mono, &mut self.out);
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
                if self.hear_from(sender, path, now).is_some() {
                    self.pubsub.deliver(hash, published, &mut self.out);
                }
            }
            Broadcast::Dismissed(dismissed) => {
                if let Some(room) = Room::new(&dismissed.room)
                    && self.hear_from(sender, path, now).is_some()
                {
                    self.dismiss(&room, PublicId(dismissed.user));
                }
            }
            Broadcast::Delta(_) | Broadcast::Published(_) | Broadcast::Relayed(_) => {}
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
        self.replication.expect(table, beat.sequence, now.mono);
        if !self.membership.is_held(table) && self.replication.differs(table, &beat, &self.presence, now.mono) {
            let text = format!("Our copy of the rows of {} differs from its own: asking for all of them.", sender.name);
            self.out.notice(Severity::Warning, &sender.name, &beat.region, text);
        }
        self.facts.compare(table.node, &beat, &self.membership, &mut self.discovery, now.mono, &mut self.out);
        self.heard_of_departed(table.node, &beat, path, now);
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
    pub(super) fn asked(&mut self, question: u64, bytes: &[u8], now: Now) {
        let Some((sender, request)) = Request::read(bytes) else { return };
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
            Request::Offer(bundle) => {
                let (from, clock) = (me.table_of(&sender).node, self.membership.clock(now));
                self.facts.take_all(from, &bundle, clock, now.mono, &mut self.out);
                (wire::answer(&own, &0_u8), Urgency::Low)
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
                    let clock = self.membership.clock(now);
                    self.facts.take_all(node, &bundle, clock, now.mono, &mut self.out);
                }
            }
            (PendingRequest::Offer, _) | (_, None) => {}
        }
    }

    /// A page of another node's table, or the loss of one.
    fn rows_answered(&mut self, question: u64, table: TableKey, bytes: Option<&[u8]>, now: Now) {
        if let Some(page) = self.replication.accept(question, table, bytes) {
            self.membership.heard_hold(table, page.held_ms, page.region.as_ref(), now.mono);
            self.settle_peers();
            self.replication.take_page(table, page, &mut self.presence, now.mono);
        }
        self.replication.ask_pages(table, &mut self.discovery, &mut self.out);
    }
}
