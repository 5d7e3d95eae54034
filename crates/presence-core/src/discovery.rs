//! Finding the other nodes: which addresses to dial, hello, and which link leads to which node.

mod addresses;
mod hello;
mod node_link;
mod redial;
mod requests;

use std::collections::BTreeMap;

use self::node_link::NodeLink;
pub use self::node_link::{HELLO_MS, HELLO_TURN_MS};
pub(crate) use self::requests::PendingRequest;
use crate::discovery::addresses::{AddressBook, Redial};
use crate::discovery::hello::SaidHello;
use crate::discovery::requests::Requests;
use crate::id::{LinkId, NodeHash, NodeName};
use crate::identity::Identity;
use crate::io::dial::{DialError, Linked};
use crate::io::mesh_view::PeerState;
use crate::io::node_counts::LinkCounts;
use crate::io::output::{Output, Urgency};
use crate::membership::Membership;
use crate::outputs::Outputs;
use crate::time::{Incarnation, Mono};
use crate::wire::{Hello, Request, SenderId};

/// A link over which nothing has come for this long is closed, and its address dialled.
const STALE_MS: u64 = 10_000;

/// The ways to the other nodes.
#[derive(Debug)]
pub(crate) struct Discovery {
    book: AddressBook,
    links: BTreeMap<LinkId, NodeLink>,
    said_hello: BTreeMap<NodeName, SaidHello>,
    /// When the operator was told of a node that says hello and can't be reached.
    told_unreached: BTreeMap<NodeName, Mono>,
    requests: Requests,
    /// The addresses and the incarnation that were ordered to be kept for the next start.
    remembered: Option<(Vec<String>, Incarnation)>,
    /// When hello was last said to one of those that are heard.
    hello_turn_at: Option<Mono>,
    started_at: Mono,
    counts: LinkCounts,
}

impl Discovery {
    /// Knows this node's own addresses, and those at which others were reached before this start.
    pub(crate) fn new(advertised: Vec<String>, kept: Vec<String>, now: Mono) -> Self {
        let mut book = AddressBook::new(advertised);
        for address in kept {
            book.know_reached(address, now);
        }
        let (links, said_hello, told_unreached) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let requests = Requests::default();
        Self {
            book,
            links,
            said_hello,
            told_unreached,
            requests,
            remembered: None,
            hello_turn_at: None,
            started_at: now,
            counts: LinkCounts::default(),
        }
    }

    pub(crate) fn counts(&self) -> LinkCounts {
        self.counts
    }

    /// The configured addresses as they resolve now.
    pub(crate) fn resolved(&mut self, addresses: Vec<String>, now: Mono) {
        self.book.resolve(addresses, now);
    }

    /// This node is reached at other addresses than before: the others must learn them.
    pub(crate) fn readdressed(&mut self, advertised: Vec<String>, now: Mono, out: &mut Outputs) {
        self.book.readvertise(advertised, now);
        self.say_hello_everywhere(now, out);
    }

    /// The configured addresses that can't be reached for a reason of this kind, a sentence each.
    pub(crate) fn unreached(&self, kind: impl Fn(DialError) -> bool) -> Vec<String> {
        self.book.unreached(kind)
    }

    /// Dials what is due, says hello where it is time for it, and closes links that lead nowhere.
    pub(crate) fn tend(&mut self, me: &Identity, membership: &Membership, now: Mono, out: &mut Outputs) {
        let stale = self.links.iter().filter(|(_, link)| now.since(link.heard_at) >= STALE_MS);
        let stale: Vec<LinkId> = stale.map(|(id, _)| *id).collect();
        for link in stale {
            self.hang_up(link, Redial::AtOnce, membership, now, out);
        }
        self.seek_live(membership, now);
        self.dial_due(now, out);
        let due = self.links.iter().filter(|(_, link)| link.hello_is_due(me, membership, now));
        let mut due: Vec<LinkId> = due.map(|(id, _)| *id).collect();
        due.extend(self.hello_in_turn(now).filter(|link| !due.contains(link)));
        for link in due {
            self.say_hello(link, now, out);
        }
        self.said_hello.retain(|_, said| said.is_recent(now));
        self.tell_unreached(membership, now, out);
        self.book.prune(now);
    }

    /// A dial has ended.
    pub(crate) fn dialled(
        &mut self,
        me: &Identity,
        address: String,
        result: Result<Linked, DialError>,
        membership: &Membership,
        now: Mono,
        out: &mut Outputs,
    ) {
        match result {
            Ok(linked) => self.link_opened(me, address, linked, membership, now, out),
            Err(error) => {
                let longest_ms = self.longest_wait_ms(&address, membership);
                if self.book.failed(&address, error, longest_ms, now) {
                    out.warn(format!("Could not reach {address}: {error} Trying again."));
                }
            }
        }
    }

    fn link_opened(
        &mut self,
        me: &Identity,
        address: String,
        linked: Linked,
        membership: &Membership,
        now: Mono,
        out: &mut Outputs,
    ) {
        let second = linked.node != me.hash && self.link_to(linked.node).is_some();
        let known = self.book.reached(&address, linked.node, now).is_some();
        if second {
            let longest_ms = self.longest_wait_ms(&address, membership);
            self.book.back_off(&address, longest_ms, now);
        }
        if second || !known {
            out.push(Output::HangUp { link: linked.link });
            return;
        }
        self.counts.opened += 1;
        self.book.link_opened(&address);
        self.links.insert(linked.link, NodeLink::new(address, linked.node, now));
        self.say_hello(linked.link, now, out);
    }

