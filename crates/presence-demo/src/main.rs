//! The binary: parses the command line, builds a node around the demo, runs it.

use clap::Parser;
use presence_demo::Demo;
use presence_server::{Config, Server};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Shows who is looking at a page right now, everywhere in the world, and lets all of them act on it together.
#[derive(Parser)]
#[command(name = "global-presence", version)]
struct Command {
    #[command(flatten)]
    config: Config,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let command = Command::parse();
    Server::new(command.config, Demo, presence_demo::site()).run().await
}
