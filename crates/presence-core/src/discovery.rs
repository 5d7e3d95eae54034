//! Finding the other nodes: which addresses to dial, hello, and which link leads to which node.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{LinkId, NodeHash, NodeName};
use crate::io::dial::{DialError, Linked};
use crate::io::output::{Output, Urgency};
use crate::membership::{HEARS_MS, PEERS_MAX, PeerState};
use crate::node::Node;
use crate::presence::row::TableKey;
use crate::time::Now;
use crate::wire::{self, Hello, HelloAnswer, Reachable, Request, Sender};

/// Configured addresses are tried again at least this often.
const RETRY_CONFIGURED_MS: u64 = 5_000;
/// Where a node was heard in the last minute, or where nobody is heard at all, it is tried again at least this often.
const RETRY_LATELY_MS: u64 = 500;
/// Addresses that we were told are tried again at least this often.
const RETRY_TOLD_MS: u64 = 60_000;
const RETRY_FIRST_MS: u64 = 250;
/// A hello hastens the dial of an address at most this often.
const HASTEN_GAP_MS: u64 = 500;
/// A dial under way is started again only this long after it began: it has to fail at some time, or the node's other
/// addresses would never get their turn.
const RESTARTS_MS: u64 = 5_000;
/// A link that ends sooner counts as a dial that failed, so that one which breaks at once is no busy loop.
const LASTED_MS: u64 = 1_000;
/// A told address that was never reached for so long is forgotten.
const TOLD_MS: u64 = 600_000;
/// Most addresses that are known.
const ADDRESSES_MAX: usize = 1_024;
/// Most addresses that one node may name.
const ADVERTISED_MAX: usize = 16;
/// Longest address in bytes.
const ADDRESS_BYTES_MAX: usize = 300;
const HELLO_MS: u64 = 10_000;
const HELLO_UNHEARD_MS: u64 = 1_000;
/// Who was heard or said hello this recently is named in answers.
const LATELY_MS: u64 = 10_000;
/// A link over which nothing has come for this long is closed, and its address dialled.
const STALE_MS: u64 = 10_000;
/// A node of our name is believed to be another one from this age on.
const OWN_NAME_MS: u64 = 5_000;
/// Most questions that wait for an answer.
const QUESTIONS_MAX: usize = 1_024;
/// Most addresses that the view of the mesh names as not reached.
const UNREACHED_MAX: usize = 8;

/// A link to another node.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) address: String,
    /// The node at its other end, as its certificate names it.
    pub(crate) node: NodeHash,
    incarnation: u64,
    opened_ms: u64,
    heard_ms: u64,
    hello_ms: Option<u64>,
}

/// Where somebody may be reached.
#[derive(Debug, Default)]
pub(crate) struct Address {
    configured: bool,
    node: Option<NodeHash>,
    known_ms: u64,
    due_ms: u64,
    tries: u32,
    dialling: bool,
    /// When the dial under way began.
    dialled_ms: u64,
    /// When a hello last hastened a dial of it.
    hastened_ms: Option<u64>,
    linked: bool,
    ours: bool,
    complained: bool,
    /// Why the last dial made no link.
    failed: Option<DialError>,
}

/// What a question was about.
#[derive(Clone, Debug)]
pub(crate) enum PendingRequest {
    Hello(LinkId),
    Rows(TableKey),
    Buckets(NodeHash, u64),
    Stamps(NodeHash, Vec<u8>),
    Fetch(NodeHash),
    Offer,
}

impl Node {
    /// The configured addresses as they resolve now.
    pub(crate) fn resolved(&mut self, addresses: Vec<String>, now: Now) {
        for (known, address) in &mut self.addresses {
            address.configured = addresses.contains(known);
        }
        for address in addresses {
            if let Some(entry) = self.know_address(address, now.mono_ms) {
                entry.configured = true;
            }
        }
    }

    /// Addresses that somebody was reached at before this start.
    pub(crate) fn remember(&mut self, addresses: Vec<String>, now: Now) {
        for address in addresses {
            self.know_address(address, now.mono_ms);
        }
    }

