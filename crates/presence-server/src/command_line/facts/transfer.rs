//! All facts as lines of a file: written from a node, and brought into one.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use axum::http::Method;
use data_encoding::BASE64;
use presence_core::{Found, Input, Query};
use serde::Deserialize;
use serde_json::json;

use super::{FactsOf, ask, handle_stored};
use crate::http::{ExportAnswer, ImportAnswer, export_cursor};

/// Largest file: all facts that a node keeps, written out.
const FILE_BYTES_MAX: u64 = 512 << 20;
/// Largest record, as nodes have it.
const RECORD_BYTES_MAX: usize = 8 * 1_024;
/// One request has records of at most this many bytes in Base64, and this many of them.
const REQUEST_BYTES: usize = 60 * 1_024;
const REQUEST_RECORDS: usize = 1_000;
/// Refused lines that are named.
const NAMED_MAX: usize = 10;

/// The part of a line that is imported.
#[derive(Deserialize)]
struct ImportLine {
    record: String,
}

/// A record and the line that it stands in.
struct NumberedRecord {
    line: usize,
    record: String,
}

/// All facts, one JSON object a line.
pub(super) async fn export(of: &FactsOf) -> anyhow::Result<Vec<String>> {
    let (mut lines, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = match &of.data_dir {
            Some(folder) => {
                let what = Query::AllFacts { after: after.as_deref().and_then(export_cursor) };
                let found = handle_stored(folder, Input::Queried { query: 0, what }).await?;
                let Found::AllFacts(found) = found else { bail!("the folder's facts can't be read") };
                serde_json::to_value(ExportAnswer::new(found))?
            }
            None => {
                let query: Vec<_> = after.as_deref().map(|after| ("after", after)).into_iter().collect();
                ask(of, Method::GET, "/api/v1/facts/export", &query, None).await?
            }
        };
        let facts = page["facts"].as_array().context("the answer has no facts: is this address a node?")?;
        lines.extend(facts.iter().map(ToString::to_string));
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(lines),
        }
    }
}

/// Brings in the facts of a file. All lines are checked before the first is brought in.
pub(super) async fn import(of: &FactsOf, file: &Path) -> anyhow::Result<Vec<String>> {
    let records = read(file)?;
    let mut all = ImportAnswer::default();
    let mut refused: Vec<String> = Vec::new();
    for part in parts(&records, of.data_dir.is_some()) {
        let answer = match &of.data_dir {
            Some(folder) => import_stored(folder, part).await?,
            None => {
                let records: Vec<&str> = part.iter().map(|numbered| numbered.record.as_str()).collect();
                let answer =
                    ask(of, Method::POST, "/api/v1/facts/import", &[], Some(&json!({ "records": records }))).await?;
                serde_json::from_value(answer)
                    .context("the answer is not that of an import: is this address a node?")?
            }
        };
        all.taken += answer.taken;
        all.known += answer.known;
        let lines = answer.refused.iter().filter_map(|one| Some((part.get(one.record)?.line, &one.reason)));
        refused.extend(lines.map(|(line, reason)| format!("line {line}: {reason}")));
    }
    let summary = json!({ "taken": all.taken, "known": all.known, "refused": refused.len() });
    if refused.is_empty() {
        return Ok(vec![summary.to_string()]);
    }
    let more = if refused.len() > NAMED_MAX { ", and further ones" } else { "" };
    refused.truncate(NAMED_MAX);
    bail!("{}: {summary}; {}{more}", file.display(), refused.join(", "))
}

/// The records of a file.
fn read(file: &Path) -> anyhow::Result<Vec<NumberedRecord>> {
    let shown = file.display();
    let open = File::open(file).with_context(|| format!("{shown} is not readable"))?;
    let mut text = String::new();
    open.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).with_context(|| format!("{shown} is not text"))?;
    ensure!(text.len() as u64 <= FILE_BYTES_MAX, "{shown} has more than {FILE_BYTES_MAX} bytes: split it by lines");
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(line, text)| {
            let record = serde_json::from_str::<ImportLine>(text).ok().map(|parsed| parsed.record);
            let fits = |record: &String| {
                BASE64.decode(record.as_bytes()).is_ok_and(|bytes| (1..=RECORD_BYTES_MAX).contains(&bytes.len()))
            };
            let record = record.filter(fits).with_context(|| {
                format!("{shown}, line {line}: not a fact as `facts export` writes it; nothing was imported")
            })?;
            Ok(NumberedRecord { line, record })
        })
        .collect()
}

/// The records of each request; a folder takes all of them at once.
fn parts(records: &[NumberedRecord], at_once: bool) -> Vec<&[NumberedRecord]> {
    let (mut parts, mut rest) = (Vec::new(), records);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|numbered| {
            // Quotes and a comma.
            bytes += numbered.record.len() + 3;
            at_once || bytes <= REQUEST_BYTES
        });
        let count = fitting.take(if at_once { usize::MAX } else { REQUEST_RECORDS }).count().max(1);
        let (part, after) = rest.split_at(count);
        parts.push(part);
        rest = after;
    }
    parts
}

async fn import_stored(folder: &Path, part: &[NumberedRecord]) -> anyhow::Result<ImportAnswer> {
    let records = part.iter().map(|numbered| BASE64.decode(numbered.record.as_bytes()).unwrap_or_default()).collect();
    match handle_stored(folder, Input::FactsImported { query: 0, records }).await? {
        Found::Imported(results) => Ok(ImportAnswer::of(&results)),
        _ => bail!("the facts can't be imported"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("facts.jsonl");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_line_that_is_no_fact_is_named_and_others_are_numbered_as_they_stand() {
        let (_folder, path) = file("{\"record\":\"AA==\",\"room\":\"demo\"}\n\n{\"record\":\"AQ==\"}\n");
        let records = read(&path).unwrap();
        assert_eq!(records.iter().map(|numbered| numbered.line).collect::<Vec<_>>(), [1, 3]);
        let long = format!("{{\"record\":\"{}\"}}", BASE64.encode(&[0; RECORD_BYTES_MAX + 1]));
        for wrong in ["{\"room\":\"demo\"}", "demo", "{\"record\":\"=\"}", "{\"record\":\"\"}", &long] {
            let (_folder, path) = file(&format!("{{\"record\":\"AA==\"}}\n{wrong}\n"));
            let mistake = read(&path).err().expect("it is refused").to_string();
            assert!(mistake.contains("line 2") && mistake.contains("nothing was imported"), "{wrong}: {mistake}");
        }
    }

    #[test]
    fn no_request_is_larger_than_a_node_takes_and_none_is_empty() {
        let numbered = |line: usize| NumberedRecord { line, record: "A".repeat(line * 20_000) };
        let records: Vec<_> = [1, 1, 1, 5, 1].into_iter().map(numbered).collect();
        let counts = |at_once| parts(&records, at_once).iter().map(|part| part.len()).collect::<Vec<_>>();
        assert_eq!(counts(false), [3, 1, 1]);
        assert_eq!(counts(true), [5]);
        let small: Vec<_> = (0..1_500).map(|line| NumberedRecord { line, record: "A".to_owned() }).collect();
        assert_eq!(parts(&small, false).iter().map(|part| part.len()).collect::<Vec<_>>(), [1_000, 500]);
        assert!(parts(&[], true).is_empty());
    }
}
