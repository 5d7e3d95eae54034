//! Tests of an app without a node: regions in memory, whose visitors open pages and click. No socket is opened and no time
//! passes but the test's own, so a test takes milliseconds and always ends in the same way.
//!
//! ```
//! use presence_server::testing::TestWorld;
//! use presence_server::{App, Change, Click, Fragment, Refusal, RoomView, Visit, Write};
//!
//! /// A lamp for all.
//! struct Lamp;
//!
//! impl App for Lamp {
//!     fn page(&self, view: &RoomView, _: &Visit<'_>) -> String {
//!         format!("<!doctype html><title>Lamp</title>{}", lamp(view).html)
//!     }
//!
//!     fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
//!         let value = click.form.get("colour").filter(|_| click.target == "Lamp#paint").ok_or(Refusal::Unknown)?;
//!         if value == "black" {
//!             return Err(Refusal::Because("A lamp can't be black.".to_owned()));
//!         }
//!         Ok(vec![Write::set_bytes("lamp", value)])
//!     }
//!
//!     fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
//!         if matches!(change, Change::Everything | Change::Set(_)) { vec![lamp(view)] } else { Vec::new() }
//!     }
//! }
//!
//! fn lamp(view: &RoomView) -> Fragment {
//!     let colour = view.registers.get("lamp").map_or("white".into(), |entry| String::from_utf8_lossy(&entry.value));
//!     Fragment::new("lamp", format!("<p id=\"lamp\">The lamp is {colour}.</p>"))
//! }
//!
//! let mut world = TestWorld::new(Lamp, &["ams", "iad"]);
//! let (ann, bob) = (world.visitor(), world.visitor());
//! let here = world.open(&ann, "ams", "/");
//! let there = world.open(&bob, "iad", "/");
//! assert_eq!(world.text(there, "lamp"), "The lamp is white.");
//!
//! world.click(here, Click::on("Lamp#paint").field("colour", "red")).unwrap();
//! assert_eq!(world.text(there, "lamp"), "The lamp is red.");
//!
//! let refused = world.click(there, Click::on("Lamp#paint").field("colour", "black")).unwrap_err();
//! assert_eq!(refused.to_string(), "A lamp can't be black.");
//! ```

mod network;
mod open_page;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use presence_core::{
    App, Click, ConnectionId, Drawn, Ended, Input, Outcome, PageRequest, ReflexError, Report, Room, RoomView, Route,
    SignedUser, SubscriptionId, Tab, UserId,
};

use self::network::{Ordered, TestNetwork};
use self::open_page::OpenPage;
use crate::identity::sha256;
use crate::sites::{PageAddress, normalised};

/// Everything that follows from a click or a visit has happened after this long, in all regions.
const SETTLED: Duration = Duration::from_secs(1);
/// A page's subscriptions: to its room, to its user, to clicks.
const ROOM: SubscriptionId = SubscriptionId(1);
const USER: SubscriptionId = SubscriptionId(2);
const CLICKS: SubscriptionId = SubscriptionId(3);

/// Regions in memory that run an app. They hear each other after 50 ms.
pub struct TestWorld {
    app: Box<dyn App>,
    site: Room,
    network: TestNetwork,
    pages: BTreeMap<TestPage, OpenPage>,
    visitors: u64,
    answer: Option<Outcome>,
}

/// A visitor: all their pages are one user's, in whichever region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestVisitor {
    user: UserId,
    signed: Option<Arc<SignedUser>>,
}

/// A page that a visitor has opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TestPage(u64);

impl TestWorld {
    /// These regions, each with one node; they know each other already.
    ///
    /// # Panics
    ///
    /// If a code is not one of a region: see [`Region`](presence_core::Region).
    pub fn new(app: impl App, regions: &[&str]) -> Self {
        let site = PageRequest::get("/").site.clone();
        let (network, pages) = (TestNetwork::new(regions), BTreeMap::new());
        let mut world = Self { app: Box::new(app), site, network, pages, visitors: 0, answer: None };
        // Long enough that no user is taken for one who comes back from elsewhere.
        world.pass(Duration::from_secs(6));
        world
    }

    /// A visitor who has not been here yet.
    pub fn visitor(&mut self) -> TestVisitor {
        self.visitors += 1;
        TestVisitor { user: UserId(sha256(&self.visitors.to_be_bytes())), signed: None }
    }

    /// A visitor who has signed in. The same id is the same user.
    pub fn signed_in(&self, user: SignedUser) -> TestVisitor {
        TestVisitor { user: UserId(sha256(user.id.as_bytes())), signed: Some(Arc::new(user)) }
    }

    /// What the app answers to a visitor's request: see [`App::route`].
    pub fn route(&self, visitor: &TestVisitor, address: &str) -> Route {
        let PageAddress { path, query } = PageAddress::of(address);
        let signed = visitor.signed.as_deref();
        self.app.route(&PageRequest { site: &self.site, path, query: &query, headers: &[], signed })
    }

