//! What is built on presence: an app is three functions, `page`, `reflex` and `render`.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::fragment::Fragment;
use crate::id::{PublicId, Region, Room};
use crate::room::RoomView;

/// A live feature. Everything that it decides is decided from its arguments; it keeps nothing.
///
/// ```
/// use presence_core::{App, Change, Fragment, ReflexCall, Refusal, RoomView, Visit, Write};
///
/// struct Lamp;
///
/// impl App for Lamp {
///     fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
///         let streams = [visit.room_stream, visit.user_stream]
///             .map(|name| format!(r#"<cable-ready-stream-from identifier="{name}"></cable-ready-stream-from>"#))
///             .concat();
///         format!(
///             r#"<!doctype html><title>Lamp</title><meta name="presence-room" content="{}">
///             <script type="module" src="{}"></script>{streams}{}"#,
///             visit.room_stream, visit.script, lamp(view)
///         )
///     }
///
///     fn reflex(&self, call: &ReflexCall, view: &RoomView) -> Result<Vec<Write>, Refusal> {
///         match call.target.as_str() {
///             // A value, never "flip": two who switch at once both get what they wanted.
///             "Lamp#on" => Ok(vec![Write::Set { key: "lamp", value: b"on".to_vec(), lasts_ms: None }]),
///             "Lamp#off" => Ok(vec![Write::Set { key: "lamp", value: b"off".to_vec(), lasts_ms: None }]),
///             _ => Err(Refusal::Unknown),
///         }
///     }
///
///     fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
///         match change {
///             Change::Everything | Change::Set(_) => vec![Fragment::new("lamp", lamp(view))],
///             _ => Vec::new(),
///         }
///     }
/// }
///
/// fn lamp(view: &RoomView) -> String {
///     let on = view.registers.get("lamp").is_some_and(|entry| entry.value == b"on");
///     let next = if on { "off" } else { "on" };
///     format!(r#"<button id="lamp" data-reflex="click->Lamp#{next}">Switch it {next}</button>"#)
/// }
/// # use presence_core::{Region, Room};
/// # let view = RoomView::empty(Room::new("lamp").unwrap(), Region::new("ams").unwrap());
/// assert!(Lamp.page(&view, &Visit::first("/")).contains("Switch it on"));
/// ```
pub trait App: Send + Sync + 'static {
    /// Which room the page at this path is of; `None`: there is no such page. An app of one page leaves it as it is: the
    /// page at `/` is of the room that has the site's name. The path is as it was asked for, percent signs and all.
    fn room(&self, site: &Room, path: &str) -> Option<Room> {
        (path == "/").then(|| site.clone())
    }

    /// A whole page, right before any script runs.
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String;

    /// What a click means: facts to write, or why not. It never touches a page.
    fn reflex(&self, call: &ReflexCall, view: &RoomView) -> Result<Vec<Write>, Refusal>;

    /// What a change looks like, wherever the change was made.
    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment>;
}

/// One request for a page.
///
/// ```
/// use presence_core::{PublicId, Visit};
///
/// let visit = Visit { user: PublicId([0x1a; 32]), tabs: 2, ..Visit::first("/teapot") };
/// assert_eq!(format!("{}: tab {} of {}", visit.path, visit.tabs + 1, visit.user.short()), "/teapot: tab 3 of 1A1A1A1A");
/// ```
#[derive(Clone, Debug)]
pub struct Visit<'a> {
    /// The path that was asked for, such as `/`.
    pub path: &'a str,
    /// Who asked, as others see them.
    pub user: PublicId,
    /// How many tabs that user has open in the room already.
    pub tabs: u32,
    /// The code of the edge region that the request entered by, where a trusted proxy said so; lower case.
    pub edge: Option<&'a str>,
    /// The signed name of the room's stream, for `<cable-ready-stream-from>` and the reflex channel's `room`.
    pub room_stream: &'a str,
    /// The signed name of the user's stream, for `<cable-ready-stream-from>`.
    pub user_stream: &'a str,
    /// Where the stock clients are, for `<script type="module" src="…">`: what makes the page live.
    pub script: &'a str,
    /// A random number, new at every load.
    pub chance: u64,
    /// When it asked: ms since 1970 by the node's time. The view may be of an hour ago, if nothing has changed since.
    pub now_ms: u64,
    /// What was made of the view for earlier visits; `None`: nothing is kept.
    pub made: Option<&'a Made>,
}

/// What an app has made of one view: see [`Visit::once`].
#[derive(Default)]
pub struct Made(OnceLock<Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Made").field(&self.0.get().is_some()).finish()
    }
}

impl<'a> Visit<'a> {
    /// Somebody's first visit to this path, with names that nobody has signed: for tests of an app's `page`.
    pub fn first(path: &'a str) -> Self {
        let (room_stream, user_stream, script) = ("room", "user", "/assets/page.js");
        let user = PublicId([0; 32]);
        Self { path, user, tabs: 0, edge: None, room_stream, user_stream, script, chance: 0, now_ms: 0, made: None }
    }

    /// What all pages of a view have in common, made at the first visit and kept for as long as the view is. It must depend
    /// on nothing but the view, nor ask for itself while it is made. An app has one such thing: what is asked for as another
    /// type is made at each visit.
    ///
    /// ```
    /// use presence_core::{Made, Visit};
    ///
    /// let made = Made::default();
    /// let visit = Visit { made: Some(&made), ..Visit::first("/") };
    /// assert_eq!(*visit.once(|| "<p>Drawn with care</p>".to_owned()), "<p>Drawn with care</p>");
    /// assert_eq!(*visit.once(|| -> String { unreachable!("it is made") }), "<p>Drawn with care</p>");
    /// ```
    pub fn once<T: Send + Sync + 'static>(&self, make: impl Fn() -> T) -> Arc<T> {
        let made = self.made.map(|made| Arc::clone(made.0.get_or_init(|| Arc::new(make()))));
        made.and_then(|made| made.downcast().ok()).unwrap_or_else(|| Arc::new(make()))
    }
}

