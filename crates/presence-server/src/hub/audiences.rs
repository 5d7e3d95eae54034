//! All audiences of one kind, spread over some locks, each held for a look-up only.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use presence_core::ConnectionId;

use super::SHARDS;
use super::audience::{Audience, FlushQueue};
use super::listeners::Subscriber;
use super::prefix::Prefix;

/// Audiences by what they listen to; one without listeners takes no memory.
#[derive(Debug)]
pub(super) struct Audiences<K, Q> {
    shards: [Mutex<HashMap<K, Arc<Audience<Q>>>>; SHARDS],
    hasher: RandomState,
}

impl<K, Q> Default for Audiences<K, Q> {
    fn default() -> Self {
        Self { shards: Default::default(), hasher: RandomState::new() }
    }
}

impl<K: Clone + Eq + Hash, Q: FlushQueue> Audiences<K, Q> {
    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, Arc<Audience<Q>>>> {
        self.shards[self.hasher.hash_one(key) as usize % SHARDS].lock()
    }

    /// How many there are. One that comes or goes meanwhile may be missed.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// The audience of this; `None` where nothing listens.
    pub(super) fn find(&self, key: &K) -> Option<Arc<Audience<Q>>> {
        self.shard(key).get(key).cloned()
    }

    /// Adds a subscription.
    pub(super) fn join(&self, key: &K, subscriber: &Subscriber<'_>) -> Arc<Audience<Q>> {
        let mut shard = self.shard(key);
        let audience = shard.entry(key.clone()).or_default();
        audience.join(subscriber);
        Arc::clone(audience)
    }

    /// Removes a subscription.
    pub(super) fn leave(&self, key: &K, prefix: &Prefix, connection: ConnectionId) {
        let mut shard = self.shard(key);
        if let Some(audience) = shard.get(key) {
            audience.leave(prefix, connection);
            if audience.is_empty() {
                shard.remove(key);
            }
        }
    }
}