    fn know_address(&mut self, address: String, now_ms: u64) -> Option<&mut Address> {
        let fits = address.len() <= ADDRESS_BYTES_MAX && !self.settings.advertised.contains(&address);
        if !fits || (self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(&address)) {
            return None;
        }
        Some(self.addresses.entry(address).or_insert_with(|| Address {
            known_ms: now_ms,
            due_ms: now_ms,
            ..Address::default()
        }))
    }

    fn told(&mut self, name: &NodeName, addresses: &[String], at_once: bool, now_ms: u64) {
        let hash = NodeHash::of(name, self.settings.digest);
        if hash == self.hash {
            return;
        }
        for address in addresses.iter().take(ADVERTISED_MAX) {
            let Some(entry) = self.know_address(address.clone(), now_ms) else { continue };
            entry.node.get_or_insert(hash);
            if at_once {
                entry.node = Some(hash);
                if entry.hasten(now_ms) {
                    self.outputs.push(Output::Dial { address: address.clone() });
                }
            }
        }
    }

    /// This node is reached at other addresses than before: the others must learn them, and no dial may lead back here.
    pub(crate) fn readdressed(&mut self, advertised: Vec<String>, now: Now) {
        self.addresses.retain(|address, _| !advertised.contains(address));
        // What was found to be our own may belong to another node now.
        for address in self.addresses.values_mut().filter(|address| address.ours) {
            (address.ours, address.node, address.due_ms) = (false, None, now.mono_ms);
        }
        self.settings.advertised = advertised;
        self.say_hello_everywhere(now.mono_ms);
    }

    /// The configured addresses that can't be reached for a reason of this kind, a sentence each.
    pub(crate) fn unreached(&self, kind: impl Fn(DialError) -> bool) -> Vec<String> {
        let configured = self.addresses.iter().filter(|(_, address)| address.configured && !address.ours);
        let failed =
            configured.filter_map(|(name, address)| Some((name, address.failed.filter(|error| kind(*error))?)));
        failed.map(|(name, error)| format!("Could not reach {name}: {error}")).take(UNREACHED_MAX).collect()
    }

