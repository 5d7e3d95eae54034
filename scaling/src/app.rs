//! The app of the simulation: the number of users, and a lamp to click.

use presence_core::{App, Change, Click, Fragment, Refusal, RoomView, Visit, Write};
use sha2::{Digest as _, Sha256};

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(crate) struct CounterApp;

impl App for CounterApp {
    fn page(&self, _: &RoomView, _: &Visit<'_>) -> String {
        String::new()
    }

    /// The workload says itself what its clicks mean.
    fn reflex(&self, _: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        Err(Refusal::Unknown)
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        match change {
            Change::Everything => vec![count(view), lamp(view)],
            Change::Counts => vec![count(view)],
            Change::Set(_) => vec![lamp(view)],
            _ => Vec::new(),
        }
    }
}

fn count(view: &RoomView) -> Fragment {
    Fragment::new("here", format!(r#"<b id="here">{} people are looking at this</b>"#, view.users))
}

fn lamp(view: &RoomView) -> Fragment {
    let by = view.registers.get("lamp").map_or_else(|| "no one".to_owned(), |entry| entry.author.public.short());
    Fragment::new("lamp", format!(r#"<b id="lamp">{by}</b>"#))
}
