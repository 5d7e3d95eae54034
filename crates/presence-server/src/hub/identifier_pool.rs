//! Keys of subscriptions, one allocation for all sockets that have the same; without it a thousand pages of one room would
//! hold a thousand copies.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use presence_cable::Identifier;

/// Fewer are kept without a look at who still needs them.
const KEPT_MIN: usize = 1_024;

/// The keys that are in use, and some that were lately.
#[derive(Debug, Default)]
pub(super) struct IdentifierPool(Mutex<Keys>);

#[derive(Debug, Default)]
struct Keys {
    known: HashSet<Identifier>,
    /// As many as were in use when that was last looked at.
    used: usize,
}

impl IdentifierPool {
    /// The key itself, or the same one that others have.
    pub(super) fn intern(&self, identifier: Identifier) -> Identifier {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = keys.known.get(&identifier) {
            return known.clone();
        }
        // Twice as many as were in use: a look at all of them costs each newcomer two.
        if keys.known.len() >= keys.used.max(KEPT_MIN) * 2 {
            keys.known.retain(Identifier::is_shared);
            keys.used = keys.known.len();
        }
        keys.known.insert(identifier.clone());
        identifier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_are_one_allocation_and_those_that_nobody_has_are_forgotten() {
        let interned = IdentifierPool::default();
        let first = interned.intern(Identifier::new("a"));
        assert!(interned.intern(Identifier::new("a")).is(&first));
        for number in 0..10 * KEPT_MIN {
            interned.intern(Identifier::new(&number.to_string()));
        }
        assert!(interned.0.lock().unwrap().known.len() <= 2 * KEPT_MIN);
        assert!(interned.intern(Identifier::new("a")).is(&first), "it is in use");
    }
}
