//! Counts requests and measures how long their answers take.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Up to 4 s, each bound twice the one before.
const SECONDS: [f64; 13] = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0];
/// The route of pages and files: each has a path of its own.
pub(super) const PAGES: &str = "page";

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct AnswerLabels {
    route: String,
    code: u16,
}

type ByRoute = [(&'static str, String); 1];
type ByReason = [(&'static str, &'static str); 1];

/// What was asked of this node over HTTP.
#[derive(Debug)]
pub(crate) struct RequestStats {
    answers: Family<AnswerLabels, Counter>,
    seconds: Family<ByRoute, Histogram>,
    refusals: Family<ByReason, Counter>,
}

impl RequestStats {
    /// Nothing was asked yet. All reasons for refusals are told from the start, with 0: where a counter begins with its first
    /// number, a monitoring system sees no increase.
    pub(super) fn new(reasons: impl IntoIterator<Item = &'static str>) -> Self {
        let stats = Self {
            answers: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            refusals: Family::default(),
        };
        reasons.into_iter().for_each(|reason| drop(stats.refusals.get_or_create(&[("reason", reason)])));
        stats
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Answers, by route and status", self.answers.clone());
        let help = "How long the head of an answer took";
        registry.register("http_request_duration_seconds", help, self.seconds.clone());
        let help = "Sockets and streams that were not admitted, by reason";
        registry.register("refusals", help, self.refusals.clone());
    }

    /// A socket or stream was not admitted, for this reason.
    pub(super) fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&[("reason", reason)]).inc();
    }
}

/// A request that is answered now.
pub(super) struct MeasuredRequest {
    route: String,
    began: Instant,
}

impl MeasuredRequest {
    pub(super) fn begin(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().map_or(PAGES, MatchedPath::as_str);
        Self { route: route.to_owned(), began: Instant::now() }
    }

    /// Counts it by the route that answered it.
    pub(super) fn end(self, stats: &RequestStats, status: StatusCode) {
        let seconds = self.began.elapsed().as_secs_f64();
        let answer = AnswerLabels { route: self.route.clone(), code: status.as_u16() };
        stats.seconds.get_or_create(&[("route", self.route)]).observe(seconds);
        stats.answers.get_or_create(&answer).inc();
    }
}
