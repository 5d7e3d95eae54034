//! Fetches the browsers' client libraries by lock file and bundles them; without it no page of any app would be live.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const NODE_MIN: u32 = 18;
const NPM_MIN: u32 = 8;
/// What the scripts are made of. A file that is not there (yet) is no script.
const CLIENT: &str = "client";

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    if let Err(sentence) = build(&here, &out) {
        eprintln!("{sentence}");
        std::process::exit(1);
    }
}

fn build(here: &Path, out: &Path) -> Result<(), String> {
    let work = out.join("npm");
    // A file that an earlier build left here and that is gone from the sources would still be bundled.
    drop(fs::remove_dir_all(work.join(CLIENT)));
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        println!("cargo::rerun-if-changed={file}");
        copy(&here.join(file), &work.join(file))?;
    }
    println!("cargo::rerun-if-changed={CLIENT}");
    let client = here.join(CLIENT);
    let entries = fs::read_dir(&client).map_err(|error| format!("Could not read {}: {error}.", client.display()))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("Could not read {}: {error}.", client.display()))?;
        copy(&entry.path(), &work.join(CLIENT).join(entry.file_name()))?;
    }
    check("node", NODE_MIN)?;
    check("npm", NPM_MIN)?;
    install(&work)?;
    run(Command::new("node").arg("client/bundle.mjs").arg(out).current_dir(&work), "Bundling the browsers' scripts")
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let folder = to.parent().expect("every file is in a folder");
    fs::create_dir_all(folder).map_err(|error| format!("Could not make {}: {error}.", folder.display()))?;
    fs::copy(from, to).map(drop).map_err(|error| format!("Could not copy {}: {error}.", from.display()))
}

/// Missing or too old: one sentence that says what to do.
fn check(program: &str, least: u32) -> Result<(), String> {
    let wanted =
        format!("Building the browsers' scripts needs Node.js {NODE_MIN} or newer with npm {NPM_MIN} or newer");
    let output = Command::new(program)
        .arg("--version")
        .output()
        .map_err(|_| format!("{wanted}, but `{program}` was not found: install it from https://nodejs.org."))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= least => Ok(()),
        _ => Err(format!("{wanted}, but this `{program}` is {version}: install a newer one from https://nodejs.org.")),
    }
}

/// Only when the lock file is another than the one installed last.
fn install(work: &Path) -> Result<(), String> {
    let lock = fs::read(work.join("package-lock.json")).map_err(|error| format!("No lock file: {error}."))?;
    let installed = work.join("installed-lock.json");
    if fs::read(&installed).is_ok_and(|before| before == lock) && work.join("node_modules").is_dir() {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(work);
    run(&mut npm, "Fetching the browsers' client libraries with `npm ci`")?;
    fs::write(installed, lock).map_err(|error| format!("Could not note what is installed: {error}."))
}

fn run(command: &mut Command, what: &str) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{what} could not start: {error}."))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{what} failed ({}):\n{}", output.status, said.trim()))
}
