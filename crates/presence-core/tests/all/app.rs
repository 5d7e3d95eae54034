//! An app whose page can be read back: counts, a bulb that names the click that set it, a wall of numbered messages.

use std::collections::BTreeMap;

use presence_core::{
    App, Change, ConnectionId, Fragment, Input, ReflexCall, Refusal, Region, Room, RoomView, SubscriptionId, UserId,
    Visit, Write,
};

pub(crate) const WALL: u16 = 9;

/// What a page shows: its elements by id.
pub(crate) type Page = BTreeMap<String, String>;

pub(crate) struct Bulb;

/// A click, with what the app makes of it.
pub(crate) fn click(
    connection: ConnectionId,
    subscription: SubscriptionId,
    room: Room,
    user: UserId,
    call: &ReflexCall,
) -> Input {
    let view = RoomView::empty(room.clone(), Region::new("ams").expect("a code"));
    let (writes, echo) = (call.asked_of(&Bulb, &view), call.echo.clone());
    Input::Clicked { connection, subscription, room, user, echo, writes }
}

impl App for Bulb {
    fn page(&self, view: &RoomView, _: &Visit<'_>) -> String {
        draw(&everything(view)).into_iter().map(|(id, html)| format!("{id}={html};")).collect()
    }

    fn reflex(&self, call: &ReflexCall, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        let value = call.attrs.get("data-id").cloned().unwrap_or_default().into_bytes();
        match call.target.as_str() {
            "Bulb#set" => Ok(vec![Write::Set { key: "bulb", value, lasts_ms: None }]),
            "Wall#say" => Ok(vec![Write::Append { key: "wall", value, cap: WALL, lasts_ms: None }]),
            "Cursor#move" => Ok(vec![Write::Share { key: "cursor", value }]),
            _ => Err(Refusal::Unknown),
        }
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        match change {
            Change::Everything => everything(view),
            Change::Regions => view.regions.iter().map(|r| region(view, r.region.as_str())).collect(),
            Change::Counts => vec![counts(view)],
            Change::RegionCounts(code) => vec![region(view, code.as_str())],
            Change::Set(_) => vec![bulb(view)],
            Change::Logged(_) => vec![wall(view)],
            Change::Tabs { tabs, .. } => vec![element("tabs", tabs.to_string())],
            Change::Shared(key) => vec![shared(view, key)],
            Change::You { .. } | Change::RoundTrip { .. } => Vec::new(),
        }
    }
}

pub(crate) fn draw(fragments: &[Fragment]) -> Page {
    fragments.iter().map(|fragment| (fragment.id.clone(), fragment.html.clone())).collect()
}

pub(crate) fn everything(view: &RoomView) -> Vec<Fragment> {
    let regions = view.regions.iter().map(|r| region(view, r.region.as_str()));
    [counts(view), bulb(view), wall(view)].into_iter().chain(regions).collect()
}

fn element(id: &str, html: String) -> Fragment {
    Fragment { id: id.to_owned(), html, within: None }
}

fn counts(view: &RoomView) -> Fragment {
    element("counts", format!("{} users, {} tabs, {} unsure", view.users, view.tabs, view.unsure))
}

fn region(view: &RoomView, code: &str) -> Fragment {
    let html = view.regions.iter().find(|r| r.region.as_str() == code).map_or_else(
        || "unknown".to_owned(),
        |r| format!("{} users, {} tabs, {} unsure, {}", r.users, r.tabs, r.unsure, r.state.as_str()),
    );
    element(code, html)
}

fn bulb(view: &RoomView) -> Fragment {
    let value = view.registers.get("bulb").map_or_else(String::new, |entry| text(&entry.value));
    element("bulb", value)
}

fn wall(view: &RoomView) -> Fragment {
    let entries = view.logs.get("wall").map_or(&[][..], Vec::as_slice);
    element("wall", entries.iter().map(|entry| text(&entry.value)).collect::<Vec<_>>().join(" "))
}

fn shared(view: &RoomView, key: &str) -> Fragment {
    let values = view.shared.get(key).into_iter().flatten();
    let shown: Vec<String> = values.map(|(user, value)| format!("{}: {}", user.short(), text(value))).collect();
    element(key, shown.join(" "))
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}
