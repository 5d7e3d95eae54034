//! How much of a node one site may use, and how much of that one address: the pages of a site are opened by anybody.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use presence_core::{Room, RoomView};
use tokio::time::Instant;

use super::{EmbedSite, RoomError, Sites};

/// How long a join may wait; if it would wait longer, it is refused.
const DELAY_MAX: Duration = Duration::from_secs(10);
/// With more sites or addresses than this, those that are no longer used are removed now and then.
const IDLE_MAX: usize = 1_024;
/// An address may use this part of what a site may use.
const SHARE: usize = 4;
/// But at least this much, where the site may use that much.
const SHARE_MIN: usize = 100;

/// What an address may use of a limit.
fn share(max: usize) -> usize {
    (max / SHARE).max(SHARE_MIN.min(max))
}

/// The addresses that share a limit: one IPv4 address, or the IPv6 /64 that one household or machine is given.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// What each site uses. A site without open pages takes no memory for long.
#[derive(Debug, Default)]
pub(super) struct SiteUsage(Mutex<Pruned<Arc<str>, Usage>>);

#[derive(Debug)]
struct Usage {
    /// This node's subscriptions to each room, by address.
    rooms: HashMap<Room, HashMap<IpAddr, usize>>,
    addresses: Pruned<IpAddr, AddressUsage>,
    joins: JoinQueue,
}

/// What one address uses of a site's limits.
#[derive(Debug)]
struct AddressUsage {
    /// Rooms in which it has a subscription.
    rooms: usize,
    joins: JoinQueue,
}

/// When the joins so far would be done at the allowed rate.
#[derive(Debug)]
struct JoinQueue(Instant);

impl JoinQueue {
    /// When one more join would be done, and how long it has to wait.
    fn next(&self, per_second: u32, now: Instant) -> (Instant, Duration) {
        let done = self.0.max(now) + Duration::from_secs(1) / per_second.max(1);
        // The joins of one second may all be at once.
        (done, done.saturating_duration_since(now + Duration::from_secs(1)))
    }
}

trait Idle {
    fn is_idle(&self, now: Instant) -> bool;
}

impl Idle for Usage {
    fn is_idle(&self, now: Instant) -> bool {
        self.rooms.is_empty() && self.joins.0 <= now
    }
}

impl Idle for AddressUsage {
    fn is_idle(&self, now: Instant) -> bool {
        self.rooms == 0 && self.joins.0 <= now
    }
}

/// A map whose idle entries are removed whenever it has doubled, so that a look-up costs the same with many entries.
#[derive(Debug)]
struct Pruned<K, V> {
    entries: HashMap<K, V>,
    prune_at: usize,
}

impl<K, V> Default for Pruned<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), prune_at: IDLE_MAX }
    }
}

impl<K: std::hash::Hash + Eq, V: Idle> Pruned<K, V> {
    fn entry(&mut self, key: K, now: Instant, unused: impl FnOnce() -> V) -> &mut V {
        if self.entries.len() >= self.prune_at {
            self.entries.retain(|_, value| !value.is_idle(now));
            self.prune_at = IDLE_MAX.max(2 * self.entries.len());
            self.entries.shrink_to(self.prune_at);
        }
        self.entries.entry(key).or_insert_with(unused)
    }

    fn remove_idle(&mut self, key: &K, now: Instant) {
        if self.entries.get(key).is_some_and(|value| value.is_idle(now)) {
            self.entries.remove(key);
        }
    }
}

impl SiteUsage {
    fn lock(&self) -> MutexGuard<'_, Pruned<Arc<str>, Usage>> {
        self.0.lock()
    }

    /// The number of sites in use.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }
}

/// The right to hold one subscription to a room; given back when dropped.
pub(crate) struct RoomPermit {
    sites: Arc<Sites>,
    quota: Arc<str>,
    room: Room,
    address: IpAddr,
}

impl Drop for RoomPermit {
    fn drop(&mut self) {
        let mut open = self.sites.usage.lock();
        let Some(usage) = open.entries.get_mut(&self.quota) else { return };
        let now = Instant::now();
        usage.release(&self.room, self.address, now);
        open.remove_idle(&self.quota, now);
    }
}

impl Usage {
    fn unused(now: Instant) -> Self {
        Self { rooms: HashMap::new(), addresses: Pruned::default(), joins: JoinQueue(now) }
    }

    fn address(&mut self, address: IpAddr, now: Instant) -> &mut AddressUsage {
        self.addresses.entry(address, now, || AddressUsage { rooms: 0, joins: JoinQueue(now) })
    }

