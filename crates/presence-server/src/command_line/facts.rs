//! The command that lists and removes facts: of a running node by its API, or in the data directory of a stopped one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, Uri, header};
use clap::{Args, Subcommand};
use presence_core::{EntryId, Found, Input, Node, NodeName, Output, Place, Query, Region, Room, Settings};
use serde_json::Value;

use crate::clock::{Clocks, wall_ms};
use crate::config::Secrets;
use crate::http::{FactsAnswer, RemovedAnswer};
use crate::https_client::{https_client, with_causes};
use crate::identity::sha256;
use crate::secret::random;
use crate::store::Store;

/// How long a node may take to answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// The largest answer that is read: a page has at most 2,000 facts of at most 4 KiB, as JSON.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Lists and removes facts: what apps have written for good.
///
/// ```no_run
/// # #[tokio::main] async fn main() -> anyhow::Result<()> {
/// use clap::Parser;
/// use presence_server::FactsCommand;
///
/// #[derive(Parser)]
/// struct Line {
///     #[command(flatten)]
///     facts: FactsCommand,
/// }
///
/// let line = Line::parse_from(["facts", "list", "shop", "--data-dir", "/var/lib/presence"]);
/// line.facts.run().await?.iter().for_each(|line| println!("{line}"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Args)]
#[command(about = "Lists or removes facts: what apps have written for good", long_about = None)]
pub struct FactsCommand {
    #[command(subcommand)]
    action: FactsAction,
}

#[derive(Clone, Debug, Subcommand)]
enum FactsAction {
    /// Lists the facts of a room, one JSON object a line
    List {
        /// The room's name
        #[arg(value_name = "ROOM")]
        room: String,

        #[command(flatten)]
        of: FactsOf,
    },
    /// Removes a register, a log or one entry of a log, in every region
    Delete {
        /// The room's name
        #[arg(value_name = "ROOM")]
        room: String,

        /// The name of the register or the log
        #[arg(value_name = "KEY")]
        key: String,

        /// Only this entry of a log, as the list names it
        #[arg(long, value_name = "ENTRY")]
        entry: Option<String>,

        #[command(flatten)]
        of: FactsOf,
    },
}

#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
struct FactsOf {
    /// A running node, such as http://localhost:4000; its GP_API_KEY must be in the environment
    #[arg(long, value_name = "URL")]
    url: Option<Uri>,

    /// The data directory of a node that is stopped; the others learn of a removal when it is started
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl FactsCommand {
    /// What is to be printed, line by line.
    ///
    /// # Errors
    ///
    /// One sentence that says what to do: about a node that does not answer, a wrong key, a folder without facts.
    pub async fn run(self) -> anyhow::Result<Vec<String>> {
        match self.action {
            FactsAction::List { room, of } => list(&of, &room).await,
            FactsAction::Delete { room, key, entry, of } => {
                let removed = match &of.data_dir {
                    Some(folder) => serde_json::to_value(delete_stored(folder, room, key, entry.as_deref()).await?)?,
                    None => {
                        let entry = entry.as_deref().map(|entry| ("entry", entry));
                        let query: Vec<_> = [("room", &*room), ("key", &*key)].into_iter().chain(entry).collect();
                        ask(&of, Method::DELETE, &query).await?
                    }
                };
                Ok(vec![removed.to_string()])
            }
        }
    }
}

async fn list(of: &FactsOf, room: &str) -> anyhow::Result<Vec<String>> {
    let (mut lines, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = match &of.data_dir {
            Some(folder) => serde_json::to_value(list_stored(folder, room, after.clone()).await?)?,
            None => {
                let after = after.as_deref().map(|after| ("after", after));
                ask(of, Method::GET, &[("room", room)].into_iter().chain(after).collect::<Vec<_>>()).await?
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

/// A running node's answer to a request.
async fn ask(of: &FactsOf, method: Method, query: &[(&str, &str)]) -> anyhow::Result<Value> {
    let url = of.url.as_ref().map(ToString::to_string).unwrap_or_default();
    let key = Secrets::from_environment().api_key.context("set GP_API_KEY to the node's key")?;
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let request = Request::builder()
        .method(method)
        .uri(format!("{}/api/v1/facts?{query}", url.trim_end_matches('/')))
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .body(Body::empty())
        .map_err(|_| anyhow!("--url {url:?} is not the address of a node: write http://localhost:4000, for example"))?;
    let answered = async {
        let answer = https_client(ANSWERED_WITHIN / 2).request(request).await;
        let answer = answer.map_err(|error| anyhow!("{url} can't be reached: {}", with_causes(&error)))?;
        let status = answer.status();
        let body = to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await?;
        anyhow::Ok((status, body))
    };
    let answered = tokio::time::timeout(ANSWERED_WITHIN, answered).await;
    let (status, body) = answered.with_context(|| format!("{url} has not answered within 10 s"))??;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status != StatusCode::OK {
        bail!("{url} answers {status}: {}", body["detail"].as_str().unwrap_or("is this address a node?"));
    }
    Ok(body)
}

async fn list_stored(folder: &Path, room: &str, after: Option<String>) -> anyhow::Result<FactsAnswer> {
    let query = Input::Queried { query: 0, what: Query::Facts { room: room_named(room)?, after } };
    let Found::Facts(found) = handle_stored(folder, query).await? else { bail!("the folder's facts can't be listed") };
    Ok(FactsAnswer::new(room.to_owned(), found))
}

async fn delete_stored(folder: &Path, room: String, key: String, entry: Option<&str>) -> anyhow::Result<RemovedAnswer> {
    let entry = entry.map(|entry| EntryId::parse(entry).context("--entry must be as the list names it"));
    let removal =
        Input::FactRemoved { query: 0, room: room_named(&room)?, key: key.clone(), entry: entry.transpose()? };
    let Found::Removed(removed) = handle_stored(folder, removal).await? else { bail!("the fact can't be removed") };
    Ok(RemovedAnswer { room, key, removed })
}

fn room_named(name: &str) -> anyhow::Result<Room> {
    Room::new(name).with_context(|| format!("a room's name has 1 to {} bytes", Room::NAME_BYTES_MAX))
}

/// Lets a node that has these facts, and is linked to no other, take an input; keeps what it wants to be kept.
async fn handle_stored(folder: &Path, input: Input) -> anyhow::Result<Found> {
    ensure!(Store::exists(folder), "{} has no facts: write the --data-dir of a node", folder.display());
    let (store, kept) =
        Store::open(folder, Box::new(|_| {}), None).context("stop the node first, or write its --url")?;
    let (clock, here) = (Clocks::started(), Region::new("local").expect("a code"));
    let settings = Settings {
        place: Place { name: here.to_string(), location: None },
        region: here,
        name: kept.node.unwrap_or_else(|| NodeName::new("facts").expect("a name")),
        incarnation: kept.incarnation.max(wall_ms()),
        birth: u64::from_ne_bytes(random()),
        advertised: Vec::new(),
        meshed: false,
        digest: sha256,
        key: None,
    };
    let records: Vec<Vec<u8>> = kept.records.into_values().collect();
    let mut node = Node::new(settings, &records, Vec::new(), clock.now());
    let mut answer = None;
    for output in node.handle(input, clock.now()) {
        match output {
            Output::Keep { key, record } => store.keep(key, record),
            Output::Found { found, .. } => answer = Some(found),
            _ => {}
        }
    }
    store.close().await.map_err(anyhow::Error::msg)?;
    answer.context("the facts can't be read")
}
