//! A counter of hands: each visitor may raise one, and everyone sees how many are up, in all regions.

use std::process::ExitCode;
use std::sync::LazyLock;

use askama::Template;
use presence_server::{App, Asset, Change, Click, Fragment, PublicId, Refusal, RoomView, Site, Visit, Write};

static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::new("style.css", include_bytes!("../templates/style.css")));

/// The whole page; its blocks `hands` and `mine` are what changes redraw.
#[derive(Template)]
#[template(path = "page.html", blocks = ["hands", "mine"])]
struct Page<'a> {
    visit: Option<&'a Visit<'a>>,
    hands: usize,
    here: u32,
    up: bool,
}

impl<'a> Page<'a> {
    fn of(view: &RoomView, visit: Option<&'a Visit<'a>>, user: Option<PublicId>) -> Self {
        let last = view.newest_of_each("hands");
        Self {
            visit,
            hands: last.values().filter(|entry| entry.value == b"up").count(),
            here: view.users.max(1),
            up: user.and_then(|user| last.get(&user)).is_some_and(|entry| entry.value == b"up"),
        }
    }
}

/// The app.
struct Hands;

impl App for Hands {
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        Page::of(view, Some(visit), Some(visit.user)).to_string()
    }

    fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        let hand = click.target.strip_prefix("Hand#").filter(|hand| ["up", "down"].contains(hand));
        Ok(vec![Write::append_bytes("hands", hand.ok_or(Refusal::Unknown)?, 1_000)])
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        match change {
            Change::You { user } => vec![Fragment::new("mine", Page::of(view, None, Some(*user)).as_mine())],
            Change::Everything | Change::Counts | Change::Logged(_) => {
                vec![Fragment::new("hands", Page::of(view, None, None).as_hands())]
            }
            _ => Vec::new(),
        }
    }
}

fn main() -> ExitCode {
    let robots = Asset::at("/robots.txt", b"User-agent: *\nAllow: /\n");
    presence_server::run(Hands, Site { assets: vec![STYLE.clone(), robots], ..Site::new("starter") })
}

#[cfg(test)]
mod tests {
    use presence_server::testing::TestWorld;

    use super::*;

    #[test]
    fn a_hand_in_one_region_is_seen_in_the_other() {
        let mut world = TestWorld::new(Hands, &["ams", "iad"]);
        let (ann, bob) = (world.visitor(), world.visitor());
        let (here, there) = (world.open(&ann, "ams", "/"), world.open(&bob, "iad", "/"));
        world.click(here, Click::on("Hand#up")).expect("a hand can be raised");
        assert_eq!(world.text(there, "hands"), "1 of 2 hands up");
        assert!(world.text(here, "mine").contains("Take it down"));
        assert!(world.text(there, "mine").contains("Raise"));
        world.click(here, Click::on("Hand#wave")).expect_err("hands can't wave");
    }
}
