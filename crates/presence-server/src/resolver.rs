//! From configured names and this machine's interfaces to addresses: without it a name that stands for many nodes would
//! be dialled as one, and other nodes would not learn of an interface that comes up later.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use presence_core::Input;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
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
#[derive(Clone)]
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

    /// Tells core which addresses the names stand for and which are this node's own, now and after each change. Without it a
    /// node would not find nodes that move, so it is started again if it panics.
    pub(crate) async fn follow(self, inputs: mpsc::Sender<Input>) {
        always(|| self.clone().follow_once(inputs.clone())).await;
    }

    /// Sending fails where the driver has ended, and the process with it.
    async fn follow_once(mut self, inputs: mpsc::Sender<Input>) {
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

/// Runs a task to its end, and again a while after each panic. The task is aborted with its caller.
async fn always<F: Future<Output = ()> + Send + 'static>(task: impl Fn() -> F) {
    loop {
        let mut running = JoinSet::new();
        running.spawn(task());
        match running.join_next().await {
            Some(Err(error)) if error.is_panic() => tracing::error!("the resolver panicked; starting it again"),
            _ => return,
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_started_again() {
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&starts);
        always(move || {
            let start = counted.fetch_add(1, Relaxed);
            async move { assert!(start > 0, "a test's own") }
        })
        .await;
        assert_eq!(starts.load(Relaxed), 2);
    }
}
