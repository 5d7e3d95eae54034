//! An app with bugs, for the test of alerts: while the folder `FAULTS` has a file `panics`, its page panics, and while it has a
//! file `hangs`, its page does not return.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use presence_server::{App, Change, Click, Fragment, Refusal, RoomView, Site, Visit, Write};

struct Faulty {
    faults: PathBuf,
}

impl App for Faulty {
    fn page(&self, _: &RoomView, _: &Visit<'_>) -> String {
        assert!(!self.faults.join("panics").exists(), "this app panics while there is such a file");
        while self.faults.join("hangs").exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        "<!doctype html><title>It works</title>".to_owned()
    }

    fn reflex(&self, _: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        Err(Refusal::Unknown)
    }

    fn render(&self, _: &Change, _: &RoomView) -> Vec<Fragment> {
        Vec::new()
    }
}

fn main() -> ExitCode {
    let faults = std::env::var_os("FAULTS").unwrap_or_default().into();
    presence_server::run(Faulty { faults }, Site::new("faulty"))
}
