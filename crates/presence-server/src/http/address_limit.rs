//! At most this many sockets for each address, so that one machine can't take every connection.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::sites::network;

/// Counts sockets by address. An address without sockets takes no memory.
pub(super) struct AddressLimit {
    max: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
    /// How many addresses have as many as they may.
    full: AtomicUsize,
}

/// Whether an address is far from its limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AddressLoad {
    Low,
    /// It has half of what it may, or more.
    High,
}

/// The right to hold one socket; given back when dropped.
pub(crate) struct AddressPermit {
    limit: Arc<AddressLimit>,
    address: IpAddr,
}

impl AddressLimit {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, counts: Mutex::default(), full: AtomicUsize::new(0) })
    }

    /// A permit for one more socket of this address, `None` if the address is at its limit; and how near that is.
    pub(super) fn acquire(self: &Arc<Self>, address: IpAddr) -> (Option<AddressPermit>, AddressLoad) {
        let address = network(address);
        let mut counts = self.counts.lock();
        let count = counts.entry(address).or_default();
        if *count >= self.max {
            return (None, AddressLoad::High);
        }
        *count += 1;
        self.full.fetch_add(usize::from(*count == self.max), Relaxed);
        let load = if *count >= self.max.div_ceil(2) { AddressLoad::High } else { AddressLoad::Low };
        (Some(AddressPermit { limit: Arc::clone(self), address }), load)
    }

    /// How many addresses are at their limit now.
    pub(super) fn addresses_at_limit(&self) -> usize {
        self.full.load(Relaxed)
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut counts = self.limit.counts.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            self.limit.full.fetch_sub(usize::from(*count == self.limit.max), Relaxed);
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_that_is_given_back_is_free_again() {
        let limit = AddressLimit::new(2);
        let acquire = |text: &str| limit.acquire(text.parse::<IpAddr>().unwrap()).0;
        let first = acquire("2001:db8::1");
        let _second = acquire("2001:db8::2").unwrap();
        assert!(acquire("2001:db8::3").is_none());
        let other = acquire("2001:db9::3");
        assert!(other.is_some() && limit.addresses_at_limit() == 1);
        drop(first);
        assert_eq!(limit.addresses_at_limit(), 0);
        assert!(acquire("2001:db8::3").is_some());
    }

    #[test]
    fn an_address_is_near_its_limit_from_half_of_it() {
        for (max, low) in [(1, 0), (2, 0), (3, 1), (10, 4), (1_000, 499)] {
            let limit = AddressLimit::new(max);
            let all: Vec<_> = (0..=max).map(|_| limit.acquire([192, 0, 2, 1].into())).collect();
            let found = all.iter().filter(|(_, load)| *load == AddressLoad::Low).count();
            assert!(found == low && all.last().is_some_and(|(permit, _)| permit.is_none()), "{max}: {found}");
        }
    }
}
