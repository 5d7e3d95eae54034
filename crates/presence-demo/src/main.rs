//! The program: parses the command line and runs a node with the demo page.

mod shell_files;
mod world;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use presence_demo::{Demo, PageOptions};
use presence_server::{AppCommand, Config, Server, SignRoom, SignStream, log, one_line, print_lines};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Shows who is looking at a page right now, everywhere in the world, and lets all of them act on it together
#[derive(Parser)]
#[command(name = "global-presence", version, args_conflicts_with_subcommands = true)]
struct DemoCommand {
    #[command(flatten)]
    node: Config,

    #[command(flatten)]
    page: PageOptions,

    #[command(subcommand)]
    other: Option<OtherCommand>,
}

/// Subcommands; without one it runs a node.
#[derive(Subcommand)]
enum OtherCommand {
    World(world::World),
    Sign(SignRoom),
    SignStream(SignStream),
    Completion(shell_files::CompletionCommand),
    Man(shell_files::ManCommand),
    #[command(flatten)]
    App(AppCommand),
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
        Some(OtherCommand::Sign(room)) => room.token().and_then(|token| print_lines(&[token])),
        Some(OtherCommand::SignStream(stream)) => stream.text().and_then(|text| print_lines(&[text])),
        Some(OtherCommand::Completion(completion)) => completion.run(DemoCommand::command()),
        Some(OtherCommand::Man(man)) => man.run(DemoCommand::command()),
        Some(OtherCommand::App(command)) => {
            let lines = command.run("global-presence", &presence_demo::site()).await;
            lines.and_then(|lines| print_lines(&lines))
        }
        None => run(command.node, command.page).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => mistake(&format!("{error:#}")),
    }
}

async fn run(config: Config, options: PageOptions) -> anyhow::Result<()> {
    log(&config)?;
    Server::new(config, Demo { options }, presence_demo::site()).run().await
}

/// Prints a mistake in one line that says what to write instead.
fn mistake(sentence: &str) -> ExitCode {
    eprintln!("global-presence: {sentence}");
    ExitCode::FAILURE
}