    fn acquire(&mut self, room: &Room, address: IpAddr, max: usize, now: Instant) -> Result<(), RoomError> {
        if !self.rooms.contains_key(room) && self.rooms.len() >= max {
            return Err(RoomError::TooManyRooms { max });
        }
        let is_new = self.rooms.get(room).is_none_or(|subscribed| !subscribed.contains_key(&address));
        if is_new {
            let share = share(max);
            let known = self.address(address, now);
            if known.rooms >= share {
                return Err(RoomError::RoomsOfAddress { share });
            }
            known.rooms += 1;
        }
        *self.rooms.entry(room.clone()).or_default().entry(address).or_default() += 1;
        Ok(())
    }

    fn release(&mut self, room: &Room, address: IpAddr, now: Instant) {
        let Some(subscribed) = self.rooms.get_mut(room) else { return };
        let Some(count) = subscribed.get_mut(&address) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        subscribed.remove(&address);
        if subscribed.is_empty() {
            self.rooms.remove(room);
        }
        self.address(address, now).rooms -= 1;
        self.addresses.remove_idle(&address, now);
    }
}

impl Sites {
    /// A permit for one more subscription to a room. Fails if the site, or this address of its visitors, would be in more
    /// rooms than it may.
    pub(crate) fn acquire_room(
        self: &Arc<Self>,
        site: &EmbedSite,
        room: &Room,
        address: IpAddr,
    ) -> Result<RoomPermit, RoomError> {
        let (now, address) = (Instant::now(), network(address));
        let quota = Arc::clone(&site.quota);
        let mut open = self.usage.lock();
        let usage = open.entry(Arc::clone(&quota), now, || Usage::unused(now));
        let acquired = usage.acquire(room, address, self.limits_of(&quota).rooms_per_site, now);
        acquired.inspect_err(|error| self.stats.refused(&quota, error))?;
        Ok(RoomPermit { sites: Arc::clone(self), quota, room: room.clone(), address })
    }

    /// How long the next join of this address must wait to keep the site's rate, and the address its share of it. Fails if
    /// too many wait already.
    pub(crate) fn join_delay(&self, site: &EmbedSite, address: IpAddr) -> Result<Duration, RoomError> {
        let delay = self.join_delay_at(site, address, Instant::now());
        match &delay {
            Ok(_) => self.stats.joined(site),
            Err(error) => self.stats.refused(&site.quota, error),
        }
        delay
    }

    pub(super) fn join_delay_at(&self, site: &EmbedSite, address: IpAddr, now: Instant) -> Result<Duration, RoomError> {
        let per_second = self.limits_of(&site.quota).joins_per_second;
        let of_address = u32::try_from(share(per_second as usize)).unwrap_or(per_second);
        let mut open = self.usage.lock();
        // A caller has a permit, so its site is in use.
        let Some(usage) = open.entries.get_mut(&site.quota) else { return Ok(Duration::ZERO) };
        let (all_done, delay) = usage.joins.next(per_second, now);
        let known = usage.address(network(address), now);
        let (own_done, own_delay) = known.joins.next(of_address, now);
        if own_delay > DELAY_MAX {
            return Err(RoomError::JoinsOfAddress { per_second: of_address });
        }
        if delay > DELAY_MAX {
            return Err(RoomError::TooManyJoins { per_second });
        }
        known.joins = JoinQueue(own_done);
        usage.joins = JoinQueue(all_done);
        Ok(delay.max(own_delay))
    }

    /// Fails if a room counts as many users as it may, or as it may of this address.
    pub(crate) fn check_room(&self, permit: &RoomPermit, view: Option<&RoomView>) -> Result<(), RoomError> {
        let checked = self.users_checked(permit, view);
        checked.inspect_err(|error| self.stats.refused(&permit.quota, error))
    }

    fn users_checked(&self, permit: &RoomPermit, view: Option<&RoomView>) -> Result<(), RoomError> {
        let max = self.limits_of(&permit.quota).users_per_room;
        if view.is_some_and(|view| view.users as usize >= max) {
            return Err(RoomError::Full { max });
        }
        let open = self.usage.lock();
        let subscribed = open.entries.get(&permit.quota).and_then(|usage| usage.rooms.get(&permit.room));
        let here = subscribed.and_then(|subscribed| subscribed.get(&permit.address)).copied().unwrap_or(0);
        let share = share(max);
        if here > share { Err(RoomError::UsersOfAddress { share }) } else { Ok(()) }
    }
}
