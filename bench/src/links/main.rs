//! Links between nodes without the nodes: one bare mesh that reports what it measures, a lossy network, and an attacker.

mod args;
mod attack;
mod cost;
mod initial_packet;
mod node;
mod received;
mod relay;

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use tokio::sync::mpsc;

use crate::args::{LinksArgs, LinksCommand};

/// The allocator of the program that ships.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    presence_bench::process::run(|| run(LinksArgs::parse()))
}

fn run(args: LinksArgs) -> anyhow::Result<()> {
    // One thread, as in a node, where the driver shares the mesh's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match args.command {
            LinksCommand::Node(args) => node::run(args).await,
            LinksCommand::Relay(args) => relay::run(&args).await,
            LinksCommand::Attack(args) => attack::run(&args).await,
        }
    })
}

/// Prints one line of JSON.
fn print(line: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    // If the reader is gone, standard input ends too, and this program with it.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Nanoseconds since 1970, on the clock that all processes of a machine share.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970.
fn now_ms() -> f64 {
    now_ns() as f64 / 1e6
}

/// Reads the lines of standard input.
fn lines() -> mpsc::Receiver<String> {
    let (lines_tx, lines) = mpsc::channel(64);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines_tx.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
