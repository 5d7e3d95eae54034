//! A request for a page, and what an app answers to it.

use crate::app::fields::Fields;
use crate::id::Room;

/// A user that a site or the app itself vouches for.
///
/// ```
/// use presence_core::SignedUser;
///
/// let ann = SignedUser { id: "42".to_owned(), info: Some(r#"{"name":"Ann"}"#.to_owned()) };
/// assert_eq!(ann, SignedUser::new("42").with_info(r#"{"name":"Ann"}"#));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedUser {
    /// The id that the site gave them: 1 to 256 bytes. One id is one user, on all devices.
    pub id: String,
    /// What else the site says of them: JSON text of at most 1,024 bytes.
    pub info: Option<String>,
}

impl SignedUser {
    /// A user with this id, and nothing else that is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), info: None }
    }

    /// The same user, with JSON text that says more.
    pub fn with_info(self, info: impl Into<String>) -> Self {
        Self { info: Some(info.into()), ..self }
    }
}

/// A request for a page. Except for `signed`, it is what the browser sent: untrusted input.
///
/// ```
/// use presence_core::{Fields, PageRequest};
///
/// let query = [("page", "2")].into_iter().collect::<Fields>();
/// let headers = [("accept-language", "de"), ("cookie", "theme=dark; seen=1")];
/// let request = PageRequest { query: &query, headers: &headers, ..PageRequest::get("/lots") };
/// assert_eq!((request.path, request.query.get("page")), ("/lots", Some("2")));
/// assert_eq!((request.header("Accept-Language"), request.cookie("seen")), (Some("de"), Some("1")));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    /// The name of the site, a room of its own.
    pub site: &'a Room,
    /// The path as the browser sent it, percent-encoded: `/lots/7`.
    pub path: &'a str,
    /// The values behind `?`, decoded. At most 128.
    pub query: &'a Fields,
    /// Names in lower case, each with its value. There are none where a page that has been served asks for its room again: see
    /// [`App::route`](crate::App::route).
    pub headers: &'a [(&'a str, &'a str)],
    /// Who the user is, if they have signed in.
    pub signed: Option<&'a SignedUser>,
}

impl<'a> PageRequest<'a> {
    /// A request without query and headers, to the site `site`, from a user who has not signed in: for tests of an app's `route`.
    pub fn get(path: &'a str) -> Self {
        static SITE: std::sync::LazyLock<Room> =
            std::sync::LazyLock::new(|| Room::new("site").expect("a short name is a room's"));
        Self { site: &SITE, path, query: Fields::none(), headers: &[], signed: None }
    }

    /// The first header of this name, in upper or lower case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(*value))
    }

    /// The first cookie of this name, as the browser sent it.
    pub fn cookie(&self, name: &str) -> Option<&'a str> {
        let cookies = self.headers.iter().filter(|(known, _)| *known == "cookie");
        let mut pairs = cookies.flat_map(|(_, value)| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find_map(|(known, value)| (known == name).then_some(value))
    }
}

/// What an app answers to a request.
///
/// ```
/// use presence_core::{PageRequest, Room, Route, SignedUser};
///
/// /// A page for all, and one for those who have signed in.
/// fn route(request: &PageRequest<'_>) -> Route {
///     match (request.path, request.signed) {
///         ("/", _) => Route::Page(request.site.clone()),
///         ("/orders", None) => Route::Redirect("/login".to_owned()),
///         ("/orders", Some(_)) => request.site.below("orders").into(),
///         _ => Route::NotFound,
///     }
/// }
///
/// let ann = SignedUser::new("42");
/// assert_eq!(route(&PageRequest::get("/orders")), Route::Redirect("/login".to_owned()));
/// let signed = PageRequest { signed: Some(&ann), ..PageRequest::get("/orders") };
/// assert_eq!(route(&signed), Route::Page(Room::new("site/orders").unwrap()));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route {
    /// The page of this room.
    Page(Room),
    /// Another address, which the browser asks for instead (303).
    Redirect(String),
    /// There is no such page (404).
    NotFound,
    /// There is one, and this user may not see it (403).
    Forbidden,
}

impl From<Option<Room>> for Route {
    /// The page of this room, or none where there is no room.
    fn from(room: Option<Room>) -> Self {
        room.map_or(Self::NotFound, Self::Page)
    }
}

/// Why a page is not shown.
///
/// ```
/// use presence_core::PageError;
///
/// /// The heading of an app's own error page.
/// fn heading(error: PageError) -> &'static str {
///     match error {
///         PageError::NotFound => "This lot has gone under the hammer.",
///         _ => "Something went wrong.",
///     }
/// }
/// assert_eq!(heading(PageError::NotFound), "This lot has gone under the hammer.");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageError {
    /// [`Route::NotFound`] (404).
    NotFound,
    /// [`Route::Forbidden`] (403).
    Forbidden,
    /// The app panicked (500).
    Failed,
    /// Too many calls of the app have not returned (503).
    Overloaded,
}
