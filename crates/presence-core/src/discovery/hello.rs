//! Hello: what two nodes tell each other when a link opens, so that each finds all others and no two have one name.

use std::collections::BTreeMap;

use crate::discovery::Discovery;
use crate::discovery::addresses::{ADDRESS_BYTES_MAX, ADVERTISED_MAX, Redial};
use crate::id::{LinkId, NodeHash, NodeName};
use crate::identity::Identity;
use crate::io::output::{AbortReason, Output};
use crate::membership::peer::HEARS_MS;
use crate::membership::{Membership, PEERS_MAX};
use crate::outputs::Outputs;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Incarnation, Mono, Now, Wall};
use crate::wire::{self, Hello, HelloAnswer, Reachable, SenderId};

/// Nodes that were heard or said hello this recently are named in answers.
const LATELY_MS: u64 = 10_000;
/// Most bytes of names and addresses in an answer: one that is too long for a link would reach no one.
const REACHABLE_BYTES_MAX: usize = 512 << 10;
/// A node of our name is believed to be another one from this age on.
const OWN_NAME_MS: u64 = 5_000;
/// A node that has said hello for this long without being heard can't be reached.
const UNREACHED_MS: u64 = 5_000;
/// The operator hears of the same one this often.
const UNREACHED_TOLD_MS: u64 = 60_000;
/// Most addresses of one node that a line names.
const NAMED_MAX: usize = 4;

/// A node said hello, and where it is.
#[derive(Debug)]
pub(super) struct SaidHello {
    node: NodeHash,
    at: Mono,
    birth: u64,
    addresses: Vec<String>,
    /// Where another node with that name was lately, until when that is told: the two must learn of each other.
    others: Option<(Mono, Vec<String>)>,
    /// Since when it has said hello without being heard.
    unheard_since: Option<Mono>,
}

impl SaidHello {
    fn after(before: Option<Self>, node: NodeHash, birth: u64, addresses: Vec<String>, heard: bool, now: Mono) -> Self {
        let since = before.as_ref().filter(|before| before.birth == birth).and_then(|before| before.unheard_since);
        let unheard_since = (!heard).then(|| since.unwrap_or(now));
        let others = match before {
            Some(before) if before.birth == birth => before.others.filter(|(until, _)| now < *until),
            Some(before) if before.is_recent(now) => Some((before.at + LATELY_MS, before.addresses)),
            _ => None,
        };
        Self { node, at: now, birth, addresses, others, unheard_since }
    }

    /// Whether its node is not heard, although it has said hello for a while.
    fn is_unreached(&self, membership: &Membership, now: Mono) -> bool {
        let long = self.unheard_since.is_some_and(|since| now.since(since) >= UNREACHED_MS);
        long && self.is_recent(now) && !self.is_heard(membership, now)
    }

    fn is_heard(&self, membership: &Membership, now: Mono) -> bool {
        membership.peer(self.node).is_some_and(|peer| peer.arrives(now))
    }

    pub(super) fn is_recent(&self, now: Mono) -> bool {
        now.since(self.at) < LATELY_MS
    }

    fn all_addresses(&self) -> Vec<String> {
        self.addresses.iter().chain(self.others.iter().flat_map(|(_, others)| others)).cloned().collect()
    }
}

impl Discovery {
    /// Answers a node that says hello, and dials it at once where it is not heard, or new.
    pub(crate) fn hello(
        &mut self,
        me: &Identity,
        sender: &SenderId,
        hello: &Hello,
        membership: &mut Membership,
        now: Mono,
        out: &mut Outputs,
    ) -> HelloAnswer {
        let hash = me.table_of(sender).node;
        if hash == me.hash {
            self.heard_own_name(me, sender, &hello.advertised, now, out);
        } else if self.said_hello.len() < PEERS_MAX || self.said_hello.contains_key(&sender.name) {
            let advertised = hello.advertised.iter().filter(|address| address.len() <= ADDRESS_BYTES_MAX);
            let advertised: Vec<String> = advertised.take(ADVERTISED_MAX).cloned().collect();
            let heard = self.look_for(me, sender, &advertised, membership, now, out);
            let before = self.said_hello.remove(&sender.name);
            let said = SaidHello::after(before, hash, sender.birth, advertised, heard, now);
            self.said_hello.insert(sender.name.clone(), said);
        }
        let own = if hash == me.hash { me.incarnation } else { Incarnation::NONE };
        let peer = membership.peer(hash).map_or(Incarnation::NONE, |peer| peer.incarnation);
        let known = own.max(membership.held_incarnation(hash)).max(peer);
        HelloAnswer {
            known: if sender.birth == me.birth { Incarnation::NONE } else { known },
            advertised: self.book.advertised().to_vec(),
            nodes: self.reachable(me, membership, now),
        }
    }

