//! The binary: parses the command line, builds a node around the demo, runs it.

mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use presence_demo::Demo;
use presence_server::{Config, Server, log, one_line};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Shows who is looking at a page right now, everywhere in the world, and lets all of them act on it together.
#[derive(Parser)]
#[command(name = "global-presence", version, args_conflicts_with_subcommands = true)]
struct Command {
    #[command(flatten)]
    node: Config,

    #[command(subcommand)]
    many: Option<Many>,
}

#[derive(Subcommand)]
enum Many {
    World(world::World),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) if error.use_stderr() => return mistake(&one_line(&error)),
        Err(help) => help.exit(),
    };
    let ended = match command.many {
        Some(Many::World(world)) => world.run().await,
        None => run(command.node).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => mistake(&format!("{error:#}")),
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    log(&config)?;
    Server::new(config, Demo, presence_demo::site()).run().await
}

/// One line that says what to write instead.
fn mistake(sentence: &str) -> ExitCode {
    eprintln!("global-presence: {sentence}");
    ExitCode::FAILURE
}
