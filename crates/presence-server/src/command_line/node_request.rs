//! A request from a command to a running node.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Method, Request, StatusCode, Uri, header};
use clap::Args;

use crate::Origin;
use crate::config::address;
use crate::https_client::{https_client, local_client, with_causes};

/// How long a node may take to answer, unless a command says less.
pub(super) const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// The largest answer that is read: a page has at most 2,000 facts of at most 4 KiB, as JSON.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Which certificates are accepted of a node.
#[derive(Clone, Copy)]
enum Certificates {
    /// Those of an authority that this machine trusts.
    OfAuthorities,
    /// Any: the node is on this machine.
    Any,
}

/// Where a command finds the node that it asks: at an address, or on this machine, where the node's own options say.
#[derive(Clone, Debug, Args)]
pub(super) struct NodeAddress {
    /// The node's address [default: the one that it listens on, on this machine]
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<Uri>,

    /// The address that the node listens on
    #[arg(long, env = "GP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:4000", value_parser = address)]
    pub(super) listen: SocketAddr,

    /// The node's certificate for browsers: if it has one, it is asked over TLS
    #[arg(long, env = "GP_TLS_CERT", value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,

    /// The address that visitors use: a node on this machine answers to its first name
    #[arg(long, env = "GP_PUBLIC_URL", value_name = "URL", value_delimiter = ',', value_parser = Origin::from_str)]
    pub(super) public_url: Vec<Origin>,
}

impl NodeAddress {
    /// The node that is asked.
    pub(super) fn node(self) -> AskedNode {
        if let Some(url) = self.url {
            return AskedNode { url, certificates: Certificates::OfAuthorities, host: None };
        }
        let scheme = if self.tls_cert.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", local(self.listen)).parse().expect("a scheme and an address are a URL");
        let host = self.public_url.into_iter().next().map(|origin| origin.host);
        AskedNode { url, certificates: Certificates::Any, host }
    }
}

/// Where this machine reaches what listens on `address`.
fn local(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

/// A running node.
pub(super) struct AskedNode {
    /// Scheme, host and port.
    pub(super) url: Uri,
    certificates: Certificates,
    /// The name that it answers to, where that is not the host of the URL.
    host: Option<String>,
}

/// What a node is asked.
pub(super) struct NodeRequest<'a> {
    pub(super) node: &'a AskedNode,
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
    let url = asked.node.url.to_string();
    let mut request =
        Request::builder().method(asked.method).uri(format!("{}{}", url.trim_end_matches('/'), asked.target));
    if let Some(host) = &asked.node.host {
        request = request.header(header::HOST, host);
    }
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
        let client = match asked.node.certificates {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_listens_everywhere_is_asked_on_loopback() {
        for (listen, asked) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:4000", "[::1]:4000"), ("192.0.2.1:4000", "192.0.2.1:4000")]
        {
            assert_eq!(local(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