    /// A node that says hello is dialled at once where it is not heard; a link to an older start of it is closed. Returns
    /// whether it is heard, or has left.
    fn look_for(
        &mut self,
        me: &Identity,
        sender: &SenderId,
        advertised: &[String],
        membership: &mut Membership,
        now: Mono,
        out: &mut Outputs,
    ) -> bool {
        let table = me.table_of(sender);
        if membership.has_left_for_good(table) {
            return true;
        }
        let peer = membership.peer(table.node);
        let heard = peer.is_some_and(|peer| peer.arrives(now) && peer.incarnation == sender.incarnation);
        let newer = peer.is_some_and(|peer| peer.incarnation < sender.incarnation);
        if heard {
            self.book.learn(table.node, advertised, now);
        } else {
            membership.hurry_heartbeat();
            self.book.hasten(table.node, advertised, now, out);
        }
        let link = self.link_to(table.node).map(|id| (id, &self.links[&id]));
        let outdated = link.filter(|(_, link)| {
            let restarted = newer && link.incarnation < sender.incarnation;
            restarted || (!heard && now.since(link.opened_at) > 2 * HEARS_MS)
        });
        if let Some((id, _)) = outdated {
            self.hang_up(id, Redial::AtOnce, membership, now, out);
        }
        if !heard {
            self.dial_due(now, out);
        }
        heard
    }

    /// The nodes that say hello and can't be reached, a sentence each.
    pub(crate) fn unreached_callers(&self, membership: &Membership, now: Mono) -> Vec<String> {
        let unreached = self.said_hello.iter().filter(|(_, said)| said.is_unreached(membership, now));
        unreached.map(|(name, said)| self.unreached_caller(name, said)).collect()
    }

    fn unreached_caller(&self, name: &NodeName, said: &SaidHello) -> String {
        let reasons = said.addresses.iter().filter_map(|address| {
            let entry = self.book.get(address)?;
            let why = entry.failed().map_or_else(|| "it is being dialled.".to_owned(), |error| error.to_string());
            Some(format!("{}: {why}", address.escape_debug()))
        });
        let reasons: Vec<String> = reasons.take(NAMED_MAX).collect();
        format!(
            "Node {name} reaches this node, but is not heard: open its port to this node, or correct its \
             --mesh-advertise. Its addresses: {}",
            if reasons.is_empty() { "none.".to_owned() } else { reasons.join(" ") }
        )
    }

    /// Tells the operator, once a minute each, of nodes that say hello and can't be reached.
    pub(super) fn tell_unreached(&mut self, membership: &Membership, now: Mono, out: &mut Outputs) {
        self.told_unreached.retain(|_, told_at| now.since(*told_at) < UNREACHED_TOLD_MS);
        // A node says hello only every few seconds. If it is heard between two hellos and then killed, it was not unreachable.
        for said in self.said_hello.values_mut() {
            if said.is_heard(membership, now) {
                said.unheard_since = None;
            }
        }
        let unreached = self.said_hello.iter().filter(|(_, said)| said.is_unreached(membership, now));
        let untold: Vec<NodeName> = unreached.map(|(name, _)| name.clone()).collect();
        for name in untold {
            if self.told_unreached.len() < PEERS_MAX && !self.told_unreached.contains_key(&name) {
                out.warn(self.unreached_caller(&name, &self.said_hello[&name]));
                self.told_unreached.insert(name, now);
            }
        }
    }

    fn reachable(&self, me: &Identity, membership: &Membership, now: Mono) -> Vec<Reachable> {
        let said_hello = self.said_hello.iter().map(|(name, said)| (name.clone(), said.all_addresses()));
        let mut nodes: BTreeMap<NodeName, Vec<String>> = said_hello.collect();
        for (_, peer) in membership.peers().filter(|(_, peer)| now.since(peer.heard_at) < LATELY_MS) {
            let known = self.book.of(NodeHash::of(&peer.name, me.digest));
            nodes.entry(peer.name.clone()).or_insert(known);
        }
        let mut bytes = 0;
        let named = nodes.into_iter().filter(|(_, addresses)| !addresses.is_empty()).take_while(|(name, addresses)| {
            bytes += name.as_str().len() + addresses.iter().map(String::len).sum::<usize>();
            bytes <= REACHABLE_BYTES_MAX
        });
        named.map(|(name, addresses)| Reachable { name, addresses }).take(PEERS_MAX).collect()
    }

