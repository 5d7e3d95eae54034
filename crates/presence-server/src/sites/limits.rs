//! What one site may use of a node; without it one busy or hostile site could take the place of all others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use parking_lot::{Mutex, MutexGuard};
use presence_core::{Room, RoomView};
use tokio::time::Instant;

use super::{Site, Sites};
use crate::problem::Problem;

/// How long a join may wait for its turn; the next one is refused.
const TURN_WITHIN: Duration = Duration::from_secs(10);
/// Above so many sites, those that nobody uses any more are looked for at every join.
const IDLE_MAX: usize = 1_024;

/// What is in use, by site. A site of which no page is open takes no memory for long.
#[derive(Debug, Default)]
pub(super) struct Open(Mutex<HashMap<Arc<str>, Usage>>);

#[derive(Debug)]
struct Usage {
    /// How many subscriptions of this node are to each room.
    rooms: HashMap<Room, usize>,
    /// Until when the joins so far would have taken at the rate that is allowed.
    joined_until: Instant,
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Usage>> {
        self.0.lock()
    }

    /// How many sites use anything.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// A subscription's place in a room; given back when dropped.
pub(crate) struct RoomSeat {
    sites: Arc<Sites>,
    site: Arc<str>,
    room: Room,
}

impl Drop for RoomSeat {
    fn drop(&mut self) {
        let mut open = self.sites.open.lock();
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
    /// A place in a room for one more subscription of this node.
    ///
    /// # Errors
    ///
    /// Where the site's pages are in as many rooms as they may be, and this would be one more.
    pub(crate) fn seat(self: &Arc<Self>, site: &Site, room: &Room) -> Result<RoomSeat, Problem> {
        let mut open = self.open.lock();
        let most = self.limits.rooms_per_site;
        let known = open.get(&site.name).map_or(0, |usage| usage.rooms.len());
        if known >= most && !open.get(&site.name).is_some_and(|usage| usage.rooms.contains_key(room)) {
            let detail = format!("Pages of this site are in {most} rooms, as many as one site may have on a server.");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        let now = Instant::now();
        if open.len() >= IDLE_MAX {
            open.retain(|_, usage| !usage.rooms.is_empty() || usage.joined_until > now);
        }
        let fresh = || Usage { rooms: HashMap::new(), joined_until: now };
        let usage = open.entry(Arc::clone(&site.name)).or_insert_with(fresh);
        *usage.rooms.entry(room.clone()).or_default() += 1;
        Ok(RoomSeat { sites: Arc::clone(self), site: Arc::clone(&site.name), room: room.clone() })
    }

    /// Takes one of the site's joins: how long it has to wait, so that not more are counted a second than may be.
    ///
    /// # Errors
    ///
    /// Where too many wait already.
    pub(crate) fn turn(&self, site: &Site) -> Result<Duration, Problem> {
        self.turn_at(site, Instant::now())
    }

    pub(super) fn turn_at(&self, site: &Site, now: Instant) -> Result<Duration, Problem> {
        let rate = self.limits.joins_per_second;
        let each = Duration::from_secs(1) / rate.max(1);
        let mut open = self.open.lock();
        // Whoever asks has a seat.
        let Some(usage) = open.get_mut(&site.name) else { return Ok(Duration::ZERO) };
        let from = usage.joined_until.max(now);
        // A second's worth may come at once.
        let wait = (from + each).saturating_duration_since(now + Duration::from_secs(1));
        if wait > TURN_WITHIN {
            let detail =
                format!("More than {rate} visitors a second come to this site's pages. Join again in a while.");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        usage.joined_until = from + each;
        Ok(wait)
    }

    /// Whether a room has all the users that it may have.
    pub(crate) fn is_full(&self, view: &RoomView) -> bool {
        view.users as usize >= self.limits.users_per_room
    }

    /// What somebody is told who is shown a full room without being counted there.
    pub(crate) fn full(&self) -> Problem {
        let most = self.limits.users_per_room;
        let detail =
            format!("This room counts {most} users, as many as it may: you see its numbers and are not in them.");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
    }
}
