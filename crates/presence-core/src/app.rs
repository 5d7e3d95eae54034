//! What is built on presence: an app is three functions, `page`, `reflex` and `render`.

pub(crate) mod change;
pub(crate) mod click;
pub(crate) mod drawing;
pub(crate) mod entry_id;
pub(crate) mod fact_kind;
pub(crate) mod fields;
pub(crate) mod fragment;
pub(crate) mod reflex;
pub(crate) mod region;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod traced;
pub(crate) mod view;
pub(crate) mod write;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::app::change::Change;
use crate::app::click::Click;
use crate::app::fields::Fields;
use crate::app::fragment::Fragment;
use crate::app::reflex::Refusal;
use crate::app::report::Report;
use crate::app::request::{PageError, PageRequest, Route, SignedUser};
use crate::app::view::RoomView;
use crate::app::write::Write;
use crate::id::{PublicId, Room};

/// A live feature. Its functions depend only on their arguments and keep no state.
///
/// ```
/// use presence_core::{App, Change, Click, Fragment, Refusal, RoomView, Visit, Write};
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
///     fn reflex(&self, click: &Click, view: &RoomView) -> Result<Vec<Write>, Refusal> {
///         match click.target.as_str() {
///             // A value, never "flip": two users who switch at once both get what they wanted.
///             "Lamp#on" => Ok(vec![Write::set_bytes("lamp", "on")]),
///             "Lamp#off" => Ok(vec![Write::set_bytes("lamp", "off")]),
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
    /// Returns which page a request is for, and whether its user may see it. By default there is one page, at `/`, whose room
    /// has the site's name.
    ///
    /// A page that was served to a user who has signed in asks again when it connects, with the same path and query and without
    /// headers. It may join the room only if the answer is still the same. So let `signed` decide who may see a page.
    fn route(&self, request: &PageRequest<'_>) -> Route {
        if request.path == "/" { Route::Page(request.site.clone()) } else { Route::NotFound }
    }

    /// Returns who sends a request. By default it is `request.signed`: the user that a valid token names, in the cookie
    /// `presence-user` or the header `authorization`. An app with another proof in its headers or cookies checks that here.
    fn signed_user(&self, request: &PageRequest<'_>) -> Option<SignedUser> {
        request.signed.cloned()
    }

    /// Returns the page for a request that is answered with an error, in HTML; `None`: the library's own.
    fn error_page(&self, _error: PageError, _request: &PageRequest<'_>) -> Option<String> {
        None
    }

    /// Returns a whole page, which is right before any script runs.
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String;

    /// Returns the facts that a click writes, or why it writes none. It never changes a page.
    fn reflex(&self, click: &Click, view: &RoomView) -> Result<Vec<Write>, Refusal>;

    /// Returns the elements that a change affects, whichever region it came from.
    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment>;

    /// Returns the other rooms that the pages of this one show, too, such as those of a list: their views are in
    /// [`RoomView::related`], and what changes in them is drawn as [`Change::Related`]. At most 256; more are left out.
    fn related(&self, _room: &Room) -> Vec<Room> {
        Vec::new()
    }

    /// Returns whether a change also affects what single users see of it, such as "You are winning". If it does, `render` is
    /// asked for [`Change::You`] of each user who is in the room on this node, and all their tabs are drawn. In a room of
    /// thousands this takes a second or more.
    ///
    /// [`Change::Everything`] stands for many changes at once: answer `true` for it, too.
    fn redraws_own(&self, _change: &Change) -> bool {
        false
    }

    /// Returns what the site's own server is to know of a room, for effects that must happen once: a mail when an auction ends.
    /// At most 64; more are left out.
    ///
    /// Every node with a webhook asks at each new view of the room, also where no one is in it. One node sends what is new, once
    /// it has been true for a second. A node that takes over sends everything again, each with the same id as before. So let the
    /// view's facts decide, which are the same on all nodes: not its time and not its counts.
    fn reports(&self, _view: &RoomView) -> Vec<Report> {
        Vec::new()
    }
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
    /// The address of this server as the browser names it, such as `https://example.org`: for links that leave the page.
    pub origin: &'a str,
    /// The path of the request, such as `/`.
    pub path: &'a str,
    /// The values behind `?`. At most 128.
    pub query: &'a Fields,
    /// Who the user is, if they have signed in.
    pub signed: Option<&'a SignedUser>,
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
        Self {
            origin: "http://localhost",
            path,
            query: Fields::none(),
            signed: None,
            user: PublicId([0; 32]),
            tabs: 0,
            edge: None,
            room_stream,
            user_stream,
            script,
            chance: 0,
            now_ms: 0,
            cache: None,
        }
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
