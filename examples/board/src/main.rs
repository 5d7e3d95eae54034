//! A board: cards in three columns, which everyone adds, edits, moves and deletes at the same time.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Duration;

use askama::Template;
use presence_server::{App, Asset, Change, Click, Fragment, PublicId, Refusal, RoomView, Site, Visit, Write};

static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::new("board.css", include_bytes!("../templates/board.css")));

const COLUMNS: [&str; 3] = ["To do", "Doing", "Done"];
const TEXT_BYTES_MAX: usize = 200;
/// Someone who is changing a text is shown for at most this long.
const EDITED_FOR: Duration = Duration::from_secs(10 * 60);

/// Id, column and text of each card, the oldest first. They are in two maps, so that of two people in two regions one can move a
/// card while the other edits it. A card that lacks one of them was deleted meanwhile.
fn cards(view: &RoomView) -> Vec<(&str, usize, String)> {
    let columns: BTreeMap<&str, usize> = view.map("columns").collect();
    view.map("texts").filter_map(|(id, text)| Some((id, *columns.get(id)?, text))).collect()
}

fn text(sent: Option<&str>) -> Result<&str, Refusal> {
    let text = sent.map(str::trim).filter(|text| (1..=TEXT_BYTES_MAX).contains(&text.len()));
    text.ok_or_else(|| Refusal::Because(format!("A card has a text of at most {TEXT_BYTES_MAX} bytes.")))
}

/// The whole page; its block `board` is what all changes redraw, and `form` what the user's own do: others do not disturb it.
#[derive(Template)]
#[template(path = "page.html", blocks = ["board", "form"])]
struct Page<'a> {
    visit: Option<&'a Visit<'a>>,
    cards: Vec<(&'a str, usize, String)>,
    /// Cards whose text someone is changing.
    edited: Vec<String>,
    /// The card whose text the user is changing, and the last one that they have added: with others their form is a new one.
    own: (String, &'a str),
}

impl<'a> Page<'a> {
    fn of(view: &'a RoomView, visit: Option<&'a Visit<'a>>, user: Option<PublicId>) -> Self {
        let cards = cards(view);
        let own = user.map_or_else(String::new, |user| user.short());
        let added = cards.iter().rev().map(|(id, ..)| *id).find(|id| id.ends_with(&own)).unwrap_or_default();
        let edited: BTreeMap<&str, String> = view.map("editing").collect();
        let editing = edited.get(&*own).cloned().unwrap_or_default();
        Self { visit, cards, edited: edited.into_values().collect(), own: (editing, added) }
    }

    fn is_edited(&self, card: &str) -> bool {
        self.edited.iter().any(|edited| edited == card)
    }

    /// The text of the card that the user is changing.
    fn text(&self) -> Option<&str> {
        self.cards.iter().find(|(id, ..)| *id == self.own.0).map(|(.., text)| &**text)
    }
}

struct Board;

impl App for Board {
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        Page::of(view, Some(visit), Some(visit.user)).to_string()
    }

    fn reflex(&self, click: &Click, view: &RoomView) -> Result<Vec<Write>, Refusal> {
        let (attribute, me) = (|name| click.attributes.get(name).map(String::as_str), click.public.short());
        let is_known = |id: &str| cards(view).iter().any(|(known, ..)| *known == id);
        if click.target == "Card#save" {
            let text = text(click.form.get("text"))?;
            if let Some(id) = click.form.get("card").filter(|id| is_known(id)) {
                return Ok(vec![Write::put("texts", id.to_owned(), &text)?, Write::remove_entry("editing", me)]);
            }
            let id = format!("{:013}-{me}", click.now_ms);
            return Ok(vec![Write::put("texts", id.clone(), &text)?, Write::put("columns", id, &0)?]);
        }
        let id = attribute("data-card").ok_or(Refusal::Unknown)?.to_owned();
        if !is_known(&id) {
            return Err(Refusal::Because("Someone has deleted this card.".to_owned()));
        }
        match click.target.as_str() {
            "Card#edit" => Ok(vec![Write::put("editing", me, &id)?.lasting(EDITED_FOR)]),
            "Card#move" => {
                let column = attribute("data-column").and_then(|column| column.parse::<usize>().ok());
                let column = column.filter(|column| *column < COLUMNS.len()).ok_or(Refusal::Unknown)?;
                Ok(vec![Write::put("columns", id, &column)?])
            }
            "Card#delete" => Ok(vec![Write::remove_entry("texts", id.clone()), Write::remove_entry("columns", id)]),
            _ => Err(Refusal::Unknown),
        }
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        match change {
            Change::You { user } => vec![Fragment::new("form", Page::of(view, None, Some(*user)).as_form())],
            Change::Everything | Change::Mapped { .. } => {
                vec![Fragment::new("board", Page::of(view, None, None).as_board())]
            }
            _ => Vec::new(),
        }
    }
}

fn main() -> ExitCode {
    presence_server::run(Board, Site { assets: vec![STYLE.clone()], ..Site::new("board") })
}

#[cfg(test)]
mod tests;
