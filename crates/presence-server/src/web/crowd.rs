//! How many sockets each address holds; without it one machine could take every place.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;

use super::Web;
use super::came::{Came, shared};
use crate::problem::Problem;

/// Counts sockets by address. An address that holds none takes no memory.
pub(crate) struct Crowd {
    most: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// One socket's place; given back when dropped.
pub(crate) struct Seat {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, counts: Mutex::default() })
    }

    /// A place for one more socket of this address; `None` where it holds all that it may.
    pub(crate) fn seat(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = shared(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Seat { crowd: Arc::clone(self), address })
    }
}

impl Web {
    /// A place for a socket, or a stream, of this visitor.
    pub(crate) fn seat(&self, came: &Came) -> Result<Seat, Problem> {
        if self.readiness.is_draining() {
            let detail = "This node is about to stop. Connect again: another one will answer.";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
        }
        if self.places.available_permits() < self.reserve {
            let detail = "This node is full. Try again, or somewhere else.";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
        }
        self.crowd.seat(came.address).ok_or_else(|| {
            let detail = "Too many sockets are open from your network. Close some pages and try again.";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn a_place_that_is_given_back_is_free_again() {
        let crowd = Crowd::new(2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = crowd.seat(address("2001:db8::1"));
        let _second = crowd.seat(address("2001:db8::2")).unwrap();
        assert!(crowd.seat(address("2001:db8::3")).is_none());
        assert!(crowd.seat(address("2001:db9::3")).is_some());
        drop(first);
        assert!(crowd.seat(address("2001:db8::3")).is_some());
    }
}
