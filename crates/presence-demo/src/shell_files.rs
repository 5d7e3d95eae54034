//! What a shell and `man` know of the command line: made from it, so that neither is ever behind.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;
use presence_server::print_lines;

/// Prints what makes a shell complete commands and options
#[derive(Args, Debug)]
pub(crate) struct CompletionCommand {
    /// The shell; its documentation says where the text belongs
    shell: Shell,
}

impl CompletionCommand {
    pub(crate) fn run(&self, mut command: Command) -> anyhow::Result<()> {
        let (name, mut script) = (command.get_name().to_owned(), Vec::new());
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        let script = String::from_utf8(script).context("the shell's script is no text")?;
        print_lines(&script.lines().collect::<Vec<_>>())
    }
}

/// Writes the manual pages, one for each command, in section 1
#[derive(Args, Debug)]
#[command(hide = true)]
pub(crate) struct ManCommand {
    /// The folder for them, which exists
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

impl ManCommand {
    pub(crate) fn run(&self, command: Command) -> anyhow::Result<()> {
        let shown = self.folder.display();
        anyhow::ensure!(
            fs::metadata(&self.folder).is_ok_and(|found| found.is_dir()),
            "{shown} is not a folder: make it first"
        );
        clap_mangen::generate_to(command.disable_help_subcommand(true), &self.folder)
            .with_context(|| format!("could not write to {shown}"))
    }
}
