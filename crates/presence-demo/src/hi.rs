//! The wall: what "say hi" means, and the nine newest messages.

use askama::Template;
use minicbor::{Decode, Encode};
use presence_core::{Change, Entry, Fragment, ReflexCall, Refusal, Region, RoomView, Write};

use crate::feature::{Feature, fragment};
use crate::utc::Utc;
use crate::{palette, regions};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { reflex, render, ..Feature::NONE };

/// The name of the click.
const SAY_HI: &str = "Hi#say_hi";

/// The name of the log.
pub(crate) const KEY: &str = "hi";

/// Messages that the wall keeps.
const CAP: u16 = 9;

/// The fact. Fields are numbered, and a newer build may add some.
#[derive(Encode, Decode, Clone, Default)]
#[cbor(map)]
struct Hi {
    #[n(0)]
    colour: Option<String>,
}

/// Adds a message in the visitor's colour. Browsers send the colour, so one outside the palette is ignored.
fn reflex(call: &ReflexCall, _: &RoomView) -> Result<Vec<Write>, Refusal> {
    if call.target != SAY_HI {
        return Err(Refusal::Unknown);
    }
    let colour = call.attrs.get("data-colour").and_then(|name| palette::known(name)).map(str::to_owned);
    let value = minicbor::to_vec(Hi { colour }).expect("a vector takes every byte");
    Ok(vec![Write::Append { key: KEY, value, cap: CAP, lasts_ms: Some(crate::FACTS_LAST_MS) }])
}

/// Returns when a visitor in that region last said hi, in ms since 1970, as far as the wall remembers.
pub(crate) fn newest_of(view: &RoomView, region: &Region) -> Option<u64> {
    entries(view).find(|entry| entry.author.region == *region).map(|entry| entry.at_ms)
}

/// Redraws the whole wall at each change, so that its order is the same everywhere.
fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
    match change {
        Change::Everything => vec![fragment("messages-body", &WallHtml::of(view))],
        Change::Logged(key) if key == KEY => vec![fragment("messages-body", &WallHtml::of(view))],
        _ => Vec::new(),
    }
}

/// The newest messages. A peer may have a greater cap; this page shows nine.
fn entries(view: &RoomView) -> impl Iterator<Item = &Entry> {
    view.logs.get(KEY).into_iter().flatten().take(usize::from(CAP))
}

#[derive(Template)]
#[template(path = "wall.html")]
pub(crate) struct WallHtml {
    messages: Vec<WallMessage>,
}

struct WallMessage {
    user: String,
    colour: Option<&'static str>,
    from: String,
    at: Utc,
}

impl WallHtml {
    pub(crate) fn of(view: &RoomView) -> Self {
        Self { messages: entries(view).map(|entry| WallMessage::of(entry, view)).collect() }
    }
}

impl WallMessage {
    fn of(entry: &Entry, view: &RoomView) -> Self {
        let hi: Hi = minicbor::decode(&entry.value).unwrap_or_default();
        Self {
            user: entry.author.public.short(),
            colour: hi.colour.and_then(|name| palette::known(&name)),
            from: regions::words(view, &entry.author.region),
            at: Utc::of(entry.at_ms),
        }
    }
}
