//! One bulb for all visitors: what a click on it means, and what it looks like.

use askama::Template;
use minicbor::{Decode, Encode};
use presence_core::{Change, Click, Fragment, Refusal, RoomView, Write};

use crate::feature::{Feature, fragment};
use crate::regions;
use crate::utc::Utc;

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { reflex, render, ..Feature::NONE };

/// The name of the click.
const TOGGLE: &str = "Lightbulb#toggle";

pub(crate) const KEY: &str = "lightbulb";

/// The fact. Fields are numbered, and a newer build may add some.
#[derive(Encode, Decode, Clone, Copy)]
#[cbor(map)]
struct Bulb {
    #[n(0)]
    on: bool,
}

/// Returns whether the bulb is on; it is off without a fact, or with one that can't be read.
pub(crate) fn is_on(view: &RoomView) -> bool {
    let entry = view.registers.get(KEY);
    entry.and_then(|entry| minicbor::decode::<Bulb>(&entry.value).ok()).is_some_and(|bulb| bulb.on)
}

/// A click means the opposite of what its visitor saw, so that two clicks at once have the effect that both visitors wanted.
fn reflex(click: &Click, view: &RoomView) -> Result<Vec<Write>, Refusal> {
    if click.target != TOGGLE {
        return Err(Refusal::Unknown);
    }
    let seen = match click.attributes.get("aria-pressed").map(String::as_str) {
        Some("true") => true,
        Some("false") => false,
        _ => is_on(view),
    };
    let value = minicbor::to_vec(Bulb { on: !seen }).expect("a vector takes every byte");
    Ok(vec![Write::set_bytes(KEY, value).lasting(crate::FACTS_LAST), Write::Receipts])
}

/// A changed fact, from any region, redraws the bulb and its label.
fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
    let label = || fragment("lightswitch-label", &LabelHtml::of(view, view.as_of_ms));
    match change {
        Change::Everything => vec![fragment("lightbulb", &LightbulbHtml::of(view)), label()],
        Change::Set(key) if key == KEY => vec![fragment("lightbulb", &LightbulbHtml::of(view)), label()],
        Change::Minute => vec![label()],
        _ => Vec::new(),
    }
}

#[derive(Template)]
#[template(path = "lightbulb.html")]
pub(crate) struct LightbulbHtml {
    on: bool,
}

impl LightbulbHtml {
    pub(crate) fn of(view: &RoomView) -> Self {
        Self { on: is_on(view) }
    }
}

#[derive(Template)]
#[template(path = "lightbulb_label.html")]
pub(crate) struct LabelHtml {
    click: Option<LastClick>,
}

struct LastClick {
    user: String,
    from: String,
    at: Utc,
    ago: String,
}

impl LabelHtml {
    pub(crate) fn of(view: &RoomView, now_ms: u64) -> Self {
        let click = view.registers.get(KEY).map(|entry| LastClick {
            user: entry.author.public.short(),
            from: regions::words(view, &entry.author.region),
            at: Utc::of(entry.at_ms),
            ago: Utc::of(entry.at_ms).ago(now_ms),
        });
        Self { click }
    }
}
