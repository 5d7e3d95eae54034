//! The command that shows the mesh in a terminal, as one node knows it, each second.

mod screen;
mod snapshot;

use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::http::{Method, StatusCode};
use clap::Args;
use serde_json::Value;
use tokio::time::MissedTickBehavior;

use self::screen::Screen;
use self::snapshot::{MeshSample, lines};
use super::node_request::{ANSWERED_WITHIN, AskedNode, NodeAddress, NodeRequest, refusal, send};
use crate::config::Secrets;

/// How often the node is asked.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// Shows nodes, regions, round trips, users, sockets and what is wrong, as a running node knows them.
///
/// ```no_run
/// # #[tokio::main] async fn main() -> anyhow::Result<()> {
/// use clap::Parser;
/// use presence_server::TopCommand;
///
/// #[derive(Parser)]
/// struct Line {
///     #[command(flatten)]
///     top: TopCommand,
/// }
///
/// let line = Line::parse_from(["top", "--once", "--url", "https://example.org"]);
/// line.top.run().await?.iter().for_each(|line| println!("{line}"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Args)]
#[command(about = "Shows the mesh in a terminal, as a running node knows it, until q is pressed", long_about = None)]
pub struct TopCommand {
    #[command(flatten)]
    node: NodeAddress,

    /// Prints a table once, for scripts
    #[arg(long)]
    once: bool,
}

impl TopCommand {
    /// The lines that are to be printed: none after a screen was shown. The node's `GP_API_KEY` must be in the environment, unless
    /// the node is on this machine and has none.
    ///
    /// # Errors
    ///
    /// One sentence that says what to do: about a node that does not answer at the start, or a wrong key.
    pub async fn run(self) -> anyhow::Result<Vec<String>> {
        let key = Secrets::from_environment().api_key;
        let (node, key) = (self.node.node(), key.as_deref());
        let mut shown = lines(&sample(&node, key).await?);
        if self.once {
            return Ok(shown);
        }
        let mut screen = Screen::open()?;
        let mut ticks = tokio::time::interval(ASKED_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            screen.show(&shown)?;
            let next = async {
                ticks.tick().await;
                sample(&node, key).await
            };
            tokio::select! {
                () = screen.left() => return Ok(Vec::new()),
                // A node that is restarted is back soon; what it said last stays until then.
                sampled = next => match sampled {
                    Ok(sample) => shown = lines(&sample),
                    Err(error) => mark_stale(&mut shown, &error),
                },
            }
        }
    }
}

/// Says in the first line that what follows is old, and why.
fn mark_stale(shown: &mut Vec<String>, error: &anyhow::Error) {
    let old = format!("no answer, the rest is old: {error:#}");
    match shown.first_mut() {
        Some(first) => *first = old,
        None => shown.push(old),
    }
}

/// Asks the node once.
async fn sample(node: &AskedNode, key: Option<&str>) -> anyhow::Result<MeshSample> {
    let mesh: Value = serde_json::from_slice(&ask(node, key, "/api/v1/mesh").await?).context("the mesh is no JSON")?;
    let report: Value = serde_json::from_slice(&ask(node, key, "/readyz").await?).context("/readyz is no JSON")?;
    let metrics = String::from_utf8(ask(node, key, "/metrics").await?).context("the metrics are no text")?;
    MeshSample::read(&mesh, &report, &metrics).context("the answer is not a node's, or its key may not see nodes")
}

async fn ask(node: &AskedNode, key: Option<&str>, target: &str) -> anyhow::Result<Vec<u8>> {
    let (method, within) = (Method::GET, ANSWERED_WITHIN);
    let (status, body) = send(NodeRequest { node, method, target, key, json: None, within }).await?;
    // A node that is not ready says so with a report.
    let is_report = target == "/readyz" && status == StatusCode::SERVICE_UNAVAILABLE;
    if status == StatusCode::OK || is_report {
        return Ok(body.into());
    }
    if status == StatusCode::UNAUTHORIZED && key.is_none() {
        bail!("set GP_API_KEY to the node's key");
    }
    Err(refusal(&node.url, status, &body))
}
