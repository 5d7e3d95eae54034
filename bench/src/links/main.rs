//! Links between nodes without the nodes: one bare mesh that says what it measures, a lossy network, and an attacker.

mod args;
mod heard;
mod initial;
mod knock;
mod node;
mod own;
#[path = "../load/process.rs"]
mod process;
mod publishing;
mod random;
mod relay;

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::mpsc;

use crate::args::{Args, Command};

/// The allocator of the program that ships.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let most = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    // One thread, so that measuring costs as little as it can; the mesh brings what it needs itself.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match args.command {
            Command::Node(args) => node::run(args).await,
            Command::Relay(args) => relay::run(&args).await,
            Command::Knock(args) => knock::run(&args).await,
        }
    })
}

/// Prints one line of JSON.
fn say(line: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    // Nobody reads it any longer: then standard input ends too, and this program with it.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Nanoseconds since 1970: the one clock that all processes of a machine share.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The same in milliseconds, as the scripts have it.
fn now_ms() -> f64 {
    now_ns() as f64 / 1e6
}

/// The lines of standard input.
fn lines() -> mpsc::Receiver<String> {
    let (orders_tx, orders) = mpsc::channel(64);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if orders_tx.blocking_send(line).is_err() {
                return;
            }
        }
    });
    orders
}
