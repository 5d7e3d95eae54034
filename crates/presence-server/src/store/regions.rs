//! The record of the regions that were known: a list in JSON.

use presence_core::{KnownRegion, Place, Region};

/// Code, name, latitude and longitude.
type StoredRegion = (String, String, Option<(f64, f64)>);

pub(super) fn to_bytes(regions: &[KnownRegion]) -> Vec<u8> {
    let stored = regions.iter().map(|known| {
        let Place { name, location } = known.place.clone();
        (known.region.to_string(), name, location)
    });
    serde_json::to_vec(&stored.collect::<Vec<StoredRegion>>()).expect("texts and numbers are always JSON")
}

/// The regions of a record; none where it can't be read.
pub(super) fn from_bytes(record: &[u8]) -> Vec<KnownRegion> {
    let stored: Vec<StoredRegion> = serde_json::from_slice(record).unwrap_or_default();
    let known = stored.into_iter().filter_map(|(code, name, location)| {
        Some(KnownRegion { region: Region::new(&code)?, place: Place { name, location } })
    });
    known.collect()
}
