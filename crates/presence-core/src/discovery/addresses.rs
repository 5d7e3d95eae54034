//! Where the other nodes may be reached, and when each address is dialled next.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::NodeHash;
use crate::io::dial::DialError;
use crate::io::output::Output;
use crate::outputs::Outputs;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Mono;

const RETRY_FIRST_MS: u64 = 250;
/// A hello hastens the dial of an address at most this often.
const HASTEN_GAP_MS: u64 = 500;
/// A dial under way is started again only this long after it began: it has to fail at some time, or the node's other
/// addresses would never get their turn.
const RESTARTS_MS: u64 = 5_000;
/// A told address that was never reached for this long is forgotten.
const TOLD_MS: u64 = 600_000;
/// Most dials at a time of addresses that only another node has named.
const TOLD_DIALS_MAX: usize = 4;
/// Most addresses that are known.
const ADDRESSES_MAX: usize = 1_024;
/// Most addresses that one node may name.
pub(super) const ADVERTISED_MAX: usize = 16;
/// Longest address in bytes.
pub(super) const ADDRESS_BYTES_MAX: usize = 300;
/// Most addresses that the view of the mesh names as not reached.
const UNREACHED_MAX: usize = 8;

/// When an address is dialled again after its link has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Redial {
    AtOnce,
    BackOff,
}

/// Where a node may be reached.
#[derive(Debug, Default)]
pub(super) struct Address {
    pub(super) configured: bool,
    /// Only another node says that one is there.
    told: bool,
    /// A dial has reached a node there, in this start or an earlier one.
    reached: bool,
    pub(super) node: Option<NodeHash>,
    known_at: Mono,
    due_at: Mono,
    tries: u32,
    dialling: bool,
    /// When the dial under way began.
    dialled_at: Mono,
    /// When a hello last hastened a dial of it.
    hastened_at: Option<Mono>,
    linked: bool,
    ours: bool,
    complained: bool,
    /// Why the last dial made no link.
    failed: Option<DialError>,
}

/// All known addresses.
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    addresses: BTreeMap<String, Address>,
    /// This node's own, as others reach it.
    advertised: Vec<String>,
}

impl AddressBook {
    pub(super) fn new(advertised: Vec<String>) -> Self {
        Self { addresses: BTreeMap::new(), advertised }
    }

    pub(super) fn advertised(&self) -> &[String] {
        &self.advertised
    }

    pub(super) fn get(&self, address: &str) -> Option<&Address> {
        self.addresses.get(address)
    }

    /// The configured addresses as they resolve now.
    pub(super) fn resolve(&mut self, addresses: Vec<String>, now: Mono) {
        for (known, address) in &mut self.addresses {
            address.configured = addresses.contains(known);
        }
        for address in addresses {
            if let Some(entry) = self.make_room_and_know(address, now) {
                (entry.configured, entry.told) = (true, false);
            }
        }
    }

    /// Knows an address that is needed now: where the book is full, one that is in no use gives way.
    fn make_room_and_know(&mut self, address: String, now: Mono) -> Option<&mut Address> {
        if self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(&address) && self.may_know(&address) {
            let unused = self.addresses.iter().filter(|(_, known)| !known.configured && known.is_idle());
            let by_use = unused.min_by_key(|(_, known)| (known.reached, !known.told, known.known_at));
            let oldest = by_use.map(|(name, _)| name.clone());
            oldest.map(|oldest| self.addresses.remove(&oldest));
        }
        self.know(address, now)
    }

    pub(super) fn know(&mut self, address: String, now: Mono) -> Option<&mut Address> {
        if !self.may_know(&address) || (self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(&address))
        {
            return None;
        }
        let new = || Address { known_at: now, due_at: now, ..Address::default() };
        Some(self.addresses.entry(address).or_insert_with(new))
    }

    fn may_know(&self, address: &String) -> bool {
        address.len() <= ADDRESS_BYTES_MAX && !self.advertised.contains(address)
    }

