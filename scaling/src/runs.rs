//! Runs scenarios in processes of their own, so that memory is that of one node, and keeps the results.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::metrics::RunMetrics;
use crate::scenario::Scenario;

/// Runs the scenarios and writes their metrics into a file, one line each. Lines of other scenarios stay.
pub(crate) fn run_all(scenarios: &[Scenario], file: &Path) -> anyhow::Result<()> {
    let mut runs = if file.exists() { read(file)? } else { Vec::new() };
    let folder = std::env::temp_dir().join(format!("presence-scaling-{}", std::process::id()));
    for scenario in scenarios {
        let began = Instant::now();
        let metrics = run(scenario, &folder);
        std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let metrics = metrics.with_context(|| scenario.to_string())?;
        eprintln!("{scenario}: {:.1} s", began.elapsed().as_secs_f64());
        runs.retain(|run| run.scenario != *scenario);
        runs.push(metrics);
        let lines = runs.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        std::fs::write(file, lines.join("\n") + "\n")?;
    }
    Ok(())
}

/// Reads the metrics of earlier runs.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<RunMetrics>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn run(scenario: &Scenario, folder: &Path) -> anyhow::Result<RunMetrics> {
    std::fs::create_dir_all(folder)?;
    run_self("trace", scenario, folder)?;
    let metrics: RunMetrics = serde_json::from_slice(&run_self("observe", scenario, folder)?)?;
    ensure!(metrics.warnings.is_empty(), "the node warned: {:?}", metrics.warnings);
    Ok(metrics)
}

fn run_self(what: &str, scenario: &Scenario, folder: &Path) -> anyhow::Result<Vec<u8>> {
    let Scenario { nodes, visitors, shape, joins, clicks, seed } = scenario;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([what, "--nodes", &nodes.to_string(), "--visitors", &visitors.to_string()]);
    command.args(["--rooms", &shape.to_string(), "--joins", &joins.to_string()]);
    command.args(["--clicks", &clicks.to_string(), "--seed", &seed.to_string(), "--folder"]).arg(folder);
    let output = command.output()?;
    ensure!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
