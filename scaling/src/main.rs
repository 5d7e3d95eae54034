//! Measures what a node costs, in virtual time and without sockets, and where it breaks.
//!
//! Start at [`trace`]: the peers of a run are real nodes that run one after another and leave traces; then one more node,
//! the observed one, receives all traces at once, as it would in a mesh. [`recorder`] counts what it sends, receives, does and
//! holds; [`cost_model`] fits constants to these counts; [`document`] writes docs/scaling.md.

mod app;
mod cost_model;
mod cpu;
mod document;
mod grid;
mod idle;
mod limits;
mod message_sizes;
mod metrics;
mod partial_interest;
mod plots;
mod random;
mod rates;
mod recorder;
mod regression;
mod replay;
mod runs;
mod scenario;
mod simulated_mesh;
mod simulated_node;
mod tables;
#[cfg(test)]
mod tests;
mod trace;
mod trace_file;
mod visitors;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::recorder::Recorder;
use crate::scenario::{RoomDistribution, Scenario};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures what a node costs, in a simulation
#[derive(Parser)]
struct ScalingArgs {
    #[command(subcommand)]
    command: ScalingCommand,
}

#[derive(Subcommand)]
enum ScalingCommand {
    /// Writes the traces that the observed node of a run receives
    Trace(RunArgs),
    /// Runs the observed node on these traces and prints what was counted
    Observe(RunArgs),
    /// Prints what each node of a mesh without visitors costs, a row for each number of nodes
    Idle {
        #[arg(long, value_delimiter = ',', default_value = "6,32,64,100,160,255")]
        nodes: Vec<usize>,
    },
    /// Runs all scenarios, each in a process of its own
    Grid {
        /// Also runs those that take gigabytes and many minutes
        #[arg(long)]
        large: bool,
        /// File of the results; those of other scenarios stay in it
        #[arg(long, default_value = "docs/scaling/runs.jsonl")]
        runs: PathBuf,
    },
    /// Writes the tables from the results, and prints the plots as JSON
    Draw {
        /// File of the results
        #[arg(long, default_value = "docs/scaling/runs.jsonl")]
        runs: PathBuf,
        /// The document with a place for each table
        #[arg(long, default_value = "docs/scaling.md")]
        document: PathBuf,
    },
}

#[derive(clap::Args)]
struct RunArgs {
    #[arg(long, default_value_t = 12)]
    nodes: usize,
    #[arg(long, default_value_t = 100_000)]
    visitors: u64,
    /// one, equal:N, zipf or each
    #[arg(long, default_value = "equal:1000")]
    rooms: RoomDistribution,
    #[arg(long, default_value_t = 1_000)]
    joins: u64,
    #[arg(long, default_value_t = 10)]
    clicks: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the traces
    #[arg(long)]
    folder: PathBuf,
}

impl RunArgs {
    fn scenario(&self) -> Scenario {
        let Self { nodes, visitors, rooms: shape, joins, clicks, seed, .. } = *self;
        Scenario { nodes, visitors, shape, joins, clicks, seed }
    }
}

fn main() -> anyhow::Result<()> {
    match ScalingArgs::parse().command {
        ScalingCommand::Trace(run) => {
            std::fs::create_dir_all(&run.folder)?;
            trace::write(&run.scenario(), &run.folder)?;
        }
        ScalingCommand::Observe(run) => {
            let scenario = run.scenario();
            let mut recorder = Recorder::new(scenario);
            trace::observed(&scenario, &run.folder)?.run(&mut recorder);
            println!("{}", serde_json::to_string(&recorder.finish())?);
        }
        ScalingCommand::Idle { nodes } => nodes.into_iter().for_each(|nodes| println!("{}", idle::row(nodes))),
        ScalingCommand::Grid { large, runs } => runs::run_all(&grid::grid(large), &runs)?,
        ScalingCommand::Draw { runs, document } => println!("{}", document::draw(&runs, &document)?),
    }
    Ok(())
}
