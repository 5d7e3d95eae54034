//! From the configured names to addresses: without it a name that stands for many nodes would be dialled as one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use presence_core::Input;
use tokio::time::{sleep, timeout};

use super::address::{Address, Own};
use super::sink::Sink;

const RESOLVE_EVERY: Duration = Duration::from_secs(10);
/// Where a name does not resolve yet: its first node may be about to appear.
const RESOLVE_AGAIN_AFTER: Duration = Duration::from_secs(1);
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);

/// A mesh has at most 256 nodes; a name that stands for more is cut.
const ADDRESSES_MAX: usize = 512;

/// The names that numbers came from. Cheap to clone.
#[derive(Clone, Default)]
// A std lock: held for a look-up.
pub(super) struct Known(Arc<Mutex<BTreeMap<Address, Address>>>);

impl Known {
    /// The address with the name that this one came from.
    pub(super) fn name_of(&self, address: &Address) -> Option<Address> {
        self.0.lock().expect("nothing panics under this lock").get(address).cloned()
    }
}

/// The configured addresses of other nodes.
pub(super) struct Names {
    peers: Vec<Address>,
    own: Arc<Own>,
    known: Known,
    /// What each name stood for when it last resolved: a resolver that is down for a while takes nobody away.
    last: BTreeMap<Address, BTreeSet<Address>>,
}

impl Names {
    pub(super) fn new(peers: Vec<Address>, own: Arc<Own>) -> Self {
        Self { peers, own, known: Known::default(), last: BTreeMap::new() }
    }

    pub(super) fn known(&self) -> Known {
        self.known.clone()
    }

    /// Tells the set at once, and each time it has changed.
    pub(super) async fn resolve_for_ever(mut self, sink: Sink) {
        let mut told = None;
        let mut unresolved = BTreeSet::new();
        loop {
            let failed = self.resolve().await;
            for name in failed.difference(&unresolved) {
                tracing::warn!("{name} does not resolve to any address; trying again");
            }
            let addresses = self.addresses();
            if told.as_ref() != Some(&addresses) {
                let input = Input::Resolved { addresses: addresses.iter().map(ToString::to_string).collect() };
                sink.send(input).await;
                told = Some(addresses);
            }
            sleep(if failed.is_empty() { RESOLVE_EVERY } else { RESOLVE_AGAIN_AFTER }).await;
            unresolved = failed;
        }
    }

    /// Asks for every name; returns those without an answer.
    async fn resolve(&mut self) -> BTreeSet<Address> {
        let mut failed = BTreeSet::new();
        for peer in &self.peers {
            let numbers = look_up(peer).await;
            if numbers.is_empty() {
                failed.insert(peer.clone());
            } else {
                self.last.insert(peer.clone(), numbers.into_iter().map(|number| peer.at(number)).collect());
            }
        }
        // A name of our own may stand for a number that no interface has, behind NAT.
        let mut own = BTreeSet::new();
        for address in self.own.advertised.iter().filter(|address| address.number().is_none()) {
            own.extend(look_up(address).await.into_iter().map(|number| address.at(number)));
        }
        for addresses in self.last.values_mut() {
            addresses.retain(|address| !self.own.contains(address) && !own.contains(address));
        }
        failed
    }

    fn addresses(&self) -> BTreeSet<Address> {
        let mut known = self.known.0.lock().expect("nothing panics under this lock");
        known.clear();
        for (name, addresses) in self.last.iter().filter(|(name, _)| name.number().is_none()) {
            known.extend(addresses.iter().take(ADDRESSES_MAX).map(|address| (address.clone(), name.clone())));
        }
        self.last.values().flatten().take(ADDRESSES_MAX).cloned().collect()
    }
}

async fn look_up(address: &Address) -> Vec<IpAddr> {
    if let Some(number) = address.number() {
        return vec![number];
    }
    match timeout(RESOLVE_WITHIN, tokio::net::lookup_host((address.host.as_str(), address.port))).await {
        Ok(Ok(found)) => found.map(|socket| socket.ip()).collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}
