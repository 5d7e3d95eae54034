//! Shared cursors: everybody's pointer on everybody's page. Where it is, is shown and never kept.

use std::process::ExitCode;
use std::sync::LazyLock;

use askama::Template;
use presence_server::{App, Asset, Change, Click, Fragment, Refusal, RoomView, Site, Visit, Write};

static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::new("cursors.css", include_bytes!("../templates/cursors.css")));
static POINTER: LazyLock<Asset> = LazyLock::new(|| Asset::new("pointer.js", include_bytes!("../templates/pointer.js")));

/// The field is so wide and so high, on whatever screen.
const FIELD: (u16, u16) = (1_600, 900);
/// More would be no picture any more.
const CURSORS_MAX: usize = 100;

struct Cursor {
    user: String,
    colour: u8,
    x: u16,
    y: u16,
}

/// The whole page; its block `cursors` is what changes redraw.
#[derive(Template)]
#[template(path = "page.html", blocks = ["cursors"])]
struct Page<'a> {
    visit: Option<&'a Visit<'a>>,
    cursors: Vec<Cursor>,
    here: u32,
}

impl<'a> Page<'a> {
    fn of(view: &RoomView, visit: Option<&'a Visit<'a>>) -> Self {
        let shown = view.shared.get("cursor").into_iter().flatten();
        let cursors = shown.filter_map(|(user, value)| {
            let (x, y) = position(std::str::from_utf8(value).ok()?)?;
            Some(Cursor { user: user.short(), colour: user.0[0] % 8, x, y })
        });
        Self { visit, cursors: cursors.take(CURSORS_MAX).collect(), here: view.users }
    }
}

/// `"800 450"`, where that is on the field.
fn position(text: &str) -> Option<(u16, u16)> {
    let (x, y) = text.split_once(' ')?;
    let (x, y) = (x.parse().ok()?, y.parse().ok()?);
    (x <= FIELD.0 && y <= FIELD.1).then_some((x, y))
}

struct Cursors;

impl App for Cursors {
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        Page::of(view, Some(visit)).to_string()
    }

    fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        let value = match (click.target.as_str(), click.attributes.get("data-at")) {
            ("Cursor#move", Some(at)) if position(at).is_some() => at.as_bytes().to_vec(),
            ("Cursor#leave", _) => Vec::new(),
            _ => return Err(Refusal::Unknown),
        };
        Ok(vec![Write::share("cursor", value)])
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        match change {
            Change::Everything | Change::Counts | Change::Shared(_) => {
                vec![Fragment::new("cursors", Page::of(view, None).as_cursors())]
            }
            _ => Vec::new(),
        }
    }
}

fn main() -> ExitCode {
    presence_server::run(Cursors, Site { assets: vec![STYLE.clone(), POINTER.clone()], ..Site::new("cursors") })
}
