//! Regions in memory behave as nodes do: what is written in one is seen in all.

use presence_core::{Change, Fragment, Refusal, Visit, Write};

use super::*;

/// A page that shows how many are here, the last word said, and to each visitor their own id. `/private` is for Ann.
struct Board;

impl App for Board {
    fn route(&self, request: &PageRequest<'_>) -> Route {
        match (request.path, request.signed) {
            ("/", _) => Route::Page(request.site.clone()),
            ("/private", Some(user)) if user.id == "ann" => request.site.below(request.path).into(),
            ("/private", Some(_)) => Route::Forbidden,
            ("/private", None) => Route::Redirect("/login".to_owned()),
            _ => Route::NotFound,
        }
    }

    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        let (asked, name) = (visit.query.get("q").unwrap_or_default(), visit.signed.map_or("", |user| &user.id));
        format!("{} here, {} tabs, asked {asked}, signed {name}", view.users, visit.tabs)
    }

    fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        let word = click.form.get("word").ok_or_else(|| Refusal::Because("Say something.".to_owned()))?;
        let name = click.signed.as_ref().map_or("a guest", |user| &user.id);
        let said = format!("{name} in {}: {word}", click.region);
        Ok(vec![Write::set_bytes("said", said)])
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        let said = view.registers.get("said").map_or("".into(), |entry| String::from_utf8_lossy(&entry.value));
        let said = || Fragment::new("said", format!("<p id=\"said\">\n<b>{said}</b>\n</p>"));
        let here = || Fragment::new("here", format!("<p id=\"here\">{}</p>", view.users));
        match change {
            Change::Everything => vec![said(), here()],
            Change::Set(_) => vec![said()],
            Change::Counts => vec![here()],
            Change::You { user } => {
                let said = view.registers.get("said").is_some_and(|entry| entry.author.public == *user);
                vec![Fragment::new("you", user.short()), Fragment::new("mine", said)]
            }
            _ => Vec::new(),
        }
    }

    fn redraws_own(&self, change: &Change) -> bool {
        matches!(change, Change::Everything | Change::Set(_))
    }
}

#[test]
fn a_click_in_one_region_is_seen_in_the_other() {
    let mut world = TestWorld::new(Board, &["ams", "iad"]);
    let (ann, bob) = (world.signed_in(SignedUser::new("ann")), world.visitor());
    let (here, there) = (world.open(&ann, "ams", "/?q=x%20y"), world.open(&bob, "iad", "/"));
    assert_eq!(world.first_bytes(here), "0 here, 0 tabs, asked x y, signed ann");
    assert_eq!(world.first_bytes(there), "1 here, 0 tabs, asked , signed ");
    assert_eq!((world.text(here, "here"), world.text(there, "here")), ("2".to_owned(), "2".to_owned()));
    world.click(here, Click::on("Board#say").field("word", "hello")).unwrap();
    assert_eq!(
        (world.text(here, "said"), world.element(there, "said").contains("<b>")),
        (world.text(there, "said"), true)
    );
    assert_eq!(world.text(there, "said"), "ann in ams: hello");
    let error = world.click(there, Click::on("Board#say")).unwrap_err();
    assert_eq!(error, ReflexError::Refused("Say something.".to_owned()));
    assert_ne!(world.text(here, "you"), world.text(there, "you"));
    assert_eq!(world.view(there).users, 2);
}

#[test]
fn a_visitor_with_two_tabs_is_one_user_and_leaves_with_the_last() {
    let mut world = TestWorld::new(Board, &["ams", "iad"]);
    let (ann, bob) = (world.visitor(), world.visitor());
    let watching = world.open(&bob, "iad", "/");
    let tabs = [world.open(&ann, "ams", "/"), world.open(&ann, "iad", "/")];
    assert_eq!(world.first_bytes(tabs[1]), "2 here, 1 tabs, asked , signed ");
    for (tab, here) in tabs.into_iter().zip(["2", "1"]) {
        world.close(tab);
        world.pass(Duration::from_secs(5));
        assert_eq!(world.text(watching, "here"), here);
    }
}

#[test]
fn what_others_write_is_drawn_for_each_user_in_all_their_tabs() {
    let mut world = TestWorld::new(Board, &["ams", "iad"]);
    let (ann, bob) = (world.visitor(), world.visitor());
    let pages = [(&ann, "ams"), (&ann, "ams"), (&ann, "iad"), (&bob, "iad")];
    let pages = pages.map(|(visitor, region)| world.open(visitor, region, "/"));
    let mine = |world: &TestWorld| pages.map(|page| world.text(page, "mine") == "true");
    assert_eq!(mine(&world), [false; 4]);
    world.click(pages[0], Click::on("Board#say").field("word", "hello")).unwrap();
    assert_eq!(mine(&world), [true, true, true, false]);
    world.click(pages[3], Click::on("Board#say").field("word", "hi")).unwrap();
    assert_eq!(mine(&world), [false, false, false, true], "Ann's pages change by what Bob did elsewhere");
}

