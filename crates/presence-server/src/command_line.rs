//! The `main` of an app, from the command line to a node that serves.

pub(crate) mod check;
pub(crate) mod facts;
pub(crate) mod health;
mod node_request;
pub(crate) mod top;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser as _};
use presence_core::App;

use self::check::CheckCommand;
use self::facts::FactsCommand;
use self::health::HealthCommand;
use self::top::TopCommand;
use crate::config::one_line;
use crate::{Config, Server, Site, SiteKey, log};

#[derive(clap::Parser)]
#[command(about = "Runs one node of this app", long_about = None)]
struct Line {
    #[command(flatten)]
    node: Config,
}

/// A node's options, or another command.
#[derive(clap::Parser)]
#[command(about = "Runs one node of this app", long_about = None, args_conflicts_with_subcommands = true)]
struct AppLine {
    #[command(flatten)]
    node: Config,

    #[command(subcommand)]
    other: Option<AppCommand>,
}

/// The commands that every app has besides running a node. A program with a command line of its own flattens them into that:
///
/// ```
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// use clap::{Parser, Subcommand};
/// use presence_server::{AppCommand, Site};
///
/// #[derive(Parser)]
/// struct Line {
///     #[command(subcommand)]
///     command: ShopCommand,
/// }
///
/// #[derive(Subcommand)]
/// enum ShopCommand {
///     Restock,
///     #[command(flatten)]
///     App(AppCommand),
/// }
///
/// let line = Line::parse_from(["shop", "check", "--region", "ams"]);
/// let ShopCommand::App(command) = line.command else { panic!("it is one of every app") };
/// let lines = command.run("shop", &Site::new("shop")).await?;
/// assert!(lines.contains(&"listens on        http://127.0.0.1:4000".to_owned()), "{lines:?}");
/// # Ok::<(), anyhow::Error>(()) })?;
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Clone, Debug, clap::Subcommand)]
pub enum AppCommand {
    /// Checks options, environment and files as a node would, and prints what they mean.
    Check(Box<CheckCommand>),
    /// Asks a running node whether it works: the exit status is 0 or 1.
    Health(HealthCommand),
    /// Shows the mesh in a terminal, as a running node knows it.
    Top(TopCommand),
    /// Lists, removes, exports or imports facts: values of apps that outlive nodes.
    Facts(FactsCommand),
    /// Prints the key that a site signs its tokens with.
    Key(SiteKey),
}

impl AppCommand {
    /// The lines for [`print_lines`]. What is only advice goes to standard error, after the name of the program.
    ///
    /// # Errors
    ///
    /// One sentence that says what went wrong.
    pub async fn run(self, program: &str, site: &Site) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Check(check) => check.run(site).await,
            Self::Health(health) => Ok(vec![health.run().await?]),
            Self::Top(top) => top.run().await,
            Self::Facts(facts) => facts.run().await,
            Self::Key(key) => key.key().map(|(key, advice)| {
                advice.iter().for_each(|advice| eprintln!("{program}: {advice}"));
                vec![key]
            }),
        }
    }
}

/// The whole `main` of an app: reads options from the command line and the environment, logs to standard error, serves until
/// SIGTERM or SIGINT, and drains. `--help` lists the options and the commands of [`AppCommand`]. A mistake ends the program with
/// one line that says what to write instead. It must not be called inside a runtime.
///
/// ```no_run
/// # use presence_server::{App, Change, Click, Fragment, Refusal, RoomView, Site, Visit, Write};
/// # struct Lamp;
/// # impl App for Lamp {
/// #     fn page(&self, _: &RoomView, _: &Visit<'_>) -> String { String::new() }
/// #     fn reflex(&self, _: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> { Err(Refusal::Unknown) }
/// #     fn render(&self, _: &Change, _: &RoomView) -> Vec<Fragment> { Vec::new() }
/// # }
/// fn main() -> std::process::ExitCode {
///     presence_server::run(Lamp, Site::new("lamp"))
/// }
/// ```
pub fn run(app: impl App, site: Site) -> ExitCode {
    run_app(Arc::new(app), site)
}

// Not generic, so that all that runs is compiled with this crate, and not once more with each app.
fn run_app(app: Arc<dyn App>, site: Site) -> ExitCode {
    let name = site.name;
    let line = AppLine::command().name(name).try_get_matches();
    let line = match line.and_then(|matches| AppLine::from_arg_matches(&matches)) {
        Ok(line) => line,
        Err(error) if error.use_stderr() => return mistake(name, &one_line(&error)),
        Err(help) => help.exit(),
    };
    let ended = match line.other {
        Some(other) => print(other, &site),
        None => serve(line.node, app, site),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => mistake(name, &format!("{error:#}")),
    }
}

fn print(command: AppCommand, site: &Site) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    print_lines(&runtime.block_on(command.run(site.name, site))?)
}

/// Prints lines on standard output. Where the reader of a pipe has seen enough, as `head` has, that is no error.
///
/// ```
/// presence_server::print_lines(&["restocked"])?;
/// # Ok::<(), anyhow::Error>(())
/// ```
///
/// # Errors
///
/// If they can't be written for another reason.
pub fn print_lines(lines: &[impl AsRef<str>]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match lines.iter().try_for_each(|line| writeln!(out, "{}", line.as_ref())).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("can't write to standard output"),
    }
}

fn serve(config: Config, app: Arc<dyn App>, site: Site) -> anyhow::Result<()> {
    log(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(Server { config, app, site }.run())
}

fn mistake(name: &str, sentence: &str) -> ExitCode {
    eprintln!("{name}: {sentence}");
    ExitCode::FAILURE
}

impl Config {
    /// Parses these words of a command line. The environment sets options that they do not.
    ///
    /// ```
    /// use presence_server::Config;
    ///
    /// let config = Config::of(["--region", "ams", "--listen", "127.0.0.1:0"]).unwrap();
    /// assert_eq!((config.own_region().as_str(), config.listen.port()), ("ams", 0));
    /// let mistake = Config::of(["--region", "Amsterdam, Netherlands"]).unwrap_err();
    /// assert!(mistake.contains("--region"), "{mistake}");
    /// ```
    ///
    /// # Errors
    ///
    /// If an option is wrong, with a sentence that says what to write instead.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let line = Line::try_parse_from(std::iter::once("node").chain(words));
        line.map(|line| line.node).map_err(|error| one_line(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_has_the_commands_that_its_unit_and_its_image_call() {
        let parse = |words: &[&str]| AppLine::try_parse_from(std::iter::once(&"shop").chain(words)).unwrap();
        assert!(parse(&["--region", "ams"]).other.is_none());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let run = |words: &[&str]| {
            let command = parse(words).other.expect("a command");
            runtime.block_on(command.run("shop", &Site::new("shop"))).map_err(|error| error.to_string())
        };
        assert!(run(&["check", "--region", "ams"]).unwrap()[0].starts_with("region            ams"));
        assert!(run(&["health", "--listen", "127.0.0.1:1"]).unwrap_err().contains("http://127.0.0.1:1"));
        assert!(run(&["health", "--listen", "127.0.0.1:1", "--tls-cert", "c.pem"]).unwrap_err().contains("https://"));
        assert!(matches!(parse(&["facts", "list", "shop", "--data-dir", "facts"]).other, Some(AppCommand::Facts(_))));
        assert!(matches!(parse(&["key", "--site", "https://shop.example"]).other, Some(AppCommand::Key(_))));
    }
}
