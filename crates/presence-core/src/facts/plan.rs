//! What one click writes: checked as a whole, then stamped once, so that all of it holds or nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::entry_id::EntryId;
use crate::app::reflex::ReflexError;
use crate::app::write::{Lifetime, Write};
use crate::facts::fact::{FactKey, LASTS_MAX_MS, LASTS_MS, VALUE_BYTES_MAX};
use crate::facts::name::{self, FactName, counts_as, is_set};
use crate::facts::store::{CAP_MAX, FactStore};
use crate::facts::tally::FACTS_MAX;
use crate::id::{Room, UserId};
use crate::identity::Identity;
use crate::io::settings::FactSettings;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{NodeTime, Stamp};
use crate::trace::TraceContext;

/// Most bytes of all values that one click writes: they go to the other nodes in one message.
const CLICK_BYTES_MAX: usize = 512 * 1024;
/// A fact takes about this many bytes besides its value.
const FACT_BYTES: usize = 256;

/// Who writes where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClickAuthor<'a> {
    pub(crate) me: &'a Identity,
    pub(crate) room: &'a Room,
    pub(crate) user: UserId,
    /// The trace that the click belongs to.
    pub(crate) trace: Option<&'a TraceContext>,
}

/// A fact that has no stamp yet.
#[derive(Debug)]
pub(super) enum Draft {
    Value {
        cap: u16,
        value: Vec<u8>,
        lasts: Lifetime,
    },
    /// A tombstone, and when the fact that it replaces would have ended.
    Tombstone {
        cap: u16,
        ends: NodeTime,
    },
}

/// What is to be written.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(super) drafts: BTreeMap<FactKey, Draft>,
    /// What is added to counters.
    pub(super) added: BTreeMap<String, i64>,
    /// Counters that are removed first.
    pub(super) reset: BTreeSet<String>,
    /// Every region is to tell when its pages show what is written.
    pub(super) receipts: bool,
}

impl Plan {
    /// Adds a write to those before it, of which it replaces what it concerns.
    ///
    /// # Errors
    ///
    /// If the name or the value is refused.
    pub(super) fn add(
        &mut self,
        write: Write,
        author: &ClickAuthor<'_>,
        store: &FactStore,
        entries: &mut u64,
    ) -> Result<(), ReflexError> {
        let register = |key: String| FactKey { room: author.room.clone(), key, entry: None };
        match write {
            Write::Set { key, value, lasts } => self.value(register(name::plain(&key)?), 0, value, lasts),
            Write::Append { log, value, cap, lasts } => {
                *entries += u64::from(!injected(Fault::OneEntry));
                let id = EntryId { node: author.me.hash, incarnation: author.me.incarnation, count: *entries };
                let key = FactKey { entry: Some(id), ..register(name::plain(&log)?) };
                self.value(key, cap.clamp(1, CAP_MAX), value, lasts)
            }
            Write::Put { map, entry, value, lasts } => {
                self.value(register(name::map_entry(&map, &entry)?), 0, value, lasts)
            }
            Write::Join { set, lasts } => {
                *entries += u64::from(injected(Fault::ClicksJoin));
                self.value(register(set_key(&set, author, *entries)?), 0, Vec::new(), lasts)
            }
            Write::Leave { set } => {
                let key = register(set_key(&set, author, *entries)?);
                if !injected(Fault::LeaveIgnored) {
                    self.tombstone(&key, store);
                }
                Ok(())
            }
            Write::Add { counter, amount } => {
                name::contribution(&counter, author.me.table())?;
                let sum = self.added.entry(counter.into_owned()).or_default();
                *sum = sum.saturating_add(amount);
                Ok(())
            }
            Write::Remove { name, entry } => {
                self.remove(author.room, &name, entry.as_deref(), store);
                Ok(())
            }
            Write::Receipts => {
                self.receipts = true;
                Ok(())
            }
            // It is not a fact: the rows of visitors hold it.
            Write::Share { .. } => Ok(()),
        }
    }

