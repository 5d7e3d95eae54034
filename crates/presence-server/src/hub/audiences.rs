//! All audiences of one kind, spread over some locks, each held for a look-up only.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use presence_cable::Identifier;
use presence_core::{ConnectionId, SubscriptionId};

use super::SHARDS;
use super::audience::{Audience, FlushQueue};
use super::connection::Connection;

/// Audiences by what they listen to; one without listeners takes no memory.
#[derive(Debug)]
pub(super) struct Audiences<K, W> {
    shards: [Mutex<HashMap<K, Arc<Audience<W>>>>; SHARDS],
    hasher: RandomState,
}

impl<K, W> Default for Audiences<K, W> {
    fn default() -> Self {
        Self { shards: Default::default(), hasher: RandomState::new() }
    }
}

impl<K: Clone + Eq + Hash, W: FlushQueue> Audiences<K, W> {
    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, Arc<Audience<W>>>> {
        let shard = &self.shards[self.hasher.hash_one(key) as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever listens to this; `None` where nobody does.
    pub(super) fn find(&self, key: &K) -> Option<Arc<Audience<W>>> {
        self.shard(key).get(key).cloned()
    }

    /// A subscription listens.
    pub(super) fn join(
        &self,
        key: &K,
        identifier: Identifier,
        subscription: SubscriptionId,
        connection: &Arc<Connection>,
    ) -> Arc<Audience<W>> {
        let mut shard = self.shard(key);
        let audience = shard.entry(key.clone()).or_default();
        audience.join(identifier, subscription, connection);
        Arc::clone(audience)
    }

    /// A subscription listens no more.
    pub(super) fn leave(&self, key: &K, identifier: &Identifier, connection: ConnectionId) {
        let mut shard = self.shard(key);
        if let Some(audience) = shard.get(key) {
            audience.leave(identifier, connection);
            if audience.is_empty() {
                shard.remove(key);
            }
        }
    }
}
