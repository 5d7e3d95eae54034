//! The load of the benchmarks: opens connections by the thousand, makes a server work, and prints what that cost it, one
//! line of JSON for each measurement.

mod args;
mod crowd;
mod deliveries;
mod frame;
mod http;
mod mark;
mod member;
mod page;
mod process;
mod protocol;
mod publisher;
mod scenario;
mod statistics;

use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::args::Args;

fn main() -> ExitCode {
    // As many connections as this process may have at all.
    let most = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
    match scenario::run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
