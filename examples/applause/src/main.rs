//! Applause: everybody claps as often as they like, and each clap counts once. Who claps is in a set.

use std::process::ExitCode;
use std::sync::LazyLock;

use askama::Template;
use presence_server::{App, Asset, Change, Click, Fragment, PublicId, Refusal, RoomView, Site, Visit, Write};

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("applause.css", include_bytes!("../templates/applause.css")));

/// The whole page; its blocks `sum` and `own` are what changes redraw.
#[derive(Template)]
#[template(path = "page.html", blocks = ["sum", "own"])]
struct Page<'a> {
    visit: Option<&'a Visit<'a>>,
    claps: i64,
    people: usize,
    clapped: bool,
}

impl<'a> Page<'a> {
    fn of(view: &RoomView, visit: Option<&'a Visit<'a>>, user: Option<PublicId>) -> Self {
        let clapped = user.is_some_and(|user| view.is_in("people", user));
        Self { visit, claps: view.count("claps"), people: view.size("people"), clapped }
    }
}

struct Applause;

impl App for Applause {
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        Page::of(view, Some(visit), Some(visit.user)).to_string()
    }

    fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        match click.target.as_str() {
            // Both are carried out, or neither.
            "Applause#clap" => Ok(vec![Write::add("claps", 1), Write::join("people")]),
            "Applause#clear" => Ok(vec![Write::remove("claps"), Write::remove("people")]),
            _ => Err(Refusal::Unknown),
        }
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        match change {
            Change::Everything | Change::Counted(_) | Change::Membered(_) => {
                vec![Fragment::new("sum", Page::of(view, None, None).as_sum())]
            }
            Change::You { user } => vec![Fragment::new("own", Page::of(view, None, Some(*user)).as_own())],
            _ => Vec::new(),
        }
    }
}

fn main() -> ExitCode {
    presence_server::run(Applause, Site { assets: vec![STYLE.clone()], ..Site::new("applause") })
}
