//! The `main` of an app, from the command line to a node that serves.

pub(crate) mod facts;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser as _};
use presence_core::App;

use crate::config::one_line;
use crate::{Config, Server, Site, log};

#[derive(clap::Parser)]
#[command(about = "Runs one node of this app", long_about = None)]
struct Line {
    #[command(flatten)]
    node: Config,
}

/// The whole `main` of an app: reads options from the command line and the environment, logs to standard error, serves until
/// SIGTERM or SIGINT, and drains. `--help` lists the options. A mistake ends the program with one line that says what to
/// write instead. It must not be called inside a runtime.
///
/// ```no_run
/// # use presence_server::{App, Change, Fragment, ReflexCall, Refusal, RoomView, Site, Visit, Write};
/// # struct Lamp;
/// # impl App for Lamp {
/// #     fn page(&self, _: &RoomView, _: &Visit<'_>) -> String { String::new() }
/// #     fn reflex(&self, _: &ReflexCall, _: &RoomView) -> Result<Vec<Write>, Refusal> { Err(Refusal::Unknown) }
/// #     fn render(&self, _: &Change, _: &RoomView) -> Vec<Fragment> { Vec::new() }
/// # }
/// fn main() -> std::process::ExitCode {
///     presence_server::run(Lamp, Site::new("lamp"))
/// }
/// ```
pub fn run(app: impl App, site: Site) -> ExitCode {
    let name = site.name;
    let line = Line::command().name(name).try_get_matches();
    let config = match line.and_then(|matches| Line::from_arg_matches(&matches)) {
        Ok(line) => line.node,
        Err(error) if error.use_stderr() => return mistake(name, &one_line(&error)),
        Err(help) => help.exit(),
    };
    match serve(config, app, site) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => mistake(name, &format!("{error:#}")),
    }
}

fn serve(config: Config, app: impl App, site: Site) -> anyhow::Result<()> {
    log(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(Server::new(config, app, site).run())
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