    /// An answer to our hello: what its sender knows of our name and of other nodes. Returns the incarnation that this
    /// node is to adopt, if another one of its name had a higher one.
    pub(crate) fn hello_answered(
        &mut self,
        me: &Identity,
        id: LinkId,
        bytes: &[u8],
        membership: &Membership,
        Now { mono: now, wall }: Now,
        out: &mut Outputs,
    ) -> Option<Incarnation> {
        let (sender, answer) = wire::read_answer::<HelloAnswer>(bytes)?;
        let hash = me.table_of(&sender).node;
        let link = self.links.get(&id)?;
        let (address, certified) = (link.address.clone(), link.node);
        if hash != certified {
            self.hang_up(id, Redial::BackOff, membership, now, out);
            return None;
        }
        if hash == me.hash && sender.birth == me.birth {
            self.hang_up(id, Redial::BackOff, membership, now, out);
            self.book.is_ours(&address);
            return None;
        }
        if hash == me.hash {
            self.heard_own_name(me, &sender, &answer.advertised, now, out);
            return self.higher_incarnation(me, answer.known.max(sender.incarnation), wall, out);
        }
        if !self.speaks_for(id, &sender, hash, membership, now, out) {
            return None;
        }
        let adopted = self.higher_incarnation(me, answer.known, wall, out);
        out.announce();
        self.book.learn(hash, &answer.advertised, now);
        for node in answer.nodes.iter().take(PEERS_MAX) {
            // A node of our own name, too: it must learn of us.
            self.book.learn(NodeHash::of(&node.name, me.digest), &node.addresses, now);
        }
        self.dial_due(now, out);
        self.remember(adopted.unwrap_or(me.incarnation), out);
        adopted
    }

    /// No node may know a greater incarnation of our name than ours. Once something was published under it, it stays.
    fn higher_incarnation(
        &mut self,
        me: &Identity,
        known: Incarnation,
        wall: Wall,
        out: &mut Outputs,
    ) -> Option<Incarnation> {
        if known < me.incarnation
            || out.announced()
            || !(known.is_credible(me.incarnation, wall) || injected(Fault::AnyIncarnationAdopted))
        {
            return None;
        }
        let next = known.next()?;
        self.remember(next, out);
        Some(next)
    }

    fn remember(&mut self, incarnation: Incarnation, out: &mut Outputs) {
        let addresses = self.book.of_nodes();
        let remembered = (addresses.clone(), incarnation);
        if self.remembered.as_ref() != Some(&remembered) {
            self.remembered = Some(remembered);
            out.push(Output::Remember { addresses, incarnation: incarnation.get() });
        }
    }

    /// Another node uses our name, at these addresses: the younger of the two ends.
    fn heard_own_name(&self, me: &Identity, sender: &SenderId, there: &[String], now: Mono, out: &mut Outputs) {
        let younger = (me.incarnation, me.birth) > (sender.incarnation, sender.birth);
        let settled = now.since(self.started_at) >= OWN_NAME_MS;
        // Another node's words, for the log: bounded, and on one line.
        let fits = there.iter().filter(|address| address.len() <= ADDRESS_BYTES_MAX).take(NAMED_MAX);
        let there: Vec<String> = fits.map(|address| address.escape_debug().to_string()).collect();
        // What a link delivers names no address; a hello or its answer, at most ten seconds later, does.
        if sender.birth != me.birth && settled && younger && !there.is_empty() {
            let (name, ours, theirs) = (me.name.clone(), self.book.advertised().to_vec(), there);
            out.push(Output::Abort(AbortReason::NameTaken { name, ours, theirs }));
        } else if sender.birth != me.birth && settled && !younger && !there.is_empty() {
            let there = there.join(", ");
            let text = format!(
                "Another node is called {} too, at {there}. It is younger than this one and will end.",
                me.name
            );
            out.warn(text);
        }
    }
}
