//! An app whose page can be read back: counts, and facts of all kinds that name the click that wrote them.

use std::collections::BTreeMap;
use std::time::Duration;

use presence_core::{
    App, Change, Click, ConnectionId, Fragment, Input, Refusal, Region, Room, RoomView, SubscriptionId, UserId, Visit,
    Write,
};

pub(crate) const WALL: u16 = 9;
/// The entries of the map.
pub(crate) const CARDS: [&str; 3] = ["a", "b", "c"];
/// How long the timer runs.
const TIMER: Duration = Duration::from_secs(4);

/// What a page shows: its elements by id.
pub(crate) type Page = BTreeMap<String, String>;

pub(crate) struct Bulb;

/// A click, with what the app makes of it.
pub(crate) fn click(
    connection: ConnectionId,
    subscription: SubscriptionId,
    room: Room,
    user: UserId,
    clicked: &Click,
) -> Input {
    let view = RoomView::empty(room.clone(), Region::new("ams").expect("a code"));
    let (writes, echo) = (clicked.asked_of(&Bulb, &view), String::new());
    Input::Clicked { connection, subscription, room, user, echo, writes, trace: None }
}

impl App for Bulb {
    fn page(&self, view: &RoomView, _: &Visit<'_>) -> String {
        draw(&everything(view)).into_iter().map(|(id, html)| format!("{id}={html};")).collect()
    }

    fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        let text = click.attributes.get("data-id").cloned().unwrap_or_default();
        let value = text.clone().into_bytes();
        let (area, action) = click.target.split_once('#').ok_or(Refusal::Unknown)?;
        Ok(match (area, action) {
            ("Bulb", "set") => vec![Write::set_bytes("bulb", value)],
            ("Bulb", "followed") => vec![Write::set_bytes("bulb", value), Write::Receipts],
            ("Wall", "say") => vec![Write::append_bytes("wall", value, WALL)],
            ("Cursor", "move") => vec![Write::share("cursor", value)],
            ("Card", "remove") => {
                let card = text.split('/').next().unwrap_or_default().to_owned();
                vec![Write::remove_entry("cards", card)]
            }
            ("Card", card) => vec![Write::put("cards", card.to_owned(), &text)?],
            ("Claps", "add") => vec![Write::add("claps", text.parse().unwrap_or(1))],
            ("Claps", "clear") => vec![Write::remove("claps")],
            ("Likes", "join") => vec![Write::join("likes")],
            ("Likes", "leave") => vec![Write::leave("likes")],
            ("Pair", "two") => vec![Write::set_bytes("left", value.clone()), Write::set_bytes("right", value)],
            ("Pair", "three") => vec![
                Write::set_bytes("left", value.clone()),
                Write::set_bytes("middle", value.clone()),
                Write::set_bytes("right", value),
            ],
            // A shared value is too long: nothing of it may be written.
            ("Half", "set") => vec![Write::set_bytes("half", value), Write::share("cursor", vec![b'x'; 300])],
            ("Timer", "start") => vec![Write::set_bytes("timer", value).lasting(TIMER)],
            _ => return Err(Refusal::Unknown),
        })
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        match change {
            Change::Everything => everything(view),
            Change::Regions => view.regions.iter().map(|r| region(view, r.region.as_str())).collect(),
            Change::Counts => vec![counts(view)],
            Change::RegionCounts(code) => vec![region(view, code.as_str())],
            Change::Set(key) | Change::Expired(key) => vec![register(view, key)],
            Change::Logged(_) => vec![wall(view)],
            Change::Mapped { entry, .. } => vec![card(view, entry)],
            Change::Counted(_) => vec![claps(view)],
            Change::Membered(_) => vec![likes(view)],
            Change::Tabs { tabs, .. } => vec![element("tabs", tabs.to_string())],
            Change::Shared(key) => vec![shared(view, key)],
            Change::Receipts(_)
            | Change::Related(_)
            | Change::Minute
            | Change::You { .. }
            | Change::RoundTrip { .. } => Vec::new(),
        }
    }
}

pub(crate) fn draw(fragments: &[Fragment]) -> Page {
    fragments.iter().map(|fragment| (fragment.id.clone(), fragment.html.clone())).collect()
}

pub(crate) fn everything(view: &RoomView) -> Vec<Fragment> {
    let regions = view.regions.iter().map(|r| region(view, r.region.as_str()));
    let registers = ["bulb", "left", "middle", "right", "half", "timer"].map(|key| register(view, key));
    let cards = CARDS.map(|entry| card(view, entry));
    let others = [counts(view), wall(view), claps(view), likes(view)];
    others.into_iter().chain(registers).chain(cards).chain(regions).collect()
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

fn register(view: &RoomView, key: &str) -> Fragment {
    let value = view.registers.get(key).map_or_else(String::new, |entry| text(&entry.value));
    element(key, value)
}

fn card(view: &RoomView, entry: &str) -> Fragment {
    let value = view.maps.get("cards").and_then(|cards| cards.get(entry)).and_then(|entry| entry.read::<String>());
    element(&format!("card {entry}"), value.unwrap_or_default())
}

fn claps(view: &RoomView) -> Fragment {
    element("claps", view.count("claps").to_string())
}

fn likes(view: &RoomView) -> Fragment {
    let users = view.sets.get("likes").into_iter().flatten();
    element("likes", users.map(|user| user.short()).collect::<Vec<_>>().join(" "))
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
