//! From configured names and this machine's interfaces to addresses: without it a name that stands for many nodes would
//! be dialled as one, and other nodes would not learn of an interface that comes up later.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use presence_core::Input;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::config::{MeshAddress, OwnAddresses};

/// How often interfaces are listed, and names asked for that do not resolve yet: their first node may appear at any time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const RESOLVE_EVERY: Duration = Duration::from_secs(10);
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);
/// A mesh has at most 256 nodes; a name that stands for more is cut.
const ADDRESSES_MAX: usize = 512;

/// The names that addresses were resolved from. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct ResolvedNames(Arc<Mutex<BTreeMap<MeshAddress, MeshAddress>>>);

impl ResolvedNames {
    /// The address with the name that this one came from.
    pub(crate) fn name_of(&self, address: &MeshAddress) -> Option<MeshAddress> {
        self.0.lock().get(address).cloned()
    }
}

/// The configured addresses of other nodes, and this node's own.
pub(crate) struct Resolver {
    peers: Vec<MeshAddress>,
    own: OwnAddresses,
    interfaces: Vec<IpAddr>,
    known: ResolvedNames,
    /// What each name stood for when it last resolved: a resolver that fails for a while removes no node.
    last: BTreeMap<MeshAddress, BTreeSet<MeshAddress>>,
}

impl Resolver {
    pub(crate) fn new(
        peers: Vec<MeshAddress>,
        own: OwnAddresses,
        interfaces: Vec<IpAddr>,
        known: ResolvedNames,
    ) -> Self {
        Self { peers, own, interfaces, known, last: BTreeMap::new() }
    }

    /// Tells core which addresses the names stand for and which are this node's own, now and after each change.
    /// Sending fails where the driver has ended, and the process with it.
    pub(crate) async fn follow(mut self, inputs: mpsc::Sender<Input>) {
        let (mut told, mut unresolved, mut due) = (None, BTreeSet::new(), Instant::now());
        loop {
            if self.interfaces_changed() {
                due = Instant::now();
                let advertised = self.own.advertised(&self.interfaces).iter().map(ToString::to_string).collect();
                let _ = inputs.send(Input::Readdressed { advertised }).await;
            }
            if Instant::now() >= due || !unresolved.is_empty() {
                let failed = self.resolve().await;
                for name in failed.difference(&unresolved) {
                    tracing::warn!("{name} does not resolve to any address; trying again");
                }
                unresolved = failed;
                due = Instant::now() + RESOLVE_EVERY;
                let addresses = self.addresses();
                if told.as_ref() != Some(&addresses) {
                    let input = Input::Resolved { addresses: addresses.iter().map(ToString::to_string).collect() };
                    let _ = inputs.send(input).await;
                    told = Some(addresses);
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn interfaces_changed(&mut self) -> bool {
        // If they can't be listed now, the last list stands.
        let Ok(now) = OwnAddresses::interfaces() else { return false };
        let before = self.own.advertised(&self.interfaces);
        self.interfaces = now;
        self.own.advertised(&self.interfaces) != before
    }

    /// Resolves every name; returns those without an answer.
    async fn resolve(&mut self) -> BTreeSet<MeshAddress> {
        let mut failed = BTreeSet::new();
        for peer in &self.peers {
            let numbers = look_up(peer).await;
            if numbers.is_empty() {
                failed.insert(peer.clone());
            } else {
                self.last.insert(peer.clone(), numbers.into_iter().map(|number| peer.at(number)).collect());
            }
        }
        // Behind NAT, a name of this node may stand for an address that no interface has.
        let mut own = BTreeSet::new();
        for address in self.own.advertise.iter().filter(|address| address.number().is_none()) {
            own.extend(look_up(address).await.into_iter().map(|number| address.at(number)));
        }
        for addresses in self.last.values_mut() {
            addresses.retain(|address| !self.own.contains(address, &self.interfaces) && !own.contains(address));
        }
        failed
    }

    fn addresses(&self) -> BTreeSet<MeshAddress> {
        let mut known = self.known.0.lock();
        known.clear();
        for (name, addresses) in self.last.iter().filter(|(name, _)| name.number().is_none()) {
            known.extend(addresses.iter().take(ADDRESSES_MAX).map(|address| (address.clone(), name.clone())));
        }
        self.last.values().flatten().take(ADDRESSES_MAX).cloned().collect()
    }
}

/// The socket addresses that an address stands for now; none if it does not resolve in time.
pub(crate) async fn look_up(address: &MeshAddress) -> Vec<IpAddr> {
    if let Some(number) = address.number() {
        return vec![number];
    }
    match timeout(RESOLVE_WITHIN, tokio::net::lookup_host((address.host.as_str(), address.port))).await {
        Ok(Ok(found)) => found.map(|socket| socket.ip()).collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}
