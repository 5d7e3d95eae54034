//! What is built on presence: an app is three functions, `page`, `reflex` and `render`.

pub(crate) mod change;
pub(crate) mod drawing;
pub(crate) mod fragment;
pub(crate) mod reflex;
pub(crate) mod view;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::app::change::Change;
use crate::app::fragment::Fragment;
use crate::app::reflex::{ReflexCall, Refusal, Write};
use crate::app::view::RoomView;
use crate::id::{PublicId, Room};

/// A live feature. Its functions depend only on their arguments and keep no state.
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
///             // A value, never "flip": two users who switch at once both get what they wanted.
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
    /// The room of the page at this path; `None`: there is no such page. By default there is one page, at `/`, whose room has
    /// the site's name. The path is as the browser sent it, percent-encoded.
    fn room(&self, site: &Room, path: &str) -> Option<Room> {
        (path == "/").then(|| site.clone())
    }

    /// Returns a whole page, which is right before any script runs.
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String;

    /// Returns the facts that a click writes, or why it writes none. It never changes a page.
    fn reflex(&self, call: &ReflexCall, view: &RoomView) -> Result<Vec<Write>, Refusal>;

    /// Returns the elements that a change affects, whichever region it came from.
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
    /// The path of the request, such as `/`.
    pub path: &'a str,
    /// The user who sent it, as others see them.
    pub user: PublicId,
    /// How many tabs that user already has open in the room.
    pub tabs: u32,
    /// The code of the edge region that received the request, in lower case, if a trusted proxy names it.
    pub edge: Option<&'a str>,
    /// The signed name of the room's stream, for `<cable-ready-stream-from>` and the reflex channel's `room`.
    pub room_stream: &'a str,
    /// The signed name of the user's stream, for `<cable-ready-stream-from>`.
    pub user_stream: &'a str,
    /// The address of the stock clients, which make the page live: for `<script type="module" src="…">`.
    pub script: &'a str,
    /// A random number, new at every load.
    pub chance: u64,
    /// When it was sent: ms since 1970 by the node's time. The view may be an hour old, if nothing has changed since.
    pub now_ms: u64,
    /// What [`Visit::once`] keeps for later visits; `None`: nothing.
    pub cache: Option<&'a PageCache>,
}

/// What an app keeps of one view for later visits: see [`Visit::once`].
#[derive(Default)]
pub struct PageCache(OnceLock<Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for PageCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PageCache").field(&self.0.get().is_some()).finish()
    }
}

impl<'a> Visit<'a> {
    /// A user's first visit to this path, with names that are not signed: for tests of an app's `page`.
    pub fn first(path: &'a str) -> Self {
        let (room_stream, user_stream, script) = ("room", "user", "/assets/page.js");
        let user = PublicId([0; 32]);
        Self { path, user, tabs: 0, edge: None, room_stream, user_stream, script, chance: 0, now_ms: 0, cache: None }
    }

    /// Returns what all pages of a view have in common. It is made at the first visit and kept as long as the view. `make`
    /// must depend on nothing but the view, and must not call `once`. One value is kept for each view: a value of another
    /// type is made at each visit.
    ///
    /// ```
    /// use presence_core::{PageCache, Visit};
    ///
    /// let cache = PageCache::default();
    /// let visit = Visit { cache: Some(&cache), ..Visit::first("/") };
    /// assert_eq!(*visit.once(|| "<p>Drawn with care</p>".to_owned()), "<p>Drawn with care</p>");
    /// assert_eq!(*visit.once(|| -> String { unreachable!("it is made") }), "<p>Drawn with care</p>");
    /// ```
    pub fn once<T: Send + Sync + 'static>(&self, make: impl Fn() -> T) -> Arc<T> {
        let cached = self.cache.map(|cache| Arc::clone(cache.0.get_or_init(|| Arc::new(make()))));
        cached.and_then(|cached| cached.downcast().ok()).unwrap_or_else(|| Arc::new(make()))
    }
}
