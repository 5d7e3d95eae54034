//! The load of the benchmarks: opens thousands of connections, makes a server work, and prints the cost, one line of JSON
//! for each measurement.

mod args;
mod client;
mod connections;
mod deliveries;
mod http;
mod page;
mod protocol;
mod publisher;
mod scenario;
mod timestamp;

use std::process::ExitCode;

use clap::Parser;

use crate::args::LoadArgs;

fn main() -> ExitCode {
    presence_bench::process::run(|| scenario::run(&LoadArgs::parse()))
}
