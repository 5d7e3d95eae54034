//! At most this many sockets for each address, so that one machine can't take every connection.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::sites::network;

/// Counts sockets by address. An address without sockets takes no memory.
pub(super) struct AddressLimit {
    max: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// The right to hold one socket; given back when dropped.
pub(crate) struct AddressPermit {
    limit: Arc<AddressLimit>,
    address: IpAddr,
}

impl AddressLimit {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, counts: Mutex::default() })
    }

    /// A permit for one more socket of this address; `None` if the address is at its limit.
    pub(super) fn acquire(self: &Arc<Self>, address: IpAddr) -> Option<AddressPermit> {
        let address = network(address);
        let mut counts = self.counts.lock();
        let count = counts.entry(address).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(AddressPermit { limit: Arc::clone(self), address })
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut counts = self.limit.counts.lock();
        if let Some(count) = counts.get_mut(&self.address) {
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
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = limit.acquire(address("2001:db8::1"));
        let _second = limit.acquire(address("2001:db8::2")).unwrap();
        assert!(limit.acquire(address("2001:db8::3")).is_none());
        assert!(limit.acquire(address("2001:db9::3")).is_some());
        drop(first);
        assert!(limit.acquire(address("2001:db8::3")).is_some());
    }
}
