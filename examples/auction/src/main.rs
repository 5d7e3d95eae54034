//! An auction: several lots, a list of them, a form for bids that says why one is refused, what each bidder sees of their own, a
//! deadline, a login, and a lot for those who have signed in.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use presence_server::{
    App, Asset, Change, Click, Entry, Fragment, PageRequest, PublicId, Refusal, Report, Room, RoomView, Route, SignIn,
    SignedUser, Site, Visit, Write,
};

static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::new("auction.css", include_bytes!("../templates/auction.css")));

/// A lot is sold when no one has bid for this long.
const OPEN_MS: u64 = 60_000;

/// Path, title, a word about it, the least bid in euros, whether bidders must have signed in.
type Lot = (&'static str, &'static str, &'static str, u32, bool);

const LOTS: [Lot; 3] = [
    ("teapot", "Teapot", "Stoneware, one litre, no lid.", 10, false),
    ("lamp", "Desk lamp", "One joint, one spring, one switch.", 40, false),
    ("private/clock", "Clock", "For bidders that we know.", 500, true),
];

/// The lot of a path or a room.
fn lot(path: &str) -> Option<&'static Lot> {
    LOTS.iter().find(|lot| path.strip_suffix(lot.0).is_some_and(|before| before.ends_with('/')))
}

/// Euros, the name and the id of the bidder: the highest first. Of two equal ones, which two regions took at once, the earlier counts.
fn bids(view: &RoomView) -> Vec<(u32, String, PublicId)> {
    let oldest_first = view.logs.get("bids").into_iter().flatten().rev();
    let bid = |entry: &Entry| entry.read().map(|(euros, by)| (euros, by, entry.author.public));
    let mut bids: Vec<_> = oldest_first.filter_map(bid).collect();
    bids.sort_by_key(|(euros, ..)| std::cmp::Reverse(*euros));
    bids
}

/// Whether bids have been made, and the deadline has come.
fn is_sold(view: &RoomView) -> bool {
    view.logs.contains_key("bids") && !view.registers.contains_key("ends")
}

/// The whole page; its blocks are what changes redraw. The form is outside, so that no change disturbs a visitor who writes.
#[derive(Template)]
#[template(path = "page.html", blocks = ["live", "standing"])]
struct Page<'a> {
    view: &'a RoomView,
    visit: Option<&'a Visit<'a>>,
    user: Option<PublicId>,
}

impl Page<'_> {
    fn lot(&self) -> Option<&'static Lot> {
        lot(self.view.room.as_str())
    }

    /// The room of another lot, for the list; `None`: it has no visitors and no bids.
    fn other(&self, lot: &Lot) -> Option<&RoomView> {
        self.view.related.get(&self.view.room.below(lot.0)?).map(|view| &**view)
    }

    /// The place of the user's highest bid, the first of all being 0.
    fn place(&self) -> Option<usize> {
        bids(self.view).iter().position(|(.., by)| Some(*by) == self.user)
    }

    /// When the lot is sold, in ms since 1970, and how many seconds are left.
    fn deadline(&self) -> Option<(u64, u64)> {
        let ends = self.view.get::<u64>("ends")?;
        let now = self.visit.map_or(self.view.as_of_ms, |visit| visit.now_ms);
        Some((ends, ends.saturating_sub(now).min(OPEN_MS).div_ceil(1_000)))
    }
}

struct Auction;

impl App for Auction {
    fn route(&self, request: &PageRequest<'_>) -> Route {
        match (request.path, lot(request.path), request.signed) {
            ("/" | "/login", ..) => Route::Page(request.site.clone()),
            (_, Some((.., true)), None) => Route::Redirect("/login".to_owned()),
            (_, Some((name, ..)), _) => request.site.below(name).into(),
            _ => Route::NotFound,
        }
    }

    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        Page { view, visit: Some(visit), user: Some(visit.user) }.to_string()
    }

    fn reflex(&self, click: &Click, view: &RoomView) -> Result<Vec<Write>, Refusal> {
        let lot = lot(view.room.as_str()).filter(|_| click.target == "Bid#place").ok_or(Refusal::Unknown)?;
        let least = bids(view).first().map_or(lot.3, |(highest, ..)| highest + 1);
        let field = |name| click.form.get(name).map(str::trim).unwrap_or_default();
        let (by, euros, ends) = (field("name"), field("euros").parse::<u32>().ok(), click.now_ms + OPEN_MS);
        match euros {
            _ if is_sold(view) => Err(Refusal::Because("This lot is sold.".to_owned())),
            _ if by.is_empty() || by.len() > 60 => Err(Refusal::Because("Say who bids.".to_owned())),
            Some(euros @ 0..=1_000_000) if euros >= least => {
                Ok(vec![Write::append("bids", &(euros, by), 1_000)?, Write::set("ends", &ends)?.until_ms(ends)])
            }
            _ => Err(Refusal::Because(format!("The next bid is a whole number of euros, at least {least}."))),
        }
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        let page = |user| Page { view, visit: None, user };
        match change {
            Change::You { user } => vec![Fragment::new("standing", page(Some(*user)).as_standing())],
            Change::Tabs { .. } | Change::Regions | Change::RegionCounts(_) | Change::RoundTrip { .. } => Vec::new(),
            _ => vec![Fragment::new("live", page(None).as_live())],
        }
    }

    fn redraws_own(&self, change: &Change) -> bool {
        matches!(change, Change::Everything | Change::Logged(_) | Change::Expired(_))
    }

    /// The list shows the lots that everyone may see.
    fn related(&self, room: &Room) -> Vec<Room> {
        let lots = LOTS.iter().filter(|_| lot(room.as_str()).is_none());
        lots.filter(|(.., private)| !private).filter_map(|(name, ..)| room.below(name)).collect()
    }

    /// The site's own server is told who has won.
    fn reports(&self, view: &RoomView) -> Vec<Report> {
        let won = bids(view).into_iter().next().filter(|_| is_sold(view));
        won.map(|(euros, by, _)| Report::new("sold", &(euros, by))).into_iter().collect()
    }
}

async fn login(sign_in: SignIn, Form(sent): Form<HashMap<String, String>>) -> Response {
    match sent.get("name") {
        Some(name) if (1..=60).contains(&name.len()) => {
            let cookie = sign_in.cookie(&SignedUser::new(name), Duration::from_secs(30 * 24 * 60 * 60));
            ([(SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        _ => Redirect::to("/login").into_response(),
    }
}

fn main() -> ExitCode {
    let router = axum::Router::new().route("/login", post(login));
    presence_server::run(Auction, Site { assets: vec![STYLE.clone()], router, ..Site::new("auction") })
}

#[cfg(test)]
mod tests;
