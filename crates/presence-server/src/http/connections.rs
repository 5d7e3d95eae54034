//! The connections of each address, and how long each has been idle. One machine can't take every place: an address has a
//! limit, and where no place is left, the connection that has been idle for longest ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::request_info::ProxyRules;
use crate::config::Config;
use crate::sites::network;

/// Connections of an address beside its sockets: a household's browsers load pages over six connections each.
const BESIDE_SOCKETS: usize = 64;

/// All connections of this node.
pub(crate) struct HttpConnections {
    per_address: usize,
    /// One proxy carries the connections of many visitors, so trusted ones have no limit.
    rules: ProxyRules,
    table: Mutex<ConnectionTable>,
}

/// An address without connections takes no memory.
#[derive(Default)]
struct ConnectionTable {
    next: u64,
    addresses: HashMap<IpAddr, AddressConnections>,
    /// By the order in which they became idle.
    idle: BTreeMap<u64, Arc<ConnectionActivity>>,
}

#[derive(Default)]
struct AddressConnections {
    held: usize,
    idle: BTreeSet<u64>,
}

impl HttpConnections {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let per_address = config.limits.sockets_per_address.saturating_add(BESIDE_SOCKETS);
        Arc::new(Self { per_address, rules: ProxyRules::new(config), table: Mutex::default() })
    }

    /// The right of an address to one more connection. At its limit its connection that has been idle for longest ends;
    /// `None` if none is idle.
    pub(super) fn acquire(self: &Arc<Self>, address: IpAddr) -> Option<AddressSlot> {
        let limited = !self.rules.trusts(address.to_canonical());
        let address = network(address);
        let mut table = self.table.lock();
        if let Some(known) = table.addresses.get(&address).filter(|known| limited && known.held >= self.per_address) {
            let oldest = known.idle.first().copied()?;
            table.end(oldest);
        }
        table.change(address, |known| known.held += 1);
        Some(AddressSlot { all: Arc::clone(self), address })
    }

    /// Ends the connection that has been idle for longest. False if none is idle.
    pub(super) fn end_oldest_idle(&self) -> bool {
        let mut table = self.table.lock();
        let oldest = table.idle.first_key_value().map(|(since, _)| *since);
        oldest.inspect(|oldest| table.end(*oldest)).is_some()
    }
}

impl ConnectionTable {
    fn end(&mut self, since: u64) {
        if let Some(state) = self.remove(since) {
            state.ended.notify_one();
        }
    }

    fn remove(&mut self, since: u64) -> Option<Arc<ConnectionActivity>> {
        let state = self.idle.remove(&since)?;
        self.change(state.address, |known| {
            known.idle.remove(&since);
        });
        Some(state)
    }

    fn change(&mut self, address: IpAddr, change: impl FnOnce(&mut AddressConnections)) {
        let known = self.addresses.entry(address).or_default();
        change(known);
        if known.held == 0 && known.idle.is_empty() {
            self.addresses.remove(&address);
        }
    }
}

/// The right to hold one connection; given back when dropped.
pub(super) struct AddressSlot {
    all: Arc<HttpConnections>,
    address: IpAddr,
}

impl AddressSlot {
    /// A connection that has just been accepted: it is idle.
    pub(super) fn connection(&self) -> Activity {
        let (all, address) = (Arc::clone(&self.all), self.address);
        let state = Arc::new(ConnectionActivity { all, address, since: Mutex::new(None), ended: Notify::new() });
        state.idle();
        Activity(state)
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        self.all.table.lock().change(self.address, |known| known.held -= 1);
    }
}

/// Whether a connection waits for a request or is served.
pub(super) struct ConnectionActivity {
    all: Arc<HttpConnections>,
    address: IpAddr,
    /// Its place among the idle ones; `None`: it is busy, or was told to end.
    since: Mutex<Option<u64>>,
    ended: Notify,
}

impl ConnectionActivity {
    fn idle(self: &Arc<Self>) {
        let mut table = self.all.table.lock();
        let since = table.next;
        table.next += 1;
        table.idle.insert(since, Arc::clone(self));
        table.change(self.address, |known| {
            known.idle.insert(since);
        });
        *self.since.lock() = Some(since);
    }

    fn busy(&self) {
        let mut table = self.all.table.lock();
        let since = self.since.lock().take();
        since.map(|since| table.remove(since));
    }
}