#[test]
fn a_region_that_was_cut_off_learns_what_it_missed() {
    let mut world = TestWorld::new(Board, &["ams", "iad", "maa"]);
    let visitor = world.visitor();
    let pages = ["ams", "iad", "maa"].map(|region| world.open(&visitor, region, "/"));
    world.cut("ams", "maa");
    world.cut("iad", "maa");
    world.click(pages[0], Click::on("Board#say").field("word", "early")).unwrap();
    world.pass(Duration::from_secs(20));
    let said = |world: &TestWorld| pages.map(|page| world.text(page, "said"));
    assert_eq!(said(&world), ["a guest in ams: early", "a guest in ams: early", ""]);
    world.join("ams", "maa");
    world.join("iad", "maa");
    world.pass(Duration::from_secs(20));
    assert_eq!(said(&world), ["a guest in ams: early"; 3]);
}

#[test]
fn a_private_page_is_for_its_user() {
    let mut world = TestWorld::new(Board, &["ams"]);
    let ann = world.signed_in(SignedUser::new("ann"));
    let (bob, guest) = (world.signed_in(SignedUser::new("bob")), world.visitor());
    assert_eq!(world.route(&bob, "/private"), Route::Forbidden);
    assert_eq!(world.route(&guest, "/private"), Route::Redirect("/login".to_owned()));
    let page = world.open(&ann, "ams", "/private");
    assert_eq!(world.view(page).room.as_str(), "site/private");
}

/// A list of two rooms, which shows how many are in each and what was said last there. The rooms show the list, too.
struct List;

const ROOMS: [&str; 2] = ["one", "two"];

impl App for List {
    fn route(&self, request: &PageRequest<'_>) -> Route {
        request.site.below(request.path).into()
    }

    fn page(&self, view: &RoomView, _: &Visit<'_>) -> String {
        list(view)
    }

    fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        Ok(vec![Write::set("said", &click.form.get("word"))?])
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        match change {
            Change::Everything | Change::Related(_) => vec![Fragment::new("list", list(view))],
            _ => Vec::new(),
        }
    }

    fn related(&self, room: &Room) -> Vec<Room> {
        match room.as_str().split_once('/') {
            None => ROOMS.into_iter().filter_map(|name| room.below(name)).collect(),
            Some((site, _)) => Room::new(site).into_iter().collect(),
        }
    }
}

fn list(view: &RoomView) -> String {
    let line = |other: &RoomView| {
        let said = other.get::<String>("said").unwrap_or_default();
        format!("{}: {} here, {said}; ", other.room, other.users)
    };
    view.related.values().map(|other| line(other)).collect()
}

#[test]
fn a_list_shows_what_happens_in_other_rooms() {
    let mut world = TestWorld::new(List, &["ams", "iad"]);
    let (ann, bob) = (world.visitor(), world.visitor());
    let one = world.open(&ann, "ams", "/one");
    world.click(one, Click::on("Say#it").field("word", "hello")).unwrap();
    let page = world.open(&bob, "iad", "/");
    assert_eq!(world.first_bytes(page), "site/one: 1 here, hello; ", "also the first page of a node");
    assert_eq!(world.text(page, "list"), "site/one: 1 here, hello;");
    world.open(&bob, "ams", "/two");
    assert_eq!(world.text(page, "list"), "site/one: 1 here, hello; site/two: 1 here, ;");
    world.click(one, Click::on("Say#it").field("word", "bye")).unwrap();
    world.close(one);
    world.pass(Duration::from_secs(20));
    assert_eq!(world.text(page, "list"), "site/one: 0 here, bye; site/two: 1 here, ;");
}

#[test]
fn rooms_that_show_each_other_come_to_rest_and_hold_no_chain_of_old_views() {
    let mut world = TestWorld::new(List, &["ams", "iad"]);
    let (ann, bob) = (world.visitor(), world.visitor());
    let (list, one) = (world.open(&ann, "ams", "/"), world.open(&bob, "ams", "/one"));
    world.click(one, Click::on("Say#it").field("word", "hello")).unwrap();
    assert_eq!(world.text(one, "list"), "site: 1 here, ;");
    let versions = |world: &TestWorld| [list, one].map(|page| world.view(page).version);
    let before = versions(&world);
    world.pass(Duration::from_secs(20));
    let drawn = versions(&world).iter().zip(before).map(|(after, before)| after - before).max();
    assert!(drawn < Some(10), "{drawn:?} views of a quiet room");
    assert!(world.view(list).related.values().all(|other| other.related.is_empty()));
}
