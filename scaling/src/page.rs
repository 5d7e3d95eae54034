//! Puts tables between the markers of docs/scaling.md and writes the plots beside it.

use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::calibrate::Bytes;
use crate::costs::{Costs, undisturbed};
use crate::limits::Model;
use crate::meter::Measured;
use crate::plots::plots;
use crate::runs::read;
use crate::tables::tables;

/// Draws everything anew from the runs that were kept.
///
/// # Errors
///
/// Where a file can't be read or written, or lacks a marker.
pub fn draw(runs: &Path, document: &Path) -> anyhow::Result<()> {
    let runs: Vec<Measured> = undisturbed(&read(runs)?);
    let bytes = Bytes::measured();
    let model = Model { bytes, costs: Costs::found(&runs, &bytes) };
    let folder = document.with_extension("");
    std::fs::create_dir_all(&folder)?;
    for (name, plot) in plots(&model, &runs) {
        std::fs::write(folder.join(format!("{name}.svg")), plot.svg())?;
    }
    let mut text = std::fs::read_to_string(document).with_context(|| document.display().to_string())?;
    for (name, table) in tables(&model, &runs) {
        text = put(&text, name, &table)?;
    }
    std::fs::write(document, text)?;
    Ok(())
}

/// Replaces what stands between `<!-- name -->` and `<!-- /name -->`.
fn put(text: &str, name: &str, table: &str) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let (from, to) = (text.find(&begin), text.find(&end));
    ensure!(from < to && from.is_some(), "no place for {name}: {begin} … {end}");
    let (from, to) = (from.unwrap_or(0) + begin.len(), to.unwrap_or(0));
    Ok(format!("{}\n{table}{}", &text[..from], &text[to..]))
}
