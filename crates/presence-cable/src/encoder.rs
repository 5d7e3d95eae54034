//! How a client protocol writes what the hub sends: the hub carries the same content to every protocol and knows none.

use std::collections::BTreeMap;
use std::fmt::Debug;

use presence_core::{Fragment, Message, Outcome, RegionView, RoomView};
use serde::Deserialize;

/// Writes one client protocol.
///
/// A *body* is the second half of a frame: the first half is the prefix of the subscription that it goes to, so that a
/// body is encoded once for all of them. A method that answers `None` has no word for that content, and nothing is sent.
pub trait Encoder: Debug + Send + Sync {
    /// The name by which the hub tells encoders apart.
    fn name(&self) -> &'static str;

    /// The frame that tells a page's script that the server is there.
    fn ping(&self, unix_seconds: u64) -> String;

    /// When that frame is due.
    fn ping_after(&self) -> PingAfter;

    /// The frame that ends a subscription whose user was made to leave.
    fn dismissed(&self, prefix: &str) -> String;

    /// The body that draws these fragments, in order.
    fn fragments(&self, _fragments: &[Fragment]) -> Option<String> {
        None
    }

    /// The body that answers a click; `echo` is the one of its `ReflexCall`, `earlier` how the socket's last click ended.
    fn answer(&self, _outcome: &Outcome, _echo: &str, _earlier: EarlierAnswer) -> Option<String> {
        None
    }

    /// The body that says how many users a room has.
    fn counts(&self, _view: &RoomView) -> Option<String> {
        None
    }

    /// The body that says what a room's users share: what is different from an older view, or all of it; `None` where
    /// nothing is.
    fn shares(&self, _before: Option<&RoomView>, _after: &RoomView) -> Option<String> {
        None
    }

    /// The body of a published or whispered message, with its place in the history if it has one.
    fn message(&self, _message: &Message, _position: Option<&Position>) -> Option<String> {
        None
    }

    /// Whether [`Encoder::presence`] answers anything.
    fn hears_presence(&self) -> bool {
        false
    }

    /// The body that says who joined, who left or who is there.
    fn presence(&self, _event: &PresenceEvent) -> Option<String> {
        None
    }

    /// The frame that ends a replay of missed messages.
    fn replayed(&self, _prefix: &str, _replay: ReplayEnd) -> Option<String> {
        None
    }
}

/// The quiet time after which a ping is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PingAfter {
    /// The time of `--ping-every`: the client reconnects soon after.
    PingEvery,
    /// The time of `--probe-every`: the client is patient.
    ProbeEvery,
}

/// How the click before this one ended: a page that shows why it failed shows that no longer after a success.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EarlierAnswer {
    /// It was carried out, or there was none.
    Success,
    /// It failed or was halted.
    Failure,
}

/// How a replay of missed messages ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplayEnd {
    /// Everything that was missed has been sent.
    Complete,
    /// Some of it is no longer known, and none was sent.
    Unknown,
}

/// Since when messages are wanted.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HistoryRequest {
    /// Seconds since 1970 by the browser's clock; for streams of which it knows no position.
    pub since: Option<f64>,
    /// The last position that the browser knows, by the name of the stream.
    pub streams: BTreeMap<String, Position>,
}

/// A place in the order in which one node took a stream's messages.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Position {
    /// Names the order.
    pub epoch: String,
    /// The message's number in it.
    pub offset: u64,
}

/// A user as the others of a stream see them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The id that others see.
    pub id: String,
    /// Display data, JSON text.
    pub info: String,
}

/// A change or an answer about who is present.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PresenceEvent {
    /// A user joined.
    Joined(Record),
    /// The user with this id left.
    Left(String),
    /// The users who are there.
    Members {
        /// How many there are.
        total: u64,
        /// Some of them, or all.
        records: Vec<Record>,
    },
}

/// Whether [`Encoder::counts`] says the same of both.
pub fn same_counts(one: &RoomView, other: &RoomView) -> bool {
    let numbers = |view: &RoomView| (view.users, view.looking, view.tabs, view.unsure, view.unproven, is_stale(view));
    let same_region = |one: &RegionView, other: &RegionView| {
        (&one.region, one.users, one.state) == (&other.region, other.users, other.state)
    };
    numbers(one) == numbers(other)
        && one.regions.len() == other.regions.len()
        && one.regions.iter().zip(&other.regions).all(|(one, other)| same_region(one, other))
}

/// Whether some region is not fully known here: the numbers may be too low.
pub(crate) fn is_stale(view: &RoomView) -> bool {
    view.regions_heard() < view.regions.len()
}
