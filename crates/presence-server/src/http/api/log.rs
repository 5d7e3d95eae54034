//! `/api/v1/log`: which lines this process logs, changed while it runs.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Authorized;
use super::json_body::JsonBody;
use super::{Caching, json};
use crate::http::api_key::KeyRight;
use crate::problem::{Problem, ProblemAnswer};
use crate::telemetry::{LogFilter, log_filter};

/// Longest filter, in bytes.
const FILTER_BYTES_MAX: usize = 1_024;
/// For how many seconds a filter may be used: a day.
const SECONDS_MAX: f64 = 24.0 * 3_600.0;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Another filter of the log.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LogChange)]
pub(super) struct LogBody {
    /// A level, or levels by module, separated by commas. Null: what the node's options say.
    #[schema(
        required = false,
        max_length = 1024,
        pattern = "^(([a-z][a-z0-9_:]*=)?(off|error|warn|info|debug|trace))(,([a-z][a-z0-9_:]*=)?(off|error|warn|info|debug|trace))*$",
        example = "info,presence_core=debug"
    )]
    filter: Option<String>,
    /// After how many seconds the earlier filter is used again; null: it stays.
    #[serde(rename = "for")]
    #[schema(value_type = Option<u32>, required = false, minimum = 1, maximum = 86400, example = 600)]
    seconds: Option<f64>,
}

/// What is logged now.
#[derive(Serialize, ToSchema)]
#[schema(as = Log)]
pub(super) struct LogAnswer {
    /// The filter in use.
    filter: String,
    /// What the node's options say. It is used again once its file has changed, at SIGHUP, and after a restart.
    configured: String,
    /// After how many seconds another filter is used; null: this one stays.
    ends_in: Option<u64>,
}

impl LogAnswer {
    fn of(log: &LogFilter) -> Self {
        let used = log.in_use();
        let ends_in = used.ends_in.map(|left| left.as_secs_f64().ceil() as u64);
        Self { filter: used.filter, configured: used.configured, ends_in }
    }
}

/// What is logged
///
/// Of the node that answers.
#[utoipa::path(
    get, path = "/api/v1/log", tag = "log",
    responses(
        (status = 200, body = LogAnswer, description = "The filter in use"),
        (status = 501, body = ProblemAnswer, content_type = "application/problem+json", description = "The program has a log of its own"),
    ),
    security(("key" = [])),
)]
pub(super) async fn read(authorized: Authorized) -> Result<Response, Problem> {
    authorized.check_everywhere(KeyRight::Admin)?;
    Ok(json(StatusCode::OK, Caching::Never, &LogAnswer::of(filter_of_process()?)))
}

/// Log something else
///
/// On the node that answers, until its filter is changed again or read again from its file, or for some seconds.
#[utoipa::path(
    put, path = "/api/v1/log", tag = "log",
    request_body(content = LogBody, description = "The filter, and for how long"),
    responses(
        (status = 200, body = LogAnswer, description = "It is in use"),
        (status = 501, body = ProblemAnswer, content_type = "application/problem+json", description = "The program has a log of its own"),
    ),
    security(("key" = [])),
)]
pub(super) async fn change(authorized: Authorized, JsonBody(body): JsonBody<LogBody>) -> Result<Response, Problem> {
    authorized.check_everywhere(KeyRight::Admin)?;
    let LogBody { filter, seconds } = body;
    if let Some(mistake) = mistake(filter.as_deref(), seconds) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, mistake));
    }
    let log = filter_of_process()?;
    // Before it is used: it may be one that leaves this line out.
    let (key, address) = (authorized.key_name(), authorized.address());
    tracing::info!(target: "audit", key, %address, filter, seconds, "changed the filter of the log");
    let lasts = seconds.map(Duration::from_secs_f64);
    log.choose(filter, lasts).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("{error:#}.")))?;
    Ok(json(StatusCode::OK, Caching::Never, &LogAnswer::of(log)))
}

fn filter_of_process() -> Result<&'static Arc<LogFilter>, Problem> {
    log_filter().ok_or_else(|| {
        let detail = "This program has a log of its own: change its filter there.";
        Problem::new(StatusCode::NOT_IMPLEMENTED, detail)
    })
}

/// What is wrong about a filter and its time, if anything is. Values of fields, which options may name, need expressions whose
/// cost has no limit.
fn mistake(filter: Option<&str>, seconds: Option<f64>) -> Option<String> {
    // JSON knows one kind of number: 60.0 is 60.
    if !seconds.is_none_or(|seconds| (1.0..=SECONDS_MAX).contains(&seconds) && seconds.fract() == 0.0) {
        return Some(format!("for is a number of seconds, 1 to {SECONDS_MAX}."));
    }
    let filter = filter?;
    let fits = filter.len() <= FILTER_BYTES_MAX && filter.split(',').all(is_directive);
    (!fits).then(|| {
        format!(
            "A filter has at most {FILTER_BYTES_MAX} bytes: levels ({}), each perhaps for a module, such as info,presence_core=debug.",
            LEVELS.join(", ")
        )
    })
}

fn is_directive(text: &str) -> bool {
    let (module, level) = text.rsplit_once('=').map_or((None, text), |(module, level)| (Some(module), level));
    let is_module = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b':'))
    };
    LEVELS.contains(&level) && module.is_none_or(is_module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_levels_by_module_and_its_time_has_limits() {
        for good in ["info", "off", "info,presence_core=debug", "presence_server::http=trace,error"] {
            assert_eq!(mistake(Some(good), Some(SECONDS_MAX)), None, "{good}");
        }
        let long = format!("{}=info", "a".repeat(FILTER_BYTES_MAX));
        for wrong in ["", "loud", "info,", "presence_core", "INFO", "[span{field=.*}]=info", "a b=info", &long] {
            assert!(
                mistake(Some(wrong), None).is_some_and(|says| says.contains("info,presence_core=debug")),
                "{wrong}"
            );
        }
        for seconds in [0.0, 1.5, SECONDS_MAX + 1.0, f64::NAN] {
            assert!(mistake(None, Some(seconds)).is_some_and(|says| says.contains("86400")), "{seconds}");
        }
        assert_eq!(mistake(None, None), None);
    }
}
