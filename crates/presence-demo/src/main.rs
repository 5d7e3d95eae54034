//! The binary: parses the command line, builds a node around the demo, runs it.

use std::process::ExitCode;

use clap::Parser;
use presence_demo::Demo;
use presence_server::{Config, Server, log, one_line};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Shows who is looking at a page right now, everywhere in the world, and lets all of them act on it together.
#[derive(Parser)]
#[command(name = "global-presence", version)]
struct Command {
    #[command(flatten)]
    node: Config,
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) if error.use_stderr() => return mistake(&one_line(&error)),
        Err(help) => help.exit(),
    };
    match run(command.node).await {
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
