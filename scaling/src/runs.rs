//! Runs scenarios in processes of their own, so that memory is that of one node, and keeps what was found.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::meter::Measured;
use crate::scenario::Scenario;

/// Runs all of these and writes what was found into a file, a line each. Lines of other scenarios stay.
///
/// # Errors
///
/// Where a run fails, or a node of it complains.
pub fn run_all(scenarios: &[Scenario], file: &Path) -> anyhow::Result<()> {
    let mut runs = if file.exists() { read(file)? } else { Vec::new() };
    let folder = std::env::temp_dir().join(format!("presence-scaling-{}", std::process::id()));
    for scenario in scenarios {
        let began = Instant::now();
        let found = run(scenario, &folder);
        std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let found = found.with_context(|| scenario.to_string())?;
        eprintln!("{scenario}: {:.1} s", began.elapsed().as_secs_f64());
        runs.retain(|run| run.scenario != *scenario);
        runs.push(found);
        let lines = runs.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        std::fs::write(file, lines.join("\n") + "\n")?;
    }
    Ok(())
}

/// What was found before.
///
/// # Errors
///
/// Where the file can't be read.
pub fn read(file: &Path) -> anyhow::Result<Vec<Measured>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn run(scenario: &Scenario, folder: &Path) -> anyhow::Result<Measured> {
    std::fs::create_dir_all(folder)?;
    ask_self("record", scenario, folder)?;
    let found: Measured = serde_json::from_slice(&ask_self("observe", scenario, folder)?)?;
    ensure!(found.warnings.is_empty(), "the node complained: {:?}", found.warnings);
    Ok(found)
}

fn ask_self(what: &str, scenario: &Scenario, folder: &Path) -> anyhow::Result<Vec<u8>> {
    let Scenario { nodes, visitors, shape, joins, clicks, seed } = scenario;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([what, "--nodes", &nodes.to_string(), "--visitors", &visitors.to_string()]);
    command.args(["--rooms", &shape.to_string(), "--joins", &joins.to_string()]);
    command.args(["--clicks", &clicks.to_string(), "--seed", &seed.to_string(), "--folder"]).arg(folder);
    let output = command.output()?;
    ensure!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
