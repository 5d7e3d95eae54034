//! Writes the tables of docs/scaling.md between their markers.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::cost_model::{CostModel, undisturbed};
use crate::limits::Model;
use crate::message_sizes::MessageSizes;
use crate::plots::plots;
use crate::runs::read;
use crate::tables::tables;

/// Writes the tables, and returns the plots, from the runs that were kept.
pub(crate) fn draw(runs: &Path, document: &Path) -> anyhow::Result<Value> {
    let runs = undisturbed(&read(runs)?);
    let sizes = MessageSizes::measured();
    let model = Model { sizes, costs: CostModel::fitted(&runs, &sizes) };
    let mut text = std::fs::read_to_string(document).with_context(|| document.display().to_string())?;
    for (name, table) in tables(&model, &runs) {
        text = put(&text, name, &table)?;
    }
    std::fs::write(document, text)?;
    Ok(plots(&model, &runs))
}

/// Replaces the text between `<!-- name -->` and `<!-- /name -->`.
fn put(text: &str, name: &str, table: &str) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let (from, to) = (text.find(&begin), text.find(&end));
    ensure!(from < to && from.is_some(), "no place for {name}: {begin} … {end}");
    let (from, to) = (from.unwrap_or(0) + begin.len(), to.unwrap_or(0));
    Ok(format!("{}\n{table}{}", &text[..from], &text[to..]))
}
