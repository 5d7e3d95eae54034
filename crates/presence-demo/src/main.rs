//! The program: parses the command line and runs a node with the demo page.

mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use presence_demo::Demo;
use presence_server::{Config, FactsCommand, Server, SignRoom, SignStream, SiteKey, log, one_line};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Shows who is looking at a page right now, everywhere in the world, and lets all of them act on it together
#[derive(Parser)]
#[command(name = "global-presence", version, args_conflicts_with_subcommands = true)]
struct DemoCommand {
    #[command(flatten)]
    node: Config,

    #[command(subcommand)]
    other: Option<OtherCommand>,
}

/// Subcommands; without one it runs a node.
#[derive(Subcommand)]
enum OtherCommand {
    World(world::World),
    Sign(SignRoom),
    Key(SiteKey),
    SignStream(SignStream),
    Facts(FactsCommand),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = match DemoCommand::try_parse() {
        Ok(command) => command,
        Err(error) if error.use_stderr() => return mistake(&one_line(&error)),
        Err(help) => help.exit(),
    };
    let ended = match command.other {
        Some(OtherCommand::World(world)) => world.run().await,
        Some(OtherCommand::Sign(room)) => room.token().map(|token| println!("{token}")),
        Some(OtherCommand::SignStream(stream)) => stream.text().map(|text| println!("{text}")),
        Some(OtherCommand::Key(site)) => site.key().map(|(key, said)| {
            said.into_iter().for_each(|said| eprintln!("global-presence: {said}"));
            println!("{key}");
        }),
        Some(OtherCommand::Facts(facts)) => {
            facts.run().await.map(|lines| lines.iter().for_each(|line| println!("{line}")))
        }
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

/// Prints a mistake in one line that says what to write instead.
fn mistake(sentence: &str) -> ExitCode {
    eprintln!("global-presence: {sentence}");
    ExitCode::FAILURE
}
