//! The wall: what "say hi" means, and the newest messages.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use askama::Template;
use minicbor::{Decode, Encode};
use presence_core::{Change, Click, Entry, Fragment, PublicId, Refusal, Region, RoomView, Write};

use crate::feature::{Feature, fragment};
use crate::utc::Utc;
use crate::{palette, regions};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { reflex, render, ..Feature::NONE };

/// The name of the click.
const SAY_HI: &str = "Hi#say_hi";

/// The name of the log.
pub(crate) const KEY: &str = "hi";

/// Messages that the log keeps: many more than the wall shows, so that one person can't push all others out of it.
const CAP: u16 = 45;
/// Messages that the wall shows.
const SHOWN_MAX: usize = 9;
/// Messages of one person among them.
const SHOWN_OF_ONE_MAX: usize = 3;

/// The fact. Fields are numbered, and a newer build may add some.
#[derive(Encode, Decode, Clone, Default)]
#[cbor(map)]
struct Hi {
    #[n(0)]
    colour: Option<String>,
}

/// Adds a message in the visitor's colour. Browsers send the colour, so one outside the palette is ignored.
fn reflex(click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
    if click.target != SAY_HI {
        return Err(Refusal::Unknown);
    }
    let colour = click.attributes.get("data-colour").and_then(|name| palette::known(name)).map(str::to_owned);
    let value = minicbor::to_vec(Hi { colour }).expect("a vector takes every byte");
    Ok(vec![Write::append_bytes(KEY, value, CAP).lasting(crate::FACTS_LAST), Write::Receipts])
}

/// Returns when a visitor in that region last said hi, in ms since 1970, as far as the wall remembers.
pub(crate) fn newest_of(view: &RoomView, region: &Region) -> Option<u64> {
    view.logs.get(KEY)?.iter().find(|entry| entry.author.region == *region).map(|entry| entry.at_ms)
}

/// Redraws the whole wall at each change, so that its order is the same everywhere.
fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
    match change {
        Change::Everything | Change::Minute => vec![fragment("messages-body", &WallHtml::of(view, view.as_of_ms))],
        Change::Logged(key) if key == KEY => vec![fragment("messages-body", &WallHtml::of(view, view.as_of_ms))],
        Change::You { user } => vec![fragment("own-hellos", &OwnHellosHtml::of(*user))],
        _ => Vec::new(),
    }
}

/// The newest messages, a few of each person.
fn entries(view: &RoomView) -> impl Iterator<Item = &Entry> {
    let mut of_each: BTreeMap<PublicId, usize> = BTreeMap::new();
    let few = move |entry: &&Entry| {
        let count = of_each.entry(entry.author.public).or_default();
        *count += 1;
        *count <= SHOWN_OF_ONE_MAX
    };
    view.logs.get(KEY).into_iter().flatten().filter(few).take(SHOWN_MAX)
}

/// The digits of the visitor's number, before the wall, which is the same for all visitors and drawn once for all: the
/// [style](own_style) compares them with those of each message.
#[derive(Template)]
#[template(path = "own_hellos.html")]
pub(crate) struct OwnHellosHtml {
    digits: String,
}

impl OwnHellosHtml {
    pub(crate) fn of(user: PublicId) -> Self {
        Self { digits: digits(user) }
    }
}

/// The places of the digits of a user's number.
const PLACES: RangeInclusive<char> = 'a'..='h';

/// A class for each digit of a user's number, such as `a1` for a first digit of 1.
fn digits(user: PublicId) -> String {
    let digits = user.short().to_ascii_lowercase();
    PLACES.zip(digits.chars()).map(|(place, digit)| format!("{place}{digit}")).collect::<Vec<_>>().join(" ")
}

/// The style that marks the visitor's own messages: all are marked, except where a digit is another.
pub(crate) fn own_style() -> String {
    let digits = PLACES.flat_map(|place| (0..16).map(move |digit| format!("{place}{digit:x}")));
    let others: Vec<String> = digits.map(|digit| format!(".{digit}~*>.wall>:not(.{digit})")).collect();
    format!(".self~*>.wall>*{{--mine:\" · yours\"}}{}{{--mine:none}}", others.join(","))
}

#[derive(Template)]
#[template(path = "wall.html")]
pub(crate) struct WallHtml {
    messages: Vec<WallMessage>,
}

struct WallMessage {
    user: String,
    digits: String,
    colour: Option<&'static str>,
    from: String,
    at: Utc,
    ago: String,
}

impl WallHtml {
    pub(crate) fn of(view: &RoomView, now_ms: u64) -> Self {
        Self { messages: entries(view).map(|entry| WallMessage::of(entry, view, now_ms)).collect() }
    }
}

impl WallMessage {
    fn of(entry: &Entry, view: &RoomView, now_ms: u64) -> Self {
        let hi: Hi = minicbor::decode(&entry.value).unwrap_or_default();
        Self {
            user: entry.author.public.short(),
            digits: digits(entry.author.public),
            colour: hi.colour.and_then(|name| palette::known(&name)),
            from: regions::words(view, &entry.author.region),
            at: Utc::of(entry.at_ms),
            ago: Utc::of(entry.at_ms).ago(now_ms),
        }
    }
}
