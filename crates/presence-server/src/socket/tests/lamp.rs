//! The app of a hub's tests.

use presence_core::{App, Change, Click, Fragment, Refusal, RoomView, Visit, Write};

/// An app with a lamp that is switched on.
pub(super) struct Lamp;

impl App for Lamp {
    fn page(&self, _: &RoomView, _: &Visit<'_>) -> String {
        String::new()
    }

    fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        (click.target == "Lamp#set").then(|| vec![lamp_on()]).ok_or(Refusal::Unknown)
    }

    fn render(&self, _: &Change, _: &RoomView) -> Vec<Fragment> {
        Vec::new()
    }
}

/// What `Lamp#set` writes.
pub(super) fn lamp_on() -> Write {
    Write::set_bytes("lamp", "on")
}