    /// Opens the page at this address, a path with or without a query, and waits until it is live.
    ///
    /// # Panics
    ///
    /// If there is no such region, or the app shows the visitor no page there.
    pub fn open(&mut self, visitor: &TestVisitor, region: &str, address: &str) -> TestPage {
        let region = self.network.region(region);
        let room = match self.route(visitor, address) {
            Route::Page(room) => normalised(room).expect("the app names a room"),
            other => panic!("{address} is no page for this visitor, but {other:?}"),
        };
        let page = TestPage(self.pages.last_key_value().map_or(1, |(last, _)| last.0 + 1));
        let html = self.draw_page(region, &room, visitor, address);
        let (elements, user) = (BTreeMap::new(), visitor.user);
        self.pages.insert(page, OpenPage { region, room: room.clone(), visitor: visitor.clone(), html, elements });
        let connection = ConnectionId(page.0);
        let tab = Tab { related: Some(self.app.related(&room)), ..Tab::page() };
        self.give(region, Input::Served { room: room.clone(), user });
        self.give(region, Input::Listened { connection, subscription: USER, room: room.clone(), user });
        self.give(region, Input::Joined { connection, subscription: ROOM, room, user, tab });
        self.pass(SETTLED);
        page
    }

    /// Clicks on a page, and waits until all regions have seen it. The click's target, attributes and form count; who clicks,
    /// where and when is the page's.
    ///
    /// # Errors
    ///
    /// Why the click wrote nothing.
    ///
    /// # Panics
    ///
    /// If the page is closed.
    pub fn click(&mut self, page: TestPage, click: Click) -> Result<(), ReflexError> {
        let OpenPage { region, room, visitor, .. } = self.opened(page);
        let (region, room, user, signed) = (*region, room.clone(), visitor.user, visitor.signed.clone());
        let (public, now_ms) = (user.public(&room, sha256), self.network.now_ms());
        let click = Click { user, public, region: self.network.code(region).clone(), now_ms, signed, ..click };
        let writes = click.asked_of(&*self.app, &self.network.view(region, &room));
        let connection = ConnectionId(page.0);
        self.answer = None;
        self.give(
            region,
            Input::Clicked { connection, subscription: CLICKS, room, user, echo: String::new(), writes, trace: None },
        );
        let answer = self.answer.take().expect("a node answers every click at once");
        self.pass(SETTLED);
        match answer {
            Outcome::Done | Outcome::Halted => Ok(()),
            Outcome::Failed(error) => Err(error),
        }
    }

    /// The page as it was served, before any script ran.
    ///
    /// # Panics
    ///
    /// If the page is closed.
    pub fn first_bytes(&self, page: TestPage) -> &str {
        &self.opened(page).html
    }

    /// The element of a fragment as the page shows it now, in HTML.
    ///
    /// # Panics
    ///
    /// If the page is closed, or no fragment of this id was drawn on it.
    pub fn element(&self, page: TestPage, id: &str) -> &str {
        self.opened(page).element(id)
    }

    /// The text of that element: without tags, and with one space where there are several.
    ///
    /// # Panics
    ///
    /// As [`TestWorld::element`].
    pub fn text(&self, page: TestPage, id: &str) -> String {
        let html = self.element(page, id);
        let without_tags = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
        without_tags.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The room of a page as its region sees it.
    ///
    /// # Panics
    ///
    /// If the page is closed.
    pub fn view(&self, page: TestPage) -> Arc<RoomView> {
        let OpenPage { region, room, .. } = self.opened(page);
        self.network.view(*region, room)
    }

    /// What the app reports of the page's room, as its region sees it: see [`App::reports`].
    ///
    /// # Panics
    ///
    /// If the page is closed.
    pub fn reports(&self, page: TestPage) -> Vec<Report> {
        self.app.reports(&self.view(page))
    }

    /// Closes a page. Its visitor is counted for some seconds more, as after a reload.
    pub fn close(&mut self, page: TestPage) {
        if let Some(OpenPage { region, .. }) = self.pages.remove(&page) {
            self.give(region, Input::Disconnected { connection: ConnectionId(page.0), ended: Ended::Closed });
        }
    }

    /// Lets time pass, in all regions.
    pub fn pass(&mut self, time: Duration) {
        let end = self.network.end(time);
        while let Some((region, output)) = self.network.next(end) {
            self.carry_out(region, output);
        }
    }

    /// Cuts two regions off from each other, until they are [joined](TestWorld::join) again.
    ///
    /// # Panics
    ///
    /// If there are no such regions.
    pub fn cut(&mut self, one: &str, other: &str) {
        self.network.cut(one, other);
    }

    /// Joins two regions again. They need some seconds to learn what they missed.
    ///
    /// # Panics
    ///
    /// If there are no such regions.
    pub fn join(&mut self, one: &str, other: &str) {
        self.network.join(one, other);
    }

    fn opened(&self, page: TestPage) -> &OpenPage {
        self.pages.get(&page).expect("the page is open")
    }

    /// Gives a node an input, and carries out at once what it orders.
    fn give(&mut self, region: usize, input: Input) {
        for (region, output) in self.network.give(region, input) {
            self.carry_out(region, output);
        }
    }

    fn carry_out(&mut self, region: usize, output: Ordered) {
        match output {
            Ordered::Draw(drawing) => {
                drawing.each(|one| one.by(&*self.app).iter().for_each(|drawn| self.show(region, drawn)));
                let told = Input::of_own(&drawing, || drawing.redraws_own(&*self.app));
                told.into_iter().for_each(|input| self.give(region, input));
            }
            Ordered::Answer(outcome) => self.answer = Some(outcome),
        }
    }

    fn show(&mut self, region: usize, drawn: &Drawn) {
        for (number, page) in self.pages.iter_mut().filter(|(_, page)| page.region == region) {
            if page.sees(*number, &drawn.to) {
                page.show(&drawn.fragments);
            }
        }
    }
}

impl std::fmt::Debug for TestWorld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestWorld").field("pages", &self.pages.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
