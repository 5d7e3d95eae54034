//! How much of a node one site may use.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use presence_core::{Room, RoomView};
use tokio::time::Instant;

use super::{EmbedSite, RoomError, Sites};

/// How long a join may wait; if it would wait longer, it is refused.
const DELAY_MAX: Duration = Duration::from_secs(10);
/// With more sites than this, every join removes those that are no longer used.
const IDLE_MAX: usize = 1_024;

/// What each site uses. A site without open pages takes no memory for long.
#[derive(Debug, Default)]
pub(super) struct SiteUsage(Mutex<HashMap<Arc<str>, Usage>>);

#[derive(Debug)]
struct Usage {
    /// This node's subscriptions to each room.
    rooms: HashMap<Room, usize>,
    /// When the joins so far would be done at the allowed rate.
    joined_until: Instant,
}

impl SiteUsage {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Usage>> {
        self.0.lock()
    }

    /// The number of sites in use.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// The right to hold one subscription to a room; given back when dropped.
pub(crate) struct RoomPermit {
    sites: Arc<Sites>,
    site: Arc<str>,
    room: Room,
}

impl Drop for RoomPermit {
    fn drop(&mut self) {
        let mut open = self.sites.usage.lock();
        let Some(usage) = open.get_mut(&self.site) else { return };
        if let Some(count) = usage.rooms.get_mut(&self.room) {
            *count -= 1;
            if *count == 0 {
                usage.rooms.remove(&self.room);
            }
        }
        if usage.rooms.is_empty() && usage.joined_until <= Instant::now() {
            open.remove(&self.site);
        }
    }
}

impl Sites {
    /// A permit for one more subscription to a room. Fails if the site would be in more rooms than it may.
    pub(crate) fn acquire_room(self: &Arc<Self>, site: &EmbedSite, room: &Room) -> Result<RoomPermit, RoomError> {
        let mut open = self.usage.lock();
        let max = self.limits.rooms_per_site;
        let rooms = open.get(&site.name).map_or(0, |usage| usage.rooms.len());
        if rooms >= max && !open.get(&site.name).is_some_and(|usage| usage.rooms.contains_key(room)) {
            return Err(RoomError::TooManyRooms { max });
        }
        let now = Instant::now();
        if open.len() >= IDLE_MAX {
            open.retain(|_, usage| !usage.rooms.is_empty() || usage.joined_until > now);
        }
        let unused = || Usage { rooms: HashMap::new(), joined_until: now };
        let usage = open.entry(Arc::clone(&site.name)).or_insert_with(unused);
        *usage.rooms.entry(room.clone()).or_default() += 1;
        Ok(RoomPermit { sites: Arc::clone(self), site: Arc::clone(&site.name), room: room.clone() })
    }

    /// How long the site's next join must wait to keep the site's rate. Fails if too many wait already.
    pub(crate) fn join_delay(&self, site: &EmbedSite) -> Result<Duration, RoomError> {
        self.join_delay_at(site, Instant::now())
    }

    pub(super) fn join_delay_at(&self, site: &EmbedSite, now: Instant) -> Result<Duration, RoomError> {
        let per_second = self.limits.joins_per_second;
        let each = Duration::from_secs(1) / per_second.max(1);
        let mut open = self.usage.lock();
        // A caller has a permit, so its site is in use.
        let Some(usage) = open.get_mut(&site.name) else { return Ok(Duration::ZERO) };
        let from = usage.joined_until.max(now);
        // The joins of one second may all be at once.
        let delay = (from + each).saturating_duration_since(now + Duration::from_secs(1));
        if delay > DELAY_MAX {
            return Err(RoomError::TooManyJoins { per_second });
        }
        usage.joined_until = from + each;
        Ok(delay)
    }

    /// Fails if a room counts as many users as it may.
    pub(crate) fn check_room(&self, view: Option<&RoomView>) -> Result<(), RoomError> {
        let max = self.limits.users_per_room;
        if view.is_some_and(|view| view.users as usize >= max) { Err(RoomError::Full { max }) } else { Ok(()) }
    }
}
