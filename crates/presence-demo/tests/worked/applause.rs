//! Applause: how many people have clapped, in all regions together.

use askama::Template;
use presence_core::{Change, Fragment, ReflexCall, Refusal, RoomView, Visit, Write};

use crate::feature::{Feature, fragment, html};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { section, reflex, render };

/// The log's name: an entry a clap. Never a number that is added to: two regions would lose one another's claps.
const KEY: &str = "applause";

fn section(view: &RoomView, _: &Visit<'_>) -> String {
    html(&SectionHtml { applause: ApplauseHtml::of(view) })
}

fn reflex(call: &ReflexCall, _: &RoomView) -> Result<Vec<Write>, Refusal> {
    match call.target.as_str() {
        "Applause#clap" => Ok(vec![Write::Append { key: KEY, value: Vec::new(), cap: 1_000, lasts_ms: None }]),
        _ => Err(Refusal::Unknown),
    }
}

fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
    match change {
        Change::Everything => vec![fragment("applause", &ApplauseHtml::of(view))],
        Change::Logged(key) if key == KEY => vec![fragment("applause", &ApplauseHtml::of(view))],
        _ => Vec::new(),
    }
}

/// The section around it, which never changes.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<section aria-labelledby="applause-title"><h2 id="applause-title">Applause</h2>
<p><button type="button" class="wave" data-reflex="click->Applause#clap">👏 Clap</button></p>{{ applause|safe }}</section>"#
)]
struct SectionHtml {
    applause: ApplauseHtml,
}

/// What a clap redraws.
#[derive(Template)]
#[template(ext = "html", source = r#"<p id="applause">{{ people }} have clapped</p>"#)]
struct ApplauseHtml {
    people: usize,
}

impl ApplauseHtml {
    fn of(view: &RoomView) -> Self {
        Self { people: view.newest_of_each(KEY).len() }
    }
}