    fn hang_up(&mut self, id: LinkId, redial: Redial, membership: &Membership, now: Mono, out: &mut Outputs) {
        let Some(link) = self.links.remove(&id) else { return };
        out.push(Output::HangUp { link: id });
        self.link_ended(&link, redial, membership, now);
    }

    fn link_ended(&mut self, link: &NodeLink, redial: Redial, membership: &Membership, now: Mono) {
        let longest_ms = self.longest_wait_ms(&link.address, membership);
        let departed = membership.peer(link.node).is_some_and(|peer| peer.state == PeerState::Departed);
        let redial = if departed { Redial::BackOff } else { redial };
        self.book.link_ended(&link.address, link.lasted(now), redial, longest_ms, now);
    }

    /// The carrier lost a link: its address is dialled again at once, unless the link had hardly begun.
    pub(crate) fn link_lost(&mut self, id: LinkId, membership: &Membership, now: Mono, out: &mut Outputs) {
        let Some(link) = self.links.remove(&id) else { return };
        self.counts.lost += 1;
        let redial = if link.lasted(now) { Redial::AtOnce } else { Redial::BackOff };
        self.link_ended(&link, redial, membership, now);
        if !membership.said_goodbye() {
            self.dial_due(now, out);
        }
    }

    /// The link over which hello was said longest ago, if it is the turn of one: so addresses get around.
    fn hello_in_turn(&mut self, now: Mono) -> Option<LinkId> {
        let said = self.links.iter().filter_map(|(id, link)| Some((link.hello_at?, *id)));
        let (_, link) = said.min().filter(|(at, _)| {
            now.since(*at) >= HELLO_MS && self.hello_turn_at.is_none_or(|turn| now.since(turn) >= HELLO_TURN_MS)
        })?;
        self.hello_turn_at = Some(now);
        Some(link)
    }

    fn say_hello(&mut self, id: LinkId, now: Mono, out: &mut Outputs) {
        let hello = Request::Hello(Hello { advertised: self.book.advertised().to_vec() });
        if let Some(link) = self.links.get_mut(&id) {
            link.hello_at = Some(now);
            self.ask_over(id, &hello, PendingRequest::Hello(id), Urgency::High, out);
        }
    }

    /// Says hello on every link now: after a suspension, or when this node's addresses have changed.
    pub(crate) fn say_hello_everywhere(&mut self, now: Mono, out: &mut Outputs) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.say_hello(link, now, out);
        }
    }

    /// The node at the other end of a link, as its certificate names it.
    pub(crate) fn node_at(&self, id: LinkId) -> Option<NodeHash> {
        self.links.get(&id).map(|link| link.node)
    }

    /// Whether a sender is the node that the link's certificate names. If it is another one, the link is closed.
    pub(crate) fn speaks_for(
        &mut self,
        id: LinkId,
        sender: &SenderId,
        hash: NodeHash,
        membership: &Membership,
        now: Mono,
        out: &mut Outputs,
    ) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        if link.node != hash {
            self.hang_up(id, Redial::BackOff, membership, now, out);
            return false;
        }
        link.heard_at = now;
        link.incarnation = link.incarnation.max(sender.incarnation);
        true
    }

    /// Closes a link over which something came that its node has not signed.
    pub(crate) fn close_link(&mut self, id: LinkId, membership: &Membership, now: Mono, out: &mut Outputs) {
        self.hang_up(id, Redial::BackOff, membership, now, out);
    }

    /// The link over which a node is read.
    pub(crate) fn link_to(&self, node: NodeHash) -> Option<LinkId> {
        self.links.iter().find(|(_, link)| link.node == node).map(|(id, _)| *id)
    }

    /// A departed node's link leads nowhere.
    pub(crate) fn close_link_to(&mut self, node: NodeHash, membership: &Membership, now: Mono, out: &mut Outputs) {
        if let Some(id) = self.link_to(node) {
            self.hang_up(id, Redial::BackOff, membership, now, out);
        }
    }

    /// Asks a node; `None` where no link leads there or too many requests wait.
    pub(crate) fn ask(
        &mut self,
        to: NodeHash,
        request: &Request,
        about: PendingRequest,
        urgency: Urgency,
        out: &mut Outputs,
    ) -> Option<u64> {
        self.ask_over(self.link_to(to)?, request, about, urgency, out)
    }

    fn ask_over(
        &mut self,
        link: LinkId,
        request: &Request,
        about: PendingRequest,
        urgency: Urgency,
        out: &mut Outputs,
    ) -> Option<u64> {
        let question = self.requests.begin(about)?;
        let bytes = request.write(out.sender());
        out.push(Output::Ask { link, question, bytes, urgency });
        Some(question)
    }

    /// What a request of ours was about that was answered, or not within its time.
    pub(crate) fn answered(&mut self, question: u64) -> Option<PendingRequest> {
        self.requests.end(question)
    }
}
