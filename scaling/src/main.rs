//! The command `scaling`; without it nobody could run the model.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use presence_scaling::grid;
use presence_scaling::meter::Meter;
use presence_scaling::page;
use presence_scaling::record;
use presence_scaling::runs;
use presence_scaling::scenario::{Scenario, Shape};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a node costs, simulated.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Records what the observed node of a run will hear.
    Record(One),
    /// Lets it hear that, and prints what was counted.
    Observe(One),
    /// Runs all scenarios, each in a process of its own.
    Grid {
        /// Also those that take gigabytes and many minutes.
        #[arg(long)]
        large: bool,
        /// Where the runs are kept: what was found of other scenarios before stays there.
        #[arg(long, default_value = "docs/scaling/runs.jsonl")]
        runs: PathBuf,
    },
    /// Draws plots and tables from the runs that are kept.
    Draw {
        /// Where the runs are kept.
        #[arg(long, default_value = "docs/scaling/runs.jsonl")]
        runs: PathBuf,
        /// The document with places for tables; plots go into the folder of its name.
        #[arg(long, default_value = "docs/scaling.md")]
        document: PathBuf,
    },
}

/// One run.
#[derive(clap::Args)]
struct One {
    #[arg(long, default_value_t = 12)]
    nodes: usize,
    #[arg(long, default_value_t = 100_000)]
    visitors: u64,
    /// one, equal:N, zipf or each
    #[arg(long, default_value = "equal:1000")]
    rooms: Shape,
    #[arg(long, default_value_t = 1_000)]
    joins: u64,
    #[arg(long, default_value_t = 10)]
    clicks: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where recordings are.
    #[arg(long)]
    folder: PathBuf,
}

impl One {
    fn scenario(&self) -> Scenario {
        let Self { nodes, visitors, rooms: shape, joins, clicks, seed, .. } = *self;
        Scenario { nodes, visitors, shape, joins, clicks, seed }
    }
}

fn main() -> anyhow::Result<()> {
    match Options::parse().command {
        Command::Record(one) => {
            std::fs::create_dir_all(&one.folder)?;
            record::record(&one.scenario(), &one.folder)?;
        }
        Command::Observe(one) => {
            let scenario = one.scenario();
            let mut meter = Meter::new(scenario);
            record::observed(&scenario, &one.folder)?.run(&mut meter);
            println!("{}", serde_json::to_string(&meter.found())?);
        }
        Command::Grid { large, runs } => runs::run_all(&grid::grid(large), &runs)?,
        Command::Draw { runs, document } => page::draw(&runs, &document)?,
    }
    Ok(())
}
