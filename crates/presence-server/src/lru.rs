//! A bounded map that forgets what was used least recently.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// At most a fixed number of entries.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    entries: HashMap<K, Used<V>>,
    /// Keys by the time of their last use.
    order: BTreeMap<u64, K>,
    next: u64,
    max: usize,
}

#[derive(Debug)]
struct Used<V> {
    at: u64,
    value: V,
}

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    pub(crate) fn new(max: usize) -> Self {
        Self { entries: HashMap::new(), order: BTreeMap::new(), next: 0, max }
    }

    /// The value of a key, which counts as a use.
    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        let used = self.entries.get_mut(key)?;
        let key = self.order.remove(&used.at).expect("every entry has its place in the order");
        used.at = self.next;
        self.order.insert(used.at, key);
        self.next += 1;
        Some(&used.value)
    }

    /// The value of a key, which does not count as a use.
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|used| &used.value)
    }

    /// Sets the value of a key. A map that is full forgets its least recently used entry.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        if self.entries.len() >= self.max
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.order.insert(self.next, key.clone());
        self.entries.insert(key, Used { at: self.next, value });
        self.next += 1;
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        let used = self.entries.remove(key)?;
        self.order.remove(&used.at);
        Some(used.value)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_entry_is_forgotten() {
        let mut lru = Lru::new(2);
        lru.insert("a", 1);
        lru.insert("b", 2);
        assert_eq!(lru.get(&"a"), Some(&1));
        lru.insert("c", 3);
        assert_eq!(lru.get(&"b"), None);
        assert_eq!(lru.len(), 2);
        lru.insert("a", 4);
        lru.insert("d", 5);
        assert_eq!(lru.get(&"c"), None);
        assert_eq!(lru.len(), 2);
        assert_eq!(lru.get(&"a"), Some(&4));
        assert_eq!(lru.get(&"d"), Some(&5));
    }
}
