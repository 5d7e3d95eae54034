//! Applause: how often people have clapped, in all regions together.

use askama::Template;
use presence_core::{Change, Click, Fragment, Refusal, RoomView, Visit, Write};

use crate::feature::{Feature, fragment, html};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { section, reflex, render };

/// The counter's name.
const KEY: &str = "applause";

fn section(view: &RoomView, _: &Visit<'_>) -> String {
    html(&SectionHtml { applause: ApplauseHtml::of(view) })
}

fn reflex(click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
    match click.target.as_str() {
        "Applause#clap" => Ok(vec![Write::add(KEY, 1)]),
        _ => Err(Refusal::Unknown),
    }
}

fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
    match change {
        Change::Everything => vec![fragment("applause", &ApplauseHtml::of(view))],
        Change::Counted(key) if key == KEY => vec![fragment("applause", &ApplauseHtml::of(view))],
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
#[template(ext = "html", source = r#"<p id="applause">Clapped {{ claps }} times</p>"#)]
struct ApplauseHtml {
    claps: i64,
}

impl ApplauseHtml {
    fn of(view: &RoomView) -> Self {
        Self { claps: view.count(KEY) }
    }
}
