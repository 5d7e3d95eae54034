//! How many users were in rooms, and below hosts of sites, in each minute of the last 24 hours; and what this node did.
//!
//! In memory only. Each number is what this node knows of all regions together.

mod minute_log;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use presence_core::{Room, RoomView};
use tokio::time::Instant;

pub(super) use self::minute_log::MINUTES_MAX;
use self::minute_log::MinuteLog;
use crate::clock::millis;
use crate::sites::Sites;

/// Rooms whose numbers are kept: 5.8 MB at most.
const ROOMS_MAX: usize = 2_000;
/// Sites whose users are kept while they have none.
const SITES_MAX: usize = 1_000;
/// Hosts of sites whose numbers are kept: 2.9 MB at most.
const HOSTS_MAX: usize = 1_000;
const MINUTE_MS: u64 = 60_000;

/// The numbers of the last 24 hours.
pub(crate) struct OccupancyLog {
    /// Minutes are counted from here, so that a clock that is set does not disturb them.
    origin: Instant,
    recorded: Mutex<Recorded>,
}

/// One number a minute, up to the present one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Minutes {
    /// When the first minute began: ms since 1970.
    pub(super) from_ms: u64,
    pub(super) values: Vec<u32>,
}

impl Minutes {
    /// When the minute of this number began: ms since 1970.
    pub(super) fn minute_ms(&self, index: usize) -> u64 {
        self.from_ms.saturating_add(MINUTE_MS.saturating_mul(index as u64))
    }
}

struct Recorded {
    sampled: Option<Instant>,
    rooms: MinuteLog<Room>,
    hosts: MinuteLog<Arc<str>>,
    node: MinuteLog<NodeFigure>,
    /// Counters of this node when the present minute began.
    baseline: (u64, NodeTotals),
    sites: HashMap<Arc<str>, SiteUsers>,
}

/// A number of this node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum NodeFigure {
    /// Users in all regions, added up over all rooms.
    Users,
    /// Connections over HTTP, sockets included.
    Connections,
    /// Sockets that were offered a broadcast in this minute.
    Deliveries,
    /// Inputs of the driver in this minute.
    Inputs,
}

/// Counters of this node, which only grow.
#[derive(Clone, Copy, Default)]
pub(super) struct NodeTotals {
    pub(super) deliveries: u64,
    pub(super) inputs: u64,
}

/// The users of a site, added up over its rooms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct SiteUsers {
    pub(crate) now: u32,
    /// The most since the start of the node.
    pub(crate) peak: u32,
}

impl Default for OccupancyLog {
    fn default() -> Self {
        let recorded = Recorded {
            sampled: None,
            rooms: MinuteLog::new(ROOMS_MAX),
            hosts: MinuteLog::new(HOSTS_MAX),
            node: MinuteLog::new(NodeFigure::ALL.len()),
            baseline: (0, NodeTotals::default()),
            sites: HashMap::new(),
        };
        Self { origin: Instant::now(), recorded: Mutex::new(recorded) }
    }
}

impl NodeFigure {
    const ALL: [Self; 4] = [Self::Users, Self::Connections, Self::Deliveries, Self::Inputs];
}

impl OccupancyLog {
    fn minute(&self) -> u64 {
        self.origin.elapsed().as_secs() / 60
    }

    /// How old the newest numbers are; `None`: there are none.
    pub(super) fn age(&self) -> Option<Duration> {
        self.recorded.lock().sampled.map(|sampled| sampled.elapsed())
    }

    /// Takes the present numbers.
    pub(super) fn record(&self, rooms: &[Arc<RoomView>], sites: &Sites, connections: usize, totals: NodeTotals) {
        let users = rooms.iter().fold(0_u32, |sum, room| sum.saturating_add(room.users));
        let minute = self.minute();
        let mut recorded = self.recorded.lock();
        recorded.sampled = Some(Instant::now());
        recorded.rooms_counted(minute, rooms, sites);
        let Recorded { node, baseline, .. } = &mut *recorded;
        if baseline.0 != minute {
            *baseline = (minute, totals);
        }
        let since = |now: u64, then: u64| u32::try_from(now.saturating_sub(then)).unwrap_or(u32::MAX);
        let figures = [
            (NodeFigure::Users, users),
            (NodeFigure::Connections, u32::try_from(connections).unwrap_or(u32::MAX)),
            (NodeFigure::Deliveries, since(totals.deliveries, baseline.1.deliveries)),
            (NodeFigure::Inputs, since(totals.inputs, baseline.1.inputs)),
        ];
        node.record(minute, figures);
    }

    /// The users of a room by minute, the present number among them.
    pub(super) fn room(&self, room: &Room, now: Option<u32>, now_ms: u64) -> Minutes {
        let minute = self.minute();
        let mut recorded = self.recorded.lock();
        recorded.rooms.record(minute, now.map(|users| (room.clone(), users)));
        self.dated(recorded.rooms.read(room, minute), now_ms)
    }

    /// The users of all rooms of a host by minute, added up.
    pub(super) fn host(&self, host: &str, now_ms: u64) -> Minutes {
        self.dated(self.recorded.lock().hosts.read(&host.into(), self.minute()), now_ms)
    }

    /// A number of this node by minute.
    pub(super) fn node(&self, figure: NodeFigure, now_ms: u64) -> Minutes {
        self.dated(self.recorded.lock().node.read(&figure, self.minute()), now_ms)
    }

    /// The users of each site.
    pub(super) fn sites(&self) -> HashMap<Arc<str>, SiteUsers> {
        self.recorded.lock().sites.clone()
    }

    /// With the time of the first minute, where it is `now_ms` now: ms since 1970.
    fn dated(&self, (first, values): (u64, Vec<u32>), now_ms: u64) -> Minutes {
        let started_ms = now_ms.saturating_sub(millis(self.origin.elapsed()));
        Minutes { from_ms: started_ms.saturating_add(first.saturating_mul(MINUTE_MS)), values }
    }
}

impl Recorded {
    fn rooms_counted(&mut self, minute: u64, rooms: &[Arc<RoomView>], sites: &Sites) {
        let occupied = || rooms.iter().filter(|view| view.users > 0);
        self.rooms.record(minute, occupied().map(|view| (view.room.clone(), view.users)));
        let mut hosts: HashMap<&str, u32> = HashMap::new();
        for view in occupied() {
            let host = view.room.as_str().split('/').next().unwrap_or_default();
            let users = hosts.entry(host).or_default();
            *users = users.saturating_add(view.users);
        }
        if self.sites.len() > SITES_MAX {
            // Of sites that come and go, those without users are forgotten, with their peaks.
            self.sites.retain(|_, site| site.now > 0);
        }
        self.sites.values_mut().for_each(|site| site.now = 0);
        let of_sites = hosts.into_iter().filter_map(|(host, users)| Some((host, users, sites.counted_as(host)?)));
        let of_sites: Vec<_> = of_sites.collect();
        for (_, users, site) in &of_sites {
            let site = self.sites.entry(Arc::clone(site)).or_default();
            site.now = site.now.saturating_add(*users);
        }
        self.sites.values_mut().for_each(|site| site.peak = site.peak.max(site.now));
        self.hosts.record(minute, of_sites.into_iter().map(|(host, users, _)| (host.into(), users)));
    }
}
