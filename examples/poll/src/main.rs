//! A live poll: everybody has one vote, may change their mind, and sees the bars move wherever somebody votes.

use std::process::ExitCode;
use std::sync::LazyLock;

use askama::Template;
use presence_server::{App, Asset, Change, Click, Fragment, PublicId, Refusal, RoomView, Site, Visit, Write};

static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::new("poll.css", include_bytes!("../templates/poll.css")));

const CHOICES: [&str; 4] = ["Tea", "Coffee", "Water", "Whatever is in the cup"];

/// The whole page; its blocks `ballot` and `result` are what changes redraw.
#[derive(Template)]
#[template(path = "page.html", blocks = ["ballot", "result"])]
struct Page<'a> {
    visit: Option<&'a Visit<'a>>,
    mine: Option<&'static str>,
    votes: [(&'static str, usize); CHOICES.len()],
    here: u32,
}

impl<'a> Page<'a> {
    fn of(view: &RoomView, visit: Option<&'a Visit<'a>>, user: Option<PublicId>) -> Self {
        let last = view.newest_of_each("votes");
        let is = |choice: &str, vote: &[u8]| vote == choice.as_bytes();
        let mine = user.and_then(|user| last.get(&user));
        Self {
            visit,
            mine: CHOICES.into_iter().find(|choice| mine.is_some_and(|entry| is(choice, &entry.value))),
            votes: CHOICES.map(|choice| (choice, last.values().filter(|entry| is(choice, &entry.value)).count())),
            here: view.users,
        }
    }

    fn all(&self) -> usize {
        self.votes.iter().map(|(_, votes)| votes).sum()
    }
}

struct Poll;

impl App for Poll {
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        Page::of(view, Some(visit), Some(visit.user)).to_string()
    }

    fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        let chosen = click.attributes.get("value").filter(|_| click.target == "Poll#vote").ok_or(Refusal::Unknown)?;
        let choice = CHOICES.into_iter().find(|choice| choice == chosen).ok_or(Refusal::Unknown)?;
        Ok(vec![Write::append_bytes("votes", choice, 1_000)])
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        let page = |user| Page::of(view, None, user);
        match change {
            Change::You { user } => vec![Fragment::new("ballot", page(Some(*user)).as_ballot())],
            Change::Everything | Change::Counts | Change::Logged(_) => {
                vec![Fragment::new("result", page(None).as_result())]
            }
            _ => Vec::new(),
        }
    }
}

fn main() -> ExitCode {
    presence_server::run(Poll, Site { assets: vec![STYLE.clone()], ..Site::new("poll") })
}