    /// Dials what is due, says hello where it is time for it, and closes links that lead nowhere.
    pub(crate) fn tend_links(&mut self, now: Now) {
        self.close_stale_links(now.mono_ms);
        self.dial_due(now.mono_ms);
        let due: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| self.hello_due(link, now.mono_ms)).map(|(id, _)| *id).collect();
        for link in due {
            self.say_hello(link, now.mono_ms);
        }
        self.said_hello.retain(|_, (at_ms, _)| now.mono_ms.saturating_sub(*at_ms) < LATELY_MS);
        self.addresses.retain(|_, address| {
            let kept = address.configured || address.linked || address.dialling;
            kept || now.mono_ms.saturating_sub(address.known_ms) < TOLD_MS
        });
    }

    fn dial_due(&mut self, now_ms: u64) {
        let mut reached: BTreeSet<NodeHash> = self.links.values().map(|link| link.node).collect();
        // A dial that takes long may be of an address that its node has no longer: where it says hello, it is now.
        let (fresh, slow): (Vec<&Address>, Vec<&Address>) =
            self.addresses.values().filter(|address| address.dialling).partition(|address| address.is_fresh(now_ms));
        reached.extend(fresh.into_iter().filter_map(|address| address.node));
        let slow: BTreeSet<NodeHash> = slow.into_iter().filter_map(|address| address.node).collect();
        for (name, address) in &mut self.addresses {
            let due = address.idle() && address.due_ms <= now_ms;
            let hastened = address.hastened_ms == Some(now_ms);
            let waits = |node: &NodeHash| reached.contains(node) || (slow.contains(node) && !hastened);
            if !due || address.node.as_ref().is_some_and(waits) {
                continue;
            }
            (address.dialling, address.dialled_ms) = (true, now_ms);
            reached.extend(address.node);
            self.outputs.push(Output::Dial { address: name.clone() });
        }
    }

    fn close_stale_links(&mut self, now_ms: u64) {
        let stale = self.links.iter().filter(|(_, link)| now_ms.saturating_sub(link.heard_ms) >= STALE_MS);
        let stale: Vec<LinkId> = stale.map(|(id, _)| *id).collect();
        for link in stale {
            self.hang_up(link, now_ms, true);
        }
    }

    /// How long an address is left alone at the most: who was there lately is looked for more often.
    fn longest_wait_ms(&self, address: &str) -> u64 {
        let Some(entry) = self.addresses.get(address) else { return RETRY_TOLD_MS };
        match entry.node.and_then(|node| self.peers.get(&node)).map(|peer| peer.state) {
            Some(PeerState::Live | PeerState::Silent) => RETRY_LATELY_MS,
            _ if entry.configured && self.live().is_empty() => RETRY_LATELY_MS,
            Some(PeerState::Gone) => RETRY_CONFIGURED_MS,
            _ if entry.configured => RETRY_CONFIGURED_MS,
            _ => RETRY_TOLD_MS,
        }
    }

    /// A dial has ended.
    pub(crate) fn dialled(&mut self, address: String, result: Result<Linked, DialError>, now: Now) {
        match result {
            Ok(linked) => self.link_opened(address, linked, now.mono_ms),
            Err(error) => self.dial_failed(&address, error, now.mono_ms),
        }
    }

    fn link_opened(&mut self, address: String, linked: Linked, now_ms: u64) {
        let second = linked.node != self.hash && self.link_to(linked.node).is_some();
        let Some(entry) = self.addresses.get_mut(&address) else {
            self.outputs.push(Output::HangUp { link: linked.link });
            return;
        };
        (entry.dialling, entry.complained, entry.failed) = (false, false, None);
        (entry.node, entry.known_ms) = (Some(linked.node), now_ms);
        let longest_ms = self.longest_wait_ms(&address);
        let Some(entry) = self.addresses.get_mut(&address) else { return };
        if second {
            entry.back_off(longest_ms, now_ms);
            self.outputs.push(Output::HangUp { link: linked.link });
            return;
        }
        entry.linked = true;
        let link =
            Link { address, node: linked.node, incarnation: 0, opened_ms: now_ms, heard_ms: now_ms, hello_ms: None };
        self.links.insert(linked.link, link);
        self.say_hello(linked.link, now_ms);
    }

    fn dial_failed(&mut self, address: &str, error: DialError, now_ms: u64) {
        let longest_ms = self.longest_wait_ms(address);
        // A dial that was begun again may have ended already.
        let Some(entry) = self.addresses.get_mut(address).filter(|entry| entry.dialling) else { return };
        (entry.dialling, entry.failed) = (false, Some(error));
        entry.back_off(longest_ms, now_ms);
        if entry.configured && !std::mem::replace(&mut entry.complained, true) {
            self.tell(true, None, format!("Could not reach {address}: {error} It is tried again."));
        }
    }

    fn hang_up(&mut self, id: LinkId, now_ms: u64, soon: bool) {
        let Some(link) = self.links.remove(&id) else { return };
        self.outputs.push(Output::HangUp { link: id });
        self.link_ended(&link, now_ms, soon);
    }

    fn link_ended(&mut self, link: &Link, now_ms: u64, soon: bool) {
        let longest_ms = self.longest_wait_ms(&link.address);
        let departed = self.peers.get(&link.node).is_some_and(|peer| peer.state == PeerState::Departed);
        let Some(address) = self.addresses.get_mut(&link.address) else { return };
        address.linked = false;
        if link.lasted(now_ms) {
            address.tries = 0;
        }
        if soon && !departed {
            address.due_ms = now_ms;
        } else {
            address.back_off(longest_ms, now_ms);
        }
    }

    /// The carrier lost a link: its address is dialled again at once, unless the link had hardly begun.
    pub(crate) fn link_lost(&mut self, id: LinkId, now: Now) {
        let Some(link) = self.links.remove(&id) else { return };
        self.link_ended(&link, now.mono_ms, link.lasted(now.mono_ms));
        if !self.gone_already() {
            self.dial_due(now.mono_ms);
        }
    }

    fn hello_due(&self, link: &Link, now_ms: u64) -> bool {
        let since_ms = link.hello_ms.map_or(u64::MAX, |at_ms| now_ms.saturating_sub(at_ms));
        let peer = self.peers.get(&link.node);
        let unheard = peer.is_none_or(|peer| !peer.beat.names(self.hash) || !peer.heard_directly(now_ms));
        since_ms >= if unheard { HELLO_UNHEARD_MS } else { HELLO_MS }
    }

    fn say_hello(&mut self, id: LinkId, now_ms: u64) {
        let hello = Request::Hello(Hello { advertised: self.settings.advertised.clone() });
        if let Some(link) = self.links.get_mut(&id) {
            link.hello_ms = Some(now_ms);
            self.ask_over(id, &hello, PendingRequest::Hello(id), Urgency::High);
        }
    }

    /// Says hello on every link now: after having been away, or when this node's addresses have changed.
    pub(crate) fn say_hello_everywhere(&mut self, now_ms: u64) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.say_hello(link, now_ms);
        }
    }

    /// Somebody says hello: dialled at once where it is not heard, or new.
    pub(crate) fn hello_asked(&mut self, sender: &Sender, hello: &Hello, now: Now) -> HelloAnswer {
        let hash = NodeHash::of(&sender.name, self.settings.digest);
        if hash == self.hash {
            self.heard_own_name(sender, &hello.advertised, now);
        } else if self.said_hello.len() < PEERS_MAX || self.said_hello.contains_key(&sender.name) {
            let advertised: Vec<String> = hello.advertised.iter().take(ADVERTISED_MAX).cloned().collect();
            self.answer_to_hello(hash, sender, &advertised, now.mono_ms);
            self.said_hello.insert(sender.name.clone(), (now.mono_ms, advertised));
        }
        let known = if hash == self.hash { self.settings.incarnation } else { 0 };
        let held = self.held.keys().filter(|key| key.node == hash).map(|key| key.incarnation).max().unwrap_or(0);
        let peer = self.peers.get(&hash).map_or(0, |peer| peer.incarnation);
        HelloAnswer {
            known: if sender.birth == self.settings.birth { 0 } else { known.max(held).max(peer) },
            advertised: self.settings.advertised.clone(),
            nodes: self.reachable(now.mono_ms),
        }
    }

    fn answer_to_hello(&mut self, hash: NodeHash, sender: &Sender, advertised: &[String], now_ms: u64) {
        if self.run_out.contains_key(&TableKey { node: hash, incarnation: sender.incarnation }) {
            return;
        }
        let peer = self.peers.get(&hash);
        let heard = peer.is_some_and(|peer| peer.arrives(now_ms) && peer.incarnation == sender.incarnation);
        self.beating.asked_for |= !heard;
        let newer = peer.is_some_and(|peer| peer.incarnation < sender.incarnation);
        self.told(&sender.name, advertised, !heard, now_ms);
        let link = self.link_to(hash);
        match link.map(|id| (id, &self.links[&id])) {
            Some((id, link)) if newer && link.incarnation < sender.incarnation => self.hang_up(id, now_ms, true),
            Some((id, link)) if !heard && now_ms.saturating_sub(link.opened_ms) > 2 * HEARS_MS => {
                self.hang_up(id, now_ms, true);
            }
            _ => {}
        }
        if !heard {
            self.dial_due(now_ms);
        }
    }

    fn reachable(&self, now_ms: u64) -> Vec<Reachable> {
        let mut nodes: BTreeMap<NodeName, Vec<String>> = BTreeMap::new();
        for (name, (_, addresses)) in &self.said_hello {
            nodes.insert(name.clone(), addresses.clone());
        }
        for peer in self.peers.values().filter(|peer| now_ms.saturating_sub(peer.heard_ms) < LATELY_MS) {
            let hash = NodeHash::of(&peer.name, self.settings.digest);
            let known = self.addresses.iter().filter(|(_, address)| address.node == Some(hash) && !address.ours);
            let known = known.map(|(name, _)| name.clone()).take(ADVERTISED_MAX).collect();
            nodes.entry(peer.name.clone()).or_insert(known);
        }
        let named = nodes.into_iter().filter(|(_, addresses)| !addresses.is_empty());
        named.map(|(name, addresses)| Reachable { name, addresses }).take(PEERS_MAX).collect()
    }

    /// An answer to our hello: what its sender knows of our name and of other nodes.
    pub(crate) fn hello_answered(&mut self, id: LinkId, bytes: &[u8], now: Now) {
        let Some((sender, answer)) = wire::read_answer::<HelloAnswer>(bytes) else { return };
        let hash = NodeHash::of(&sender.name, self.settings.digest);
        let Some(link) = self.links.get(&id) else { return };
        let (address, certified) = (link.address.clone(), link.node);
        if hash != certified {
            self.hang_up(id, now.mono_ms, false);
            return;
        }
        if hash == self.hash && sender.birth == self.settings.birth {
            self.hang_up(id, now.mono_ms, false);
            if let Some(entry) = self.addresses.get_mut(&address) {
                entry.ours = true;
            }
            return;
        }
        if hash == self.hash {
            self.heard_own_name(&sender, &answer.advertised, now);
            self.rise(answer.known.max(sender.incarnation));
            return;
        }
        if !self.speaks_for(id, hash, sender.incarnation, now.mono_ms) {
            return;
        }
        self.rise(answer.known);
        self.speaking = true;
        self.told(&sender.name, &answer.advertised, false, now.mono_ms);
        for node in answer.nodes.iter().take(PEERS_MAX) {
            self.told(&node.name, &node.addresses, false, now.mono_ms);
        }
        self.dial_due(now.mono_ms);
        self.remember_addresses();
    }

    /// Whether a link belongs to this node. One on which another node speaks than its certificate names is closed.
    pub(crate) fn speaks_for(&mut self, id: LinkId, hash: NodeHash, incarnation: u64, now_ms: u64) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        if link.node != hash {
            self.hang_up(id, now_ms, false);
            return false;
        }
        link.heard_ms = now_ms;
        link.incarnation = link.incarnation.max(incarnation);
        true
    }

    /// Nobody may know a greater incarnation of our name than ours, as long as we have said nothing.
    fn rise(&mut self, known: u64) {
        if known < self.settings.incarnation || self.speaking {
            return;
        }
        let incarnation = known + 1;
        let key = TableKey { node: self.hash, incarnation };
        self.presence.rename_table(self.own.key, key);
        self.own.key = key;
        self.settings.incarnation = incarnation;
        self.clock.rename(incarnation);
        self.remember_addresses();
    }

    fn remember_addresses(&mut self) {
        let linked = self.addresses.iter().filter(|(_, address)| address.node.is_some() && !address.ours);
        let addresses: Vec<String> = linked.map(|(name, _)| name.clone()).collect();
        let remembered = (addresses.clone(), self.settings.incarnation);
        if self.remembered.as_ref() != Some(&remembered) {
            self.remembered = Some(remembered);
            self.outputs.push(Output::Remember { addresses, incarnation: self.settings.incarnation });
        }
    }

    /// Somebody else uses our name, at these addresses: the younger of the two ends.
    pub(crate) fn heard_own_name(&mut self, sender: &Sender, there: &[String], now: Now) {
        let other = (sender.incarnation, sender.birth);
        let own = (self.settings.incarnation, self.settings.birth);
        let settled = now.mono_ms.saturating_sub(self.started_ms) >= OWN_NAME_MS;
        // What a link delivers names no address; a hello or its answer, at most ten seconds later, does.
        if sender.birth != self.settings.birth && settled && own > other && !there.is_empty() {
            self.outputs.push(Output::Abort(format!(
                "Another node is called {} too: ours is at {}, it is at {}. Give one of them another --node.",
                self.settings.name,
                self.settings.advertised.join(", "),
                there.join(", "),
            )));
        }
    }

    /// The link over which a node is read.
    pub(crate) fn link_to(&self, hash: NodeHash) -> Option<LinkId> {
        self.links.iter().find(|(_, link)| link.node == hash).map(|(id, _)| *id)
    }

    /// Asks a node; `None` where no link leads there or too many questions wait.
    pub(crate) fn ask(
        &mut self,
        to: NodeHash,
        asked: &Request,
        about: PendingRequest,
        urgency: Urgency,
    ) -> Option<u64> {
        self.ask_over(self.link_to(to)?, asked, about, urgency)
    }

    fn ask_over(&mut self, link: LinkId, asked: &Request, about: PendingRequest, urgency: Urgency) -> Option<u64> {
        if self.questions.len() >= QUESTIONS_MAX {
            return None;
        }
        self.asked += 1;
        let question = self.asked;
        self.questions.insert(question, about);
        let bytes = asked.write(&self.sender());
        self.outputs.push(Output::Ask { link, question, bytes, urgency });
        Some(question)
    }

    /// A question came: it is answered at once.
    pub(crate) fn was_asked(&mut self, question: u64, bytes: &[u8], now: Now) {
        let Some((sender, asked)) = Request::read(bytes) else {
            self.unread += 1;
            return;
        };
        let own = self.sender();
        let (bytes, urgency) = match asked {
            Request::Hello(hello) => (wire::answer(&own, &self.hello_asked(&sender, &hello, now)), Urgency::High),
            Request::Rows(asked) => (wire::answer(&own, &self.rows_asked(asked, now)), Urgency::Low),
            Request::Buckets(asked) => (wire::answer(&own, &self.parts_asked(asked)), Urgency::High),
            Request::Stamps(asked) => (wire::answer(&own, &self.stamps_asked(&asked, now)), Urgency::Low),
            Request::Fetch(asked) => (wire::answer(&own, &self.fetch_asked(&asked)), Urgency::Low),
            Request::Offer(bundle) => {
                let hash = NodeHash::of(&sender.name, self.settings.digest);
                self.heard_facts(hash, &bundle, now);
                (wire::answer(&own, &0_u8), Urgency::Low)
            }
        };
        self.outputs.push(Output::Reply { question, bytes, urgency });
    }

    /// A question of ours was answered, or not.
    pub(crate) fn was_answered(&mut self, question: u64, bytes: Option<&[u8]>, now: Now) {
        let Some(about) = self.questions.remove(&question) else { return };
        match (about, bytes) {
            (PendingRequest::Rows(key), bytes) => self.rows_answered(question, key, bytes, now),
            (PendingRequest::Hello(link), Some(bytes)) => self.hello_answered(link, bytes, now),
            (PendingRequest::Buckets(hash, cut_ms), Some(bytes)) => self.parts_answered(hash, cut_ms, bytes),
            (PendingRequest::Stamps(hash, parts), Some(bytes)) => self.stamps_answered(hash, &parts, bytes, now),
            (PendingRequest::Fetch(hash), Some(bytes)) => self.fetched(hash, bytes, now),
            (PendingRequest::Offer, _) | (_, None) => {}
        }
    }

    /// A departed node's link leads nowhere.
    pub(crate) fn close_link_to(&mut self, hash: NodeHash, now_ms: u64) {
        if let Some(id) = self.link_to(hash) {
            self.hang_up(id, now_ms, false);
        }
    }
}

impl Link {
    fn lasted(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.opened_ms) >= LASTED_MS
    }
}

impl Address {
    fn idle(&self) -> bool {
        !self.dialling && !self.linked && !self.ours
    }

    fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.dialled_ms) < HASTEN_GAP_MS
    }

    /// Somebody there says hello: it is due now. `true` where a dial is under way that should start again: it may have
    /// begun before the node was there, and wait long for its next attempt.
    fn hasten(&mut self, now_ms: u64) -> bool {
        if self.hastened_ms.is_some_and(|at_ms| now_ms.saturating_sub(at_ms) < HASTEN_GAP_MS) {
            return false;
        }
        (self.hastened_ms, self.due_ms, self.tries) = (Some(now_ms), now_ms, 0);
        self.dialling && !self.is_fresh(now_ms) && now_ms.saturating_sub(self.dialled_ms) < RESTARTS_MS
    }

    fn back_off(&mut self, longest_ms: u64, now_ms: u64) {
        let wait_ms = (RETRY_FIRST_MS << self.tries.min(10)).min(longest_ms);
        self.tries = self.tries.saturating_add(1);
        self.due_ms = now_ms + wait_ms;
    }
}
