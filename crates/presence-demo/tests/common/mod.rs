//! An invented room to draw, so that tests of the page need no running nodes.

use presence_core::{Author, Entry, Place, PublicId, Region, RegionView, Room, RoomView, UserId, Visit};

/// The current time in these tests.
pub(crate) const NOW_MS: u64 = 1_795_593_909_000;

/// A user as others see them.
pub(crate) fn user(number: u8) -> PublicId {
    PublicId([number; 32])
}

/// A region that is heard, with that many people.
pub(crate) fn region(code: &str, users: u32, round_trip_ms: Option<u32>) -> RegionView {
    let region = Region::new(code).expect("a code of the tests");
    let place = presence_demo::place_of(&region).unwrap_or_default();
    RegionView {
        since_ms: NOW_MS - 60_000,
        heard_ms_ago: 120,
        round_trip_ms,
        users,
        tabs: users,
        ..RegionView::empty(region, place)
    }
}

/// A room in these regions without facts; the first region is our own.
pub(crate) fn world(regions: Vec<RegionView>) -> RoomView {
    let empty = RoomView::empty(Room::new("demo").expect("not empty"), regions[0].region.clone());
    RoomView {
        version: 1,
        users: regions.iter().map(|r| r.users).sum(),
        tabs: regions.iter().map(|r| r.tabs).sum(),
        unsure: regions.iter().map(|r| r.unsure).sum(),
        looking: regions.iter().map(|r| r.users).sum(),
        regions,
        as_of_ms: NOW_MS,
        ..empty
    }
}

/// A fact that a visitor in that region wrote some time ago.
pub(crate) fn entry(value: &[u8], by: u8, code: &str, ms_ago: u64) -> Entry {
    let author =
        Author { user: UserId([by; 32]), public: user(by), region: Region::new(code).expect("a code of the tests") };
    Entry { value: value.to_vec(), author, at_ms: NOW_MS - ms_ago, id: None }
}

/// A place as another node announces it.
pub(crate) fn announced(name: &str) -> Place {
    Place { name: name.to_owned(), location: Some((0.0, 0.0)) }
}

/// A visitor with no open tab, who came through no edge.
pub(crate) fn visit() -> Visit<'static> {
    let (room_stream, user_stream) = ("cm9vbQ==--00", "dXNlcg==--00");
    let script = presence_server::SCRIPT;
    Visit { user: user(0x1a), room_stream, user_stream, script, chance: 4, now_ms: NOW_MS, ..Visit::first("/") }
}
