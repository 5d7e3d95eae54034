//! The text that every frame to a subscription begins with, one allocation for all subscriptions that have the same: a
//! thousand pages of one room would hold a thousand copies otherwise.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;

use super::SHARDS;
use super::protocols::ProtocolId;

/// Fewer prefixes of one shard are kept without a check of which are still in use.
const KEPT_MIN: usize = 64;

/// A subscription's protocol, and what every frame to it begins with; a body follows. Cheap to clone.
#[derive(Clone, Eq, Debug)]
pub(crate) struct Prefix(Arc<PrefixText>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct PrefixText {
    protocol: ProtocolId,
    text: Box<str>,
}

impl Prefix {
    fn new(protocol: ProtocolId, text: String) -> Self {
        Self(Arc::new(PrefixText { protocol, text: text.into() }))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0.text
    }

    pub(super) fn protocol(&self) -> ProtocolId {
        self.0.protocol
    }

    /// Whether both are one allocation: told apart without reading.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl PartialEq for Prefix {
    fn eq(&self, other: &Self) -> bool {
        self.is(other) || self.0 == other.0
    }
}

impl Hash for Prefix {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Ord for Prefix {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is(other) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for Prefix {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The prefixes that are in use, and some that were lately.
#[derive(Debug, Default)]
pub(super) struct PrefixPool {
    shards: [Mutex<Pooled>; SHARDS],
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Pooled {
    prefixes: HashSet<Prefix>,
    /// How many were in use at the last check.
    used: usize,
}

impl PrefixPool {
    /// The one prefix of this protocol and text.
    pub(super) fn get(&self, protocol: ProtocolId, text: String) -> Prefix {
        let prefix = Prefix::new(protocol, text);
        let mut pooled = self.shards[self.hasher.hash_one(&prefix) as usize % SHARDS].lock();
        if let Some(known) = pooled.prefixes.get(&prefix) {
            return known.clone();
        }
        // Twice as many as were in use: a check of all of them costs each new one two steps.
        if pooled.prefixes.len() >= pooled.used.max(KEPT_MIN) * 2 {
            pooled.forget_unused();
        }
        pooled.prefixes.insert(prefix.clone());
        prefix
    }

    /// Forgets the unused prefixes of one shard: all of them, after as many calls with consecutive turns as there are shards.
    pub(super) fn forget_unused(&self, turn: u64) {
        self.shards[turn as usize % SHARDS].lock().forget_unused();
    }
}

impl Pooled {
    fn forget_unused(&mut self) {
        self.prefixes.retain(Prefix::is_shared);
        self.used = self.prefixes.len();
        self.prefixes.shrink_to(2 * self.used);
    }
}

#[cfg(test)]
mod tests {
    use super::super::protocols::Protocols;
    use super::*;
    use crate::socket::ENCODERS;

    #[test]
    fn equal_prefixes_are_one_allocation_and_unused_ones_are_forgotten() {
        let protocols = Protocols::new(ENCODERS);
        let [protocol, other] = [ENCODERS[0], ENCODERS[1]].map(|encoder| protocols.find(encoder));
        let pool = PrefixPool::default();
        let get = |text: &str| pool.get(protocol, text.to_owned());
        let first = get("a");
        assert!(get("a").is(&first));
        assert_ne!(get("b"), first);
        assert_ne!(pool.get(other, "a".to_owned()), first, "another protocol's");
        assert_eq!(Prefix::new(protocol, "a".to_owned()), first);
        let kept = || pool.shards.iter().map(|shard| shard.lock().prefixes.len()).sum::<usize>();
        for number in 0..10 * SHARDS * KEPT_MIN {
            get(&number.to_string());
        }
        assert!(kept() <= 2 * SHARDS * KEPT_MIN);
        (0..SHARDS as u64).for_each(|turn| pool.forget_unused(turn));
        assert_eq!(kept(), 1);
        assert!(pool.shards.iter().all(|shard| shard.lock().prefixes.capacity() < 8));
        assert!(get("a").is(&first), "it is in use");
    }
}