/// A click as the browser sent it: untrusted input.
///
/// ```
/// use presence_core::{ReflexCall, Refusal};
///
/// /// The choice that was clicked, where there is such a one.
/// fn choice(call: &ReflexCall) -> Result<&'static str, Refusal> {
///     let said = call.attrs.get("data-choice").map(String::as_str);
///     ["tea", "coffee"].into_iter().find(|choice| Some(*choice) == said).ok_or(Refusal::Unknown)
/// }
///
/// let call = |said: &str| ReflexCall {
///     target: "Poll#vote".to_owned(),
///     attrs: [("data-choice".to_owned(), said.to_owned())].into(),
///     ..ReflexCall::default()
/// };
/// assert_eq!(choice(&call("tea")), Ok("tea"));
/// assert_eq!(choice(&call("<script>")), Err(Refusal::Unknown));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReflexCall {
    /// `Lightbulb#toggle`, without the optional `Reflex` of `LightbulbReflex#toggle`.
    pub target: String,
    /// The element's attributes as text (`aria-pressed`, `data-colour`, ...), data attributes included.
    pub attrs: std::collections::BTreeMap<String, String>,
    /// Handed back untouched with the answer: what the translator needs to write it.
    pub echo: String,
}

/// How a reflex ended, for its sender only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was carried out; changes draw what came of it (`morph-nothing`).
    Done,
    /// Too fast, or not now (`morph-halted`).
    Halted,
    /// It can't be carried out, and why (`morph-error`).
    Failed(String),
}

/// Why a reflex writes nothing.
///
/// ```
/// # use presence_core::Refusal;
/// let refusal = Refusal::Because("The poll has ended.".to_owned());
/// # assert_ne!(refusal, Refusal::Unknown);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No reflex has that name.
    Unknown,
    /// Refused for this reason, a sentence for the developer of the page.
    Because(String),
}

/// A fact that somebody wants. It carries a value, never "flip".
///
/// ```
/// use presence_core::Write;
///
/// const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// let one_for_all = Write::Set { key: "lamp", value: b"on".to_vec(), lasts_ms: Some(DAY_MS) };
/// let newest_nine = Write::Append { key: "wall", value: b"hi".to_vec(), cap: 9, lasts_ms: None };
/// let of_this_user_while_here = Write::Share { key: "cursor", value: b"120 80".to_vec() };
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Sets a register.
    Set {
        /// Which register of the room: 1 to 64 bytes.
        key: &'static str,
        /// At most 4 KiB.
        value: Vec<u8>,
        /// How long it stays after its stamp, in ms; 30 days unless said.
        lasts_ms: Option<u64>,
    },
    /// Adds an entry to a log.
    Append {
        /// Which log of the room: 1 to 64 bytes.
        key: &'static str,
        /// At most 4 KiB.
        value: Vec<u8>,
        /// How many entries the log keeps, the newest.
        cap: u16,
        /// How long it stays after its stamp, in ms; 30 days unless said.
        lasts_ms: Option<u64>,
    },
    /// Shows something of the user who clicked for as long as they are in the room: a cursor, what they hold. Never
    /// stored; the newest one counts; at most 20 a second of each user are shown, the last one always.
    Share {
        /// Under which name: 1 to 64 bytes, at most 4 of them for each user and room.
        key: &'static str,
        /// At most 256 bytes; empty: nothing any more.
        value: Vec<u8>,
    },
}

/// What became different in a room. Local or from the other side of the world, a change looks the same.
///
/// ```
/// use presence_core::{Change, Fragment, RoomView};
///
/// /// A number that is drawn when it changes, and for who arrives. What a fragment does not depend on is left alone.
/// fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
///     match change {
///         Change::Everything | Change::Counts => {
///             vec![Fragment::new("here", format!("<p id=\"here\">{} here</p>", view.users))]
///         }
///         _ => Vec::new(),
///     }
/// }
/// # use presence_core::{Region, Room};
/// # let view = RoomView::empty(Room::new("lamp").unwrap(), Region::new("ams").unwrap());
/// assert_eq!(render(&Change::Counts, &view).len(), 1);
/// assert_eq!(render(&Change::Set("lamp".to_owned()), &view), []);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    /// Somebody has just arrived, or missed something: every fragment of the room that is the same for all, also those
    /// of registers and logs that hold nothing.
    Everything,
    /// Which regions are known, or the state of one, or its round-trip time.
    Regions,
    /// How many users, tabs or unsure ones there are in the whole room.
    Counts,
    /// The same for one region.
    RegionCounts(Region),
    /// A register was set, or ran out.
    Set(String),
    /// A log has another content.
    Logged(String),
    /// Somebody shows something else under this key, or has gone with what they showed.
    Shared(String),
    /// For one user: who "you" are, and what is yours. Sent when a tab of theirs has joined, and to all their tabs when
    /// something that they wrote is there.
    You {
        /// The user as others see them.
        user: PublicId,
    },
    /// For one user: how many tabs they have open in the room, over all regions.
    Tabs {
        /// The user as others see them.
        user: PublicId,
        /// The number.
        tabs: u32,
    },
    /// For one connection: its round trip to this node.
    RoundTrip {
        /// Milliseconds.
        ms: u32,
    },
}