/// What one connection does now.
pub(super) struct Activity(Arc<ConnectionActivity>);

impl Activity {
    /// A request is being answered, until the value is dropped.
    pub(super) fn begin(&self) -> BusyConnection {
        self.0.busy();
        BusyConnection(Arc::downgrade(&self.0))
    }

    /// Whether no request is being answered.
    pub(super) fn is_idle(&self) -> bool {
        self.0.since.lock().is_some()
    }

    /// Waits until the connection has to end, since its place is needed.
    pub(super) async fn ended(&self) {
        self.0.ended.notified().await;
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.0.busy();
    }
}

/// A request that is being answered. The connection may end before the answer does.
pub(super) struct BusyConnection(Weak<ConnectionActivity>);

impl BusyConnection {
    /// The connection becomes a socket, and is never idle again.
    pub(super) fn never_idle(mut self) {
        self.0 = Weak::new();
    }
}

impl Drop for BusyConnection {
    fn drop(&mut self) {
        if let Some(state) = self.0.upgrade() {
            state.idle();
        }
    }
}

/// The body of an answer, during which its connection is busy.
pub(super) struct BusyBody {
    pub(super) body: Body,
    pub(super) _busy: BusyConnection,
}

impl HttpBody for BusyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(line: &str) -> Arc<HttpConnections> {
        HttpConnections::new(&Config::of(line.split_whitespace()).unwrap())
    }

    fn opened(all: &Arc<HttpConnections>, address: &str) -> Option<(AddressSlot, Activity)> {
        let slot = all.acquire(address.parse().unwrap())?;
        let activity = slot.connection();
        Some((slot, activity))
    }

    fn has_to_end(activity: &Activity) -> bool {
        let mut ended = std::pin::pin!(activity.ended());
        let mut context = Context::from_waker(std::task::Waker::noop());
        ended.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn an_address_at_its_limit_ends_its_own_oldest_idle_connection() {
        let all = connections("--sockets-per-address 1 --trusted-proxy 10.0.0.7");
        let mine: Vec<_> = (0..=BESIDE_SOCKETS).map(|_| opened(&all, "192.0.2.1").unwrap()).collect();
        let (_slot, other) = opened(&all, "192.0.2.2").unwrap();
        let first = mine[0].1.begin();
        let _more = opened(&all, "192.0.2.1").unwrap();
        let ended: Vec<bool> = mine.iter().map(|(_, activity)| has_to_end(activity)).collect();
        assert!(ended[1] && ended.iter().filter(|ended| **ended).count() == 1 && !has_to_end(&other));
        assert!(mine[1].1.is_idle() && !mine[0].1.is_idle());
        let busy: Vec<_> = mine.iter().chain([&_more]).map(|(_, activity)| activity.begin()).collect();
        assert!(opened(&all, "192.0.2.1").is_none(), "none of its connections is idle");
        let proxied: Vec<_> = (0..200).map(|_| opened(&all, "::ffff:10.0.0.7").unwrap()).collect();
        assert_eq!(proxied.len(), 200);
        drop((first, busy));
        assert!(opened(&all, "192.0.2.1").is_some());
    }

    #[test]
    fn the_oldest_idle_connection_of_all_ends_and_those_that_are_gone_take_no_memory() {
        let all = connections("");
        let (first, second) = (opened(&all, "192.0.2.1").unwrap(), opened(&all, "192.0.2.2").unwrap());
        // It has served a request, and is the one that became idle last.
        drop(first.1.begin());
        assert!(all.end_oldest_idle() && has_to_end(&second.1) && !has_to_end(&first.1));
        let answer = first.1.begin();
        assert!(!all.end_oldest_idle());
        // In either order: an answer may outlive its connection.
        drop(first);
        drop(answer);
        let (slot, activity) = second;
        drop(slot);
        drop(activity);
        let table = all.table.lock();
        assert!(table.idle.is_empty() && table.addresses.is_empty());
    }

    #[test]
    fn a_socket_is_never_idle() {
        let all = connections("");
        let (_slot, activity) = opened(&all, "192.0.2.1").unwrap();
        activity.begin().never_idle();
        assert!(!activity.is_idle() && !all.end_oldest_idle());
    }
}