    fn value(&mut self, key: FactKey, cap: u16, value: Vec<u8>, lasts: Lifetime) -> Result<(), ReflexError> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(ReflexError::ValueTooLong { bytes_max: VALUE_BYTES_MAX });
        }
        self.drafts.insert(key, Draft::Value { cap, value, lasts });
        Ok(())
    }

    /// Replaces what is stored under a key by a tombstone; what this click has written there is not written.
    fn tombstone(&mut self, key: &FactKey, store: &FactStore) {
        self.drafts.remove(key);
        if let Some(stored) = store.get(key).filter(|stored| !stored.fact.is_removed()) {
            let draft = Draft::Tombstone { cap: stored.fact.cap, ends: stored.fact.expires };
            self.drafts.insert(key.clone(), draft);
        }
    }

    /// Removes everything of a name, or one entry.
    pub(super) fn remove(&mut self, room: &Room, name: &str, entry: Option<&str>, store: &FactStore) {
        let keys: BTreeSet<FactKey> = match entry {
            None => {
                let written = self.drafts.keys().filter(|key| name::belongs_to(&key.key, name)).cloned();
                let kept = store.named(room, name).map(|(key, _)| key.clone());
                // Since when a counter counts stays known: it is written again.
                kept.chain(written).filter(|key| !matches!(FactName::of(key), FactName::Reset { .. })).collect()
            }
            Some(entry) => {
                let names = name::entries(name, entry).map(|key| FactKey { room: room.clone(), key, entry: None });
                let id = EntryId::parse(entry);
                let of_log = id.map(|id| FactKey { room: room.clone(), key: name.to_owned(), entry: Some(id) });
                names.into_iter().chain(of_log).collect()
            }
        };
        for key in &keys {
            self.tombstone(key, store);
        }
        if entry.is_none() {
            self.added.remove(name);
            let counter = name::contributions(name);
            if store.tallies().count(room, &counter) > 0 {
                self.reset.insert(name.to_owned());
            }
        }
    }

    /// How many facts are removed.
    pub(super) fn removed(&self) -> usize {
        self.drafts.values().filter(|draft| matches!(draft, Draft::Tombstone { .. })).count()
    }

    /// Whether all of it may be written.
    ///
    /// # Errors
    ///
    /// The limit that it would exceed.
    pub(super) fn check(
        &self,
        author: &ClickAuthor<'_>,
        store: &FactStore,
        limits: FactSettings,
        now: NodeTime,
    ) -> Result<(), ReflexError> {
        let (mut facts, mut bytes, mut replaced) = (0, 0, 0);
        for (key, draft) in &self.drafts {
            let Draft::Value { value, lasts, .. } = draft else { continue };
            if matches!(lasts, Lifetime::Until(ms) if *ms <= now.0) {
                return Err(ReflexError::Over);
            }
            let known = store.live_bytes(key);
            facts += usize::from(known.is_none());
            bytes += value.len() + FACT_BYTES;
            replaced += known.unwrap_or(0);
        }
        if bytes > CLICK_BYTES_MAX {
            return Err(ReflexError::TooMuch { bytes_max: CLICK_BYTES_MAX });
        }
        // What is full can still be changed: a switch stays a switch.
        let grows = facts > 0 || bytes > replaced;
        if grows && !store.has_room(facts + self.added.len(), bytes.saturating_sub(replaced)) {
            return Err(ReflexError::NodeFull { most: FACTS_MAX });
        }
        let before = store.tallies().keys(author.room);
        let mut after = before;
        for (counted, changed) in self.changed_counts(store) {
            let count = store.tallies().count(author.room, &counted);
            let next = count.saturating_add_signed(changed);
            if is_set(&counted) && next > limits.users_per_set.max(count) {
                return Err(ReflexError::SetFull { most: limits.users_per_set });
            }
            after = after + usize::from(count == 0 && next > 0) - usize::from(count > 0 && next == 0);
        }
        if after > limits.keys_per_room.max(before) {
            return Err(ReflexError::RoomFull { most: limits.keys_per_room });
        }
        Ok(())
    }

    /// How many live facts more or fewer there will be, by what they count as.
    fn changed_counts(&self, store: &FactStore) -> BTreeMap<String, isize> {
        let mut changed: BTreeMap<String, isize> =
            self.added.keys().map(|counter| (name::contributions(counter), 1)).collect();
        for (key, draft) in &self.drafts {
            let change = match draft {
                Draft::Value { .. } => isize::from(!store.is_live(key)),
                Draft::Tombstone { .. } => -1,
            };
            if let Some(counted) = counts_as(&key.key) {
                *changed.entry(counted.to_owned()).or_default() += change;
            }
        }
        changed
    }
}

/// The key of the user who clicked.
fn set_key(set: &str, author: &ClickAuthor<'_>, clicks: u64) -> Result<String, ReflexError> {
    let mut user = author.user.public(author.room, author.me.digest);
    if injected(Fault::ClicksJoin) {
        user.0[..8].copy_from_slice(&clicks.to_be_bytes());
    }
    name::set_user(set, user)
}

impl Draft {
    /// When it ends.
    pub(super) fn expires(&self, stamp: Stamp) -> NodeTime {
        match self {
            Self::Value { lasts, .. } => expires(*lasts, stamp),
            Self::Tombstone { ends, .. } => super::removal::expires(*ends, stamp),
        }
    }
}

fn expires(lasts: Lifetime, stamp: Stamp) -> NodeTime {
    let latest = stamp.time + LASTS_MAX_MS;
    match lasts {
        Lifetime::Usual => stamp.time + LASTS_MS,
        Lifetime::For(ms) => (stamp.time + ms).min(latest),
        Lifetime::Until(ms) => NodeTime(ms).min(latest),
    }
}
