//! A request from a command to a running node.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Method, Request, StatusCode, Uri, header};

use crate::https_client::{https_client, local_client, with_causes};

/// How long a node may take to answer, unless a command says less.
pub(super) const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// The largest answer that is read: a page has at most 2,000 facts of at most 4 KiB, as JSON.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Which certificates are accepted of a node.
#[derive(Clone, Copy)]
pub(super) enum Certificates {
    /// Those of an authority that this machine trusts.
    OfAuthorities,
    /// Any: the node is on this machine.
    Any,
}

/// What a node is asked.
pub(super) struct NodeRequest<'a> {
    /// Scheme, host and port.
    pub(super) url: &'a Uri,
    pub(super) certificates: Certificates,
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: &'a str,
    pub(super) key: Option<&'a str>,
    /// What is sent along.
    pub(super) json: Option<&'a serde_json::Value>,
    /// How long the node may take to answer.
    pub(super) within: Duration,
}

/// What a node says of a request that it refuses.
pub(super) fn refusal(url: &Uri, status: StatusCode, body: &[u8]) -> anyhow::Error {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    anyhow!("{url} answers {status}: {}", problem["detail"].as_str().unwrap_or("is this address a node?"))
}

/// The node's answer, or one sentence that says why there is none.
pub(super) async fn send(asked: NodeRequest<'_>) -> anyhow::Result<(StatusCode, Bytes)> {
    let url = asked.url.to_string();
    let mut request =
        Request::builder().method(asked.method).uri(format!("{}{}", url.trim_end_matches('/'), asked.target));
    if let Some(key) = asked.key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    let body = match asked.json {
        Some(json) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(json.to_string())
        }
        None => Body::empty(),
    };
    let request = request
        .body(body)
        .map_err(|_| anyhow!("--url {url:?} is not the address of a node: write http://localhost:4000, for example"))?;
    let answered = async {
        let client = match asked.certificates {
            Certificates::OfAuthorities => https_client(asked.within / 2),
            Certificates::Any => local_client(asked.within / 2),
        };
        let answer = client.request(request).await;
        let answer = answer.map_err(|error| anyhow!("{url} can't be reached: {}", with_causes(&error)))?;
        let status = answer.status();
        anyhow::Ok((status, to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await?))
    };
    tokio::time::timeout(asked.within, answered)
        .await
        .with_context(|| format!("{url} has not answered within {} s", asked.within.as_secs_f32().ceil()))?
}