    /// An address at which a node was reached before this start.
    pub(super) fn know_reached(&mut self, address: String, now: Mono) {
        if let Some(entry) = self.know(address, now) {
            entry.reached = true;
        }
    }

    /// Another node says where a node may be reached.
    pub(super) fn learn(&mut self, node: NodeHash, addresses: &[String], now: Mono) {
        for address in addresses.iter().take(ADVERTISED_MAX) {
            if let Some(entry) = self.know(address.clone(), now) {
                entry.told |= entry.node.is_none() && !entry.configured && !entry.reached;
                entry.node.get_or_insert(node);
            }
        }
    }

    /// A node that is not heard says where it is: its addresses are due now.
    pub(super) fn hasten(&mut self, node: NodeHash, addresses: &[String], now: Mono, out: &mut Outputs) {
        for address in addresses.iter().take(ADVERTISED_MAX) {
            let Some(entry) = self.make_room_and_know(address.clone(), now) else { continue };
            (entry.node, entry.told) = (Some(node), false);
            if entry.hasten(now) {
                out.push(Output::Dial { address: address.clone() });
            }
        }
    }

    /// The addresses of these nodes are due by then.
    pub(super) fn due_by(&mut self, nodes: &BTreeSet<NodeHash>, then: Mono) {
        let theirs =
            self.addresses.values_mut().filter(|address| address.node.is_some_and(|node| nodes.contains(&node)));
        theirs.for_each(|address| address.due_at = address.due_at.min(then));
    }

    /// This node is reached at other addresses than before: no dial may lead back here.
    pub(super) fn readvertise(&mut self, advertised: Vec<String>, now: Mono) {
        self.addresses.retain(|address, _| !advertised.contains(address));
        // What was found to be our own may belong to another node now.
        for address in self.addresses.values_mut().filter(|address| address.ours) {
            (address.ours, address.node, address.due_at) = (false, None, now);
        }
        self.advertised = advertised;
    }

    /// Dials every address that is due and whose node is not reached already.
    pub(super) fn dial_due(&mut self, mut reached: BTreeSet<NodeHash>, now: Mono, out: &mut Outputs) {
        // A dial that takes long may be of an address that its node has no longer: where it says hello, it is now.
        let (fresh, slow): (Vec<&Address>, Vec<&Address>) =
            self.addresses.values().filter(|address| address.dialling).partition(|address| address.is_fresh(now));
        reached.extend(fresh.into_iter().filter_map(|address| address.node));
        let slow: BTreeSet<NodeHash> = slow.into_iter().filter_map(|address| address.node).collect();
        let mut told = self.addresses.values().filter(|address| address.told && address.dialling).count();
        for (name, address) in &mut self.addresses {
            let due = address.is_idle() && address.due_at <= now;
            let hastened = address.hastened_at == Some(now);
            let waits = |node: &NodeHash| reached.contains(node) || (slow.contains(node) && !hastened);
            let many = address.told && told >= TOLD_DIALS_MAX && !injected(Fault::AllToldDialled);
            if !due || many || address.node.as_ref().is_some_and(waits) {
                continue;
            }
            told += usize::from(address.told);
            (address.dialling, address.dialled_at) = (true, now);
            reached.extend(address.node);
            out.push(Output::Dial { address: name.clone() });
        }
    }

    /// A dial reached this node; `None` where the address was forgotten meanwhile.
    pub(super) fn reached(&mut self, address: &str, node: NodeHash, now: Mono) -> Option<&mut Address> {
        let entry = self.addresses.get_mut(address)?;
        (entry.dialling, entry.complained, entry.failed) = (false, false, None);
        (entry.node, entry.known_at, entry.told, entry.reached) = (Some(node), now, false, true);
        Some(entry)
    }

