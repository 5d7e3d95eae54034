//! The command that lists, removes, exports and imports facts: of a running node by its API, or in the data directory of a
//! stopped one.

mod transfer;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use axum::http::{Method, StatusCode};
use clap::{Args, Subcommand};
use presence_core::{FactSettings, Found, Input, Node, NodeName, Output, Place, Query, Region, Room};
use serde_json::Value;

use super::node_request::{ANSWERED_WITHIN, NodeAddress, NodeRequest, refusal, send};
use crate::clock::{Clocks, wall_ms};
use crate::config::Secrets;
use crate::http::{FactsAnswer, RemovedAnswer};
use crate::running::settings;
use crate::store::Store;

/// Lists, removes, exports and imports facts: values of apps that outlive nodes.
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
#[command(about = "Lists, removes, exports or imports facts: values of apps that outlive nodes", long_about = None)]
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
    /// Removes everything of a name, or one entry of it, in every region
    Delete {
        /// The room's name
        #[arg(value_name = "ROOM")]
        room: String,

        /// The name of the register, log, map, counter or set
        #[arg(value_name = "KEY")]
        key: String,

        /// Only this entry of a log or a map, or this user of a set, as the list names it
        #[arg(long, value_name = "ENTRY")]
        entry: Option<String>,

        #[command(flatten)]
        of: FactsOf,
    },
    /// Prints all facts of all rooms, one JSON object a line
    Export {
        #[command(flatten)]
        of: FactsOf,
    },
    /// Brings in the facts that an export has printed; of each, the newer one stays
    Import {
        /// The file with the lines
        #[arg(value_name = "FILE")]
        file: PathBuf,

        #[command(flatten)]
        of: FactsOf,
    },
}

/// A running node, whose GP_API_KEY must be in the environment, or the folder of one that is stopped.
#[derive(Clone, Debug, Args)]
struct FactsOf {
    #[command(flatten)]
    node: NodeAddress,

    /// Instead: the data directory of a node that is stopped; the others learn of a removal when it is started
    #[arg(long, value_name = "FOLDER", conflicts_with = "url")]
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
                    Some(folder) => serde_json::to_value(delete_stored(folder, room.clone(), key, entry).await?)?,
                    None => {
                        let entry = entry.as_deref().map(|entry| ("entry", entry));
                        let query: Vec<_> = [("room", &*room), ("key", &*key)].into_iter().chain(entry).collect();
                        ask(&of, Method::DELETE, "/api/v1/facts", &query, None).await?
                    }
                };
                if removed["removed"] == 0 {
                    // The answer is for programs.
                    eprintln!("nothing was removed: {room} has nothing of this name; `facts list` prints the names");
                }
                Ok(vec![removed.to_string()])
            }
            FactsAction::Export { of } => transfer::export(&of).await,
            FactsAction::Import { file, of } => transfer::import(&of, &file).await,
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
                let query: Vec<_> = [("room", room)].into_iter().chain(after).collect();
                ask(of, Method::GET, "/api/v1/facts", &query, None).await?
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
async fn ask(
    of: &FactsOf,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
    json: Option<&Value>,
) -> anyhow::Result<Value> {
    let node = &of.node.clone().node();
    let key = Secrets::from_environment().api_key.context("set GP_API_KEY to the node's key")?;
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let target = format!("{path}?{query}");
    let within = ANSWERED_WITHIN;
    let asked = NodeRequest { node, method, target: &target, key: Some(&key), json, within };
    let (status, body) = send(asked).await?;
    if status != StatusCode::OK {
        return Err(refusal(&node.url, status, &body));
    }
    Ok(serde_json::from_slice(&body).unwrap_or_default())
}

async fn list_stored(folder: &Path, room: &str, after: Option<String>) -> anyhow::Result<FactsAnswer> {
    let query = Input::Queried { query: 0, what: Query::Facts { room: room_named(room)?, after } };
    let Found::Facts(found) = handle_stored(folder, query).await? else { bail!("the folder's facts can't be listed") };
    Ok(FactsAnswer::new(room.to_owned(), found))
}

async fn delete_stored(
    folder: &Path,
    room: String,
    key: String,
    entry: Option<String>,
) -> anyhow::Result<RemovedAnswer> {
    let removal = Input::FactRemoved { query: 0, room: room_named(&room)?, key: key.clone(), entry, trace: None };
    let Found::Removed(removed) = handle_stored(folder, removal).await? else { bail!("the fact can't be removed") };
    Ok(RemovedAnswer { room, key, removed })
}

fn room_named(name: &str) -> anyhow::Result<Room> {
    Room::new(name).with_context(|| format!("a room's name has 1 to {} bytes", Room::NAME_BYTES_MAX))
}

/// Lets a node that has these facts, and is linked to no other, take an input; keeps what it wants to be kept. A query leaves the
/// folder as it is.
async fn handle_stored(folder: &Path, input: Input) -> anyhow::Result<Found> {
    let is_import = matches!(input, Input::FactsImported { .. });
    ensure!(is_import || Store::exists(folder), "{} has no facts: write the --data-dir of a node", folder.display());
    let (store, kept) = match &input {
        Input::Queried { .. } => (None, Store::read(folder)?),
        _ => {
            let opened = Store::open(folder, Box::new(|_| {}), None);
            let (store, kept) = opened.context("stop the node first, or write its --url")?;
            (Some(store), kept)
        }
    };
    let (clock, here) = (Clocks::started(), Region::new("local").expect("a code"));
    let place = Place { name: here.to_string(), location: None };
    let name = kept.node.unwrap_or_else(|| NodeName::new("facts").expect("a name"));
    let settings = settings(here, place, name, kept.incarnation.max(wall_ms()), false, FactSettings::default());
    let records: Vec<Vec<u8>> = kept.records.into_values().collect();
    let mut node = Node::new(settings, &records, Vec::new(), clock.now());
    let mut answer = None;
    for output in node.handle(input, clock.now()) {
        match (output, &store) {
            (Output::Keep { key, record }, Some(store)) => store.keep(vec![(key, record)]),
            (Output::Found { found, .. }, _) => answer = Some(found),
            _ => {}
        }
    }
    if let Some(store) = store {
        store.close().await.map_err(anyhow::Error::msg)?;
    }
    answer.context("the facts can't be read")
}
