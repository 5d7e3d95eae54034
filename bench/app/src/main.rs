//! A room that shows only the number of its users: the cost of a storm of joins without the rest of a page.

use std::process::ExitCode;

use askama::Template;
use presence_server::{App, Change, Click, Fragment, Refusal, RoomView, Site, Visit, Write};

/// The whole page; its block `count` is what changes redraw.
#[derive(Template)]
#[template(path = "page.html", blocks = ["count"])]
struct CounterPage<'a> {
    visit: Option<&'a Visit<'a>>,
    users: u32,
}

struct Counter;

impl App for Counter {
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        CounterPage { visit: Some(visit), users: view.users }.to_string()
    }

    fn reflex(&self, _: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        Err(Refusal::Unknown)
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        match change {
            Change::Everything | Change::Counts => {
                vec![Fragment::new("count", CounterPage { visit: None, users: view.users }.as_count())]
            }
            _ => Vec::new(),
        }
    }
}

fn main() -> ExitCode {
    presence_server::run(Counter, Site::new("counter"))
}