    /// A dial failed. Returns whether the operator is to hear of it.
    pub(super) fn failed(&mut self, address: &str, error: DialError, longest_ms: u64, now: Mono) -> bool {
        // A dial that was begun again may have ended already.
        let Some(entry) = self.addresses.get_mut(address).filter(|entry| entry.dialling) else { return false };
        (entry.dialling, entry.failed) = (false, Some(error));
        entry.back_off(longest_ms, now);
        entry.configured && !std::mem::replace(&mut entry.complained, true)
    }

    pub(super) fn link_opened(&mut self, address: &str) {
        if let Some(entry) = self.addresses.get_mut(address) {
            entry.linked = true;
        }
    }

    pub(super) fn back_off(&mut self, address: &str, longest_ms: u64, now: Mono) {
        if let Some(entry) = self.addresses.get_mut(address) {
            entry.back_off(longest_ms, now);
        }
    }

    /// The link there has ended; one that lasted makes up for the dials that failed before.
    pub(super) fn link_ended(&mut self, address: &str, lasted: bool, redial: Redial, longest_ms: u64, now: Mono) {
        let Some(entry) = self.addresses.get_mut(address) else { return };
        entry.linked = false;
        if lasted {
            entry.tries = 0;
        }
        match redial {
            Redial::AtOnce => entry.due_at = now,
            Redial::BackOff => entry.back_off(longest_ms, now),
        }
    }

    /// The address leads back to this node.
    pub(super) fn is_ours(&mut self, address: &str) {
        if let Some(entry) = self.addresses.get_mut(address) {
            entry.ours = true;
        }
    }

    /// The known addresses of a node.
    pub(super) fn of(&self, node: NodeHash) -> Vec<String> {
        let known = self.addresses.iter().filter(|(_, address)| address.node == Some(node) && !address.ours);
        known.map(|(name, _)| name.clone()).take(ADVERTISED_MAX).collect()
    }

    /// The addresses of nodes that were reached, for the next start.
    pub(super) fn of_nodes(&self) -> Vec<String> {
        let reached = self.addresses.iter().filter(|(_, address)| address.reached && !address.ours);
        reached.map(|(name, _)| name.clone()).collect()
    }

    /// The configured addresses that can't be reached for a reason of this kind, a sentence each.
    pub(super) fn unreached(&self, kind: impl Fn(DialError) -> bool) -> Vec<String> {
        let configured = self.addresses.iter().filter(|(_, address)| address.configured && !address.ours);
        let failed =
            configured.filter_map(|(name, address)| Some((name, address.failed.filter(|error| kind(*error))?)));
        failed.map(|(name, error)| format!("Could not reach {name}: {error}")).take(UNREACHED_MAX).collect()
    }

    /// Forgets told addresses that were not reached for long.
    pub(super) fn prune(&mut self, now: Mono) {
        self.addresses.retain(|_, address| {
            address.configured || address.linked || address.dialling || now.since(address.known_at) < TOLD_MS
        });
    }
}

impl Address {
    /// Why the last dial made no link.
    pub(super) fn failed(&self) -> Option<DialError> {
        self.failed
    }

    fn is_idle(&self) -> bool {
        !self.dialling && !self.linked && !self.ours
    }

    fn is_fresh(&self, now: Mono) -> bool {
        now.since(self.dialled_at) < HASTEN_GAP_MS
    }

    /// Its node says hello: it is due now. Returns whether a dial under way should start again: it may have begun before
    /// the node was there, and wait long for its next attempt.
    fn hasten(&mut self, now: Mono) -> bool {
        if self.hastened_at.is_some_and(|at| now.since(at) < HASTEN_GAP_MS) {
            return false;
        }
        (self.hastened_at, self.due_at, self.tries) = (Some(now), now, 0);
        self.dialling && !self.is_fresh(now) && now.since(self.dialled_at) < RESTARTS_MS
    }

    fn back_off(&mut self, longest_ms: u64, now: Mono) {
        let wait_ms = (RETRY_FIRST_MS << self.tries.min(10)).min(longest_ms);
        self.tries = self.tries.saturating_add(1);
        self.due_at = now + wait_ms;
    }
}
