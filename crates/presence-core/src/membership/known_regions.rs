//! Regions that were known before this start: until they are heard, the mesh is not taken for smaller than it is.

use crate::app::region::{RegionState, RegionView};
use crate::id::Region;
use crate::io::settings::KnownRegion;
use crate::membership::{FORGOTTEN_MS, GONE_MS, PEERS_MAX};
use crate::time::Now;

/// The regions that the disk has.
#[derive(Debug, Default)]
pub(crate) struct KnownRegions {
    /// Those that were known before this start and have not been heard since then.
    before: Vec<KnownRegion>,
    /// All that were ordered to be kept.
    kept: Vec<KnownRegion>,
}

impl KnownRegions {
    pub(crate) fn restore(mut before: Vec<KnownRegion>) -> Self {
        before.truncate(PEERS_MAX);
        Self { kept: before.clone(), before }
    }

    /// A node of this region is heard: from now on the region is known for as long as its nodes are.
    pub(crate) fn heard(&mut self, region: &Region) {
        self.before.retain(|known| known.region != *region);
    }

    /// Those that were known before this start, as they are judged while none of their nodes has been heard: silent since the start, gone
    /// after a minute, and forgotten as gone nodes are.
    pub(crate) fn unheard(&self, started: Now, now: Now) -> impl Iterator<Item = RegionView> {
        let age_ms = now.mono.since(started.mono);
        let (state, since) = match age_ms {
            ..GONE_MS => (RegionState::Silent, started.wall),
            _ => (RegionState::Gone, started.wall + GONE_MS),
        };
        let known = self.before.iter().filter(move |_| age_ms < FORGOTTEN_MS);
        known.map(move |known| RegionView {
            state,
            since_ms: since.0,
            whole: false,
            heard_ms_ago: age_ms,
            ..RegionView::empty(known.region.clone(), known.place.clone())
        })
    }

    /// The regions to be kept for the next start, where they are others than those that are kept already.
    pub(crate) fn changed(&mut self, own: &Region, regions: &[RegionView]) -> Option<Vec<KnownRegion>> {
        let others = regions.iter().filter(|view| view.region != *own).take(PEERS_MAX);
        let others: Vec<KnownRegion> =
            others.map(|view| KnownRegion { region: view.region.clone(), place: view.place.clone() }).collect();
        if others == self.kept {
            return None;
        }
        self.kept.clone_from(&others);
        Some(others)
    }
}
