//! `/api/v1/facts/export` and `/api/v1/facts/import`: all facts of a node, and bringing them into one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::BASE64;
use presence_core::{ExportCursor, ExportedFact, ExportedFacts, Found, ImportResult, Query, Room};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Authorized;
use super::facts::RoomFact;
use super::json_body::JsonBody;
use super::query_params::QueryParams;
use super::{Caching, json};
use crate::http::api_key::KeyRight;
use crate::http::state::HttpState;
use crate::problem::{Problem, ProblemAnswer};

/// Most records of one import; the largest body holds fewer of the largest.
const RECORDS_MAX: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportParams {
    /// Only facts behind this place: `next` of the previous page.
    after: Option<String>,
}

/// A page of all facts.
#[derive(Serialize, ToSchema)]
#[schema(as = FactsExport)]
pub(crate) struct ExportAnswer {
    /// In the order of their rooms and keys.
    pub(crate) facts: Vec<ExportLine>,
    /// Where the next page starts: to be given as `after`. Null on the last page.
    pub(crate) next: Option<String>,
}

/// A fact as people read it, and all of it as nodes keep it.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedFact)]
pub(crate) struct ExportLine {
    /// The room that it is in.
    room: String,
    #[serde(flatten)]
    fact: RoomFact,
    /// Only where the fact was removed: it keeps older copies from coming back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    removed: bool,
    /// All of it, with its stamp and its author, in Base64. Nothing else of it is imported.
    record: String,
}

/// Facts to bring in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FactsImport)]
pub(super) struct ImportBody {
    /// `record` of each, as the export has it.
    #[schema(max_items = 1000)]
    records: Vec<String>,
}

/// What became of the facts.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = FactsImported)]
pub(crate) struct ImportAnswer {
    /// How many are new here.
    pub(crate) taken: usize,
    /// How many were known, or are older than what is known.
    pub(crate) known: usize,
    /// Those that can't be taken.
    pub(crate) refused: Vec<RefusedRecord>,
}

/// A fact that can't be taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RefusedRecord {
    /// Its place in `records`; the first is 0.
    pub(crate) record: usize,
    /// `malformed`, `expired`, `too_far_ahead` (of this node's clock), or `full`.
    #[schema(pattern = "^(malformed|expired|too_far_ahead|full)$")]
    pub(crate) reason: String,
}

/// Export facts
///
/// All facts of all rooms, page by page: give `next` of one page as `after` of the next one. All entries of a log are on one page.
#[utoipa::path(
    get, path = "/api/v1/facts/export", tag = "facts",
    params(ExportParams),
    responses(
        (status = 200, body = ExportAnswer, description = "A page of facts"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn export(
    State(state): State<Arc<HttpState>>,
    authorized: Authorized,
    QueryParams(params): QueryParams<ExportParams>,
) -> Result<Response, Problem> {
    authorized.check_everywhere(KeyRight::Admin)?;
    let after = params.after.as_deref().and_then(cursor);
    let Found::AllFacts(exported) = state.query(Query::AllFacts { after }, authorized.reader).await? else {
        unreachable!("the node answers the query that it got")
    };
    Ok(json(StatusCode::OK, Caching::Never, &ExportAnswer::new(exported)))
}

/// Import facts
///
/// The last writer wins, as between nodes: importing the same facts twice changes nothing, and what is newer here stays. New
/// ones reach the other nodes within seconds.
#[utoipa::path(
    post, path = "/api/v1/facts/import", tag = "facts",
    request_body(content = ImportBody, description = "Records of facts"),
    responses(
        (status = 200, body = ImportAnswer, description = "What became of them"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn import(
    State(state): State<Arc<HttpState>>,
    authorized: Authorized,
    JsonBody(body): JsonBody<ImportBody>,
) -> Result<Response, Problem> {
    authorized.check_everywhere(KeyRight::Admin)?;
    if body.records.len() > RECORDS_MAX {
        let detail = format!("At most {RECORDS_MAX} records are imported at a time.");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    // What is no Base64 is no fact either: the node says so.
    let records = body.records.iter().map(|record| BASE64.decode(record.as_bytes()).unwrap_or_default()).collect();
    let results = state.import_facts(records, authorized.reader).await?;
    let answer = ImportAnswer::of(&results);
    let (key, address, taken, refused) =
        (authorized.key_name(), authorized.address(), answer.taken, answer.refused.len());
    tracing::info!(target: "audit", key, %address, taken, refused, "imported facts");
    Ok(json(StatusCode::OK, Caching::Never, &answer))
}

impl ExportAnswer {
    pub(crate) fn new(exported: ExportedFacts) -> Self {
        let next = exported.next.map(|next| format!("{}:{}{}", next.room.as_str().len(), next.room, next.key));
        Self { facts: exported.facts.into_iter().map(ExportLine::from).collect(), next }
    }
}

/// The place that [`ExportAnswer::next`] stands for. Other text is the name of a room.
pub(crate) fn cursor(text: &str) -> Option<ExportCursor> {
    let written = text.split_once(':').and_then(|(length, rest)| rest.split_at_checked(length.parse().ok()?));
    let (room, key) = written.unwrap_or((text, ""));
    Some(ExportCursor { room: Room::new(room)?, key: key.to_owned() })
}

impl From<ExportedFact> for ExportLine {
    fn from(exported: ExportedFact) -> Self {
        Self {
            room: exported.room.to_string(),
            fact: exported.listed.into(),
            removed: exported.removed,
            record: BASE64.encode(&exported.record),
        }
    }
}

impl ImportAnswer {
    pub(crate) fn of(results: &[ImportResult]) -> Self {
        let count = |wanted: ImportResult| results.iter().filter(|result| **result == wanted).count();
        let refused = results
            .iter()
            .enumerate()
            .filter(|(_, result)| !matches!(result, ImportResult::Taken | ImportResult::Known));
        Self {
            taken: count(ImportResult::Taken),
            known: count(ImportResult::Known),
            refused: refused
                .map(|(record, result)| RefusedRecord { record, reason: result.as_str().to_owned() })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_and_read_back_whatever_the_names_hold() {
        for (room, key) in [("demo", "light"), ("7:a", "1:b"), ("ü/:", "\u{1f}x"), ("r", "")] {
            let next = ExportCursor { room: Room::new(room).unwrap(), key: key.to_owned() };
            let written =
                ExportAnswer::new(ExportedFacts { facts: Vec::new(), next: Some(next.clone()) }).next.unwrap();
            assert_eq!(cursor(&written), Some(next));
        }
        assert_eq!(cursor("9:short").unwrap().room.as_str(), "9:short");
        assert_eq!(cursor(""), None);
    }
}
