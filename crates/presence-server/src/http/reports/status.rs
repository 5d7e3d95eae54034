//! `/status`: the state of the mesh, as the node that answers knows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, RawQuery, Request, State};
use axum::response::Response;
use presence_core::{MeshView, NodeView, PeerState};

use super::access::{Caller, StatusReader};
use super::chart::chart;
use super::html::{Tone, mark, number, page as whole_page, section, table};
use super::{ReportSources, answer, busiest};
use crate::http::listen::HttpPeer;
use crate::http::markup::escaped;
use crate::http::metrics::ObservedNode;
use crate::http::occupancy::NodeFigure;
use crate::http::readiness::ReportReader;
use crate::http::sampling;
use crate::http::state::HttpState;
use crate::node_reports::{HeardRegion, NodeReport};
use crate::rfc3339::rfc3339;

const ROOMS_SHOWN: usize = 10;
const HOUR: usize = 60;

/// `GET /status`
pub(super) async fn page(
    State(sources): State<Arc<ReportSources>>,
    Extension(peer): Extension<HttpPeer>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let caller = Caller { peer: &peer, version: request.version(), headers: request.headers() };
    match sources.status_reader(&caller).await {
        Ok(reader) => {
            let paused = query.as_deref() == Some("refresh=off");
            answer(StatusReport::new(&sources, reader).page(paused), paused)
        }
        Err(refusal) => refusal,
    }
}

/// What this node says of itself to the others.
pub(super) fn own_report(state: &HttpState, node: &ObservedNode) -> NodeReport {
    let mesh = state.views.mesh();
    let faults = state.readiness.faults(&mesh);
    let faults = faults.iter().filter(|(_, holds)| *holds).map(|(code, _)| (*code).to_owned());
    NodeReport {
        node: node.name.clone(),
        region: node.region.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready: state.readiness.report(&mesh, ReportReader::Anybody).ready,
        faults: faults.collect(),
        connections: state.connections(),
        connections_max: state.connections_max(),
        queued: waiting(&node.inputs.sockets) + waiting(&node.inputs.mesh),
        regions: heard_regions(&mesh, &node.region),
    }
}

fn waiting<T>(queue: &tokio::sync::mpsc::Sender<T>) -> usize {
    queue.max_capacity().saturating_sub(queue.capacity())
}

/// How a node hears the other regions. Nodes that have left on purpose say nothing of a region.
fn heard_regions(mesh: &MeshView, here: &str) -> Vec<HeardRegion> {
    let mut regions: BTreeMap<&str, HeardRegion> = BTreeMap::new();
    let others = mesh.nodes.iter().filter(|peer| peer.region.as_str() != here);
    for peer in others.filter(|peer| !matches!(peer.state, PeerState::Departed | PeerState::Gone)) {
        let region = regions.entry(peer.region.as_str()).or_insert_with(|| HeardRegion {
            region: peer.region.to_string(),
            heard: true,
            round_trip_ms: None,
            behind: 0,
            counts_us: true,
        });
        region.heard &= peer.state != PeerState::Silent;
        region.counts_us &= peer.counts_us;
        region.behind = region.behind.max(peer.sequence.saturating_sub(peer.whole));
        region.round_trip_ms = region.round_trip_ms.into_iter().chain(peer.round_trip_ms).min();
    }
    regions.into_values().collect()
}

/// What a reader is shown.
struct StatusReport<'a> {
    state: &'a HttpState,
    node: &'a ObservedNode,
    reader: StatusReader,
    mesh: Arc<MeshView>,
    /// Each node that is known, with its newest report, if there is one.
    nodes: Vec<(NodeView, Option<Arc<NodeReport>>)>,
}

impl<'a> StatusReport<'a> {
    fn new(sources: &'a ReportSources, reader: StatusReader) -> Self {
        let (state, node) = (&*sources.state, &*sources.node);
        let mesh = state.views.mesh();
        let own = Arc::new(own_report(state, node));
        let report = |peer: &NodeView| match peer.name.as_str() == node.name {
            true => Some(Arc::clone(&own)),
            false => node.reports.of(peer.name.as_str()),
        };
        let nodes = mesh.nodes.iter().map(|peer| (peer.clone(), report(peer))).collect();
        Self { state, node, reader, mesh, nodes }
    }

    fn page(&self, paused: bool) -> String {
        let ready = self.state.readiness.report(&self.mesh, ReportReader::Anybody).ready;
        let (tone, word) = if ready { (Tone::Good, "ready") } else { (Tone::Bad, "not ready") };
        let at = rfc3339(self.state.views.now_ms());
        let title = format!("Status, seen from {}", self.node.region);
        let lead = format!("<p>{} <small>at {at}</small></p>", mark(tone, word));
        let mut sections = vec![
            section("What is wrong", &self.faults()),
            section("Regions", &self.matrix()),
            section("The last hour", &self.charts()),
            section("Nodes", &self.nodes()),
        ];
        if self.reader == StatusReader::Operator {
            sections.push(section("Busiest rooms", &self.rooms()));
        }
        sections.push(section("Queues of this node", &self.queues()));
        whole_page(&title, &lead, &sections, paused, if paused { "/status" } else { "/status?refresh=off" })
    }

    /// What is wrong with this node and with the others, in sentences.
    fn faults(&self) -> String {
        let reader = match self.reader {
            StatusReader::Operator => ReportReader::Key,
            StatusReader::Anybody => ReportReader::Anybody,
        };
        let own = self.state.readiness.report(&self.mesh, reader);
        let mut lines: Vec<String> = own.degraded().map(escaped).collect();
        for report in self.nodes.iter().filter_map(|(_, report)| report.as_ref()) {
            let other = report.node != self.node.name && !report.faults.is_empty();
            let who = match self.reader {
                StatusReader::Operator => &report.node,
                StatusReader::Anybody => &report.region,
            };
            let sentences = || report.faults.iter().map(|code| format!("{}: {}", escaped(who), fault_sentence(code)));
            lines.extend(other.then(sentences).into_iter().flatten());
        }
        if lines.is_empty() {
            return format!("<p>{}</p>", mark(Tone::Good, "nothing that is known here"));
        }
        lines.iter().fold("<ul>".to_owned(), |list, line| list + "<li>" + line + "</li>") + "</ul>"
    }

    /// Each pair of regions: a row is how one region hears the others.
    fn matrix(&self) -> String {
        let codes: Vec<&str> = self.mesh.regions.iter().map(|region| region.region.as_str()).collect();
        let rows: Vec<Vec<String>> = codes.iter().map(|from| self.matrix_row(from, &codes)).collect();
        let heads: Vec<&str> = std::iter::once("from \\ to").chain(codes.iter().copied()).collect();
        let note = "<p class=\"note\">A row is how a region hears the others: round trip, changes that are missing, and whether the \
                    other one counts its visitors.</p>";
        note.to_owned() + &table("Pairs of regions", &heads, &rows)
    }

    fn matrix_row(&self, from: &str, codes: &[&str]) -> Vec<String> {
        let reports: Vec<_> = self.nodes.iter().filter_map(|(_, report)| report.as_ref()).collect();
        let reports: Vec<_> = reports.into_iter().filter(|report| report.region == from).collect();
        let cells = codes.iter().map(|to| {
            if *to == from {
                return "–".to_owned();
            }
            let heard = reports.iter().flat_map(|report| &report.regions).filter(|heard| heard.region == *to);
            // Of several nodes of a region the worst is shown.
            let worst = heard.max_by_key(|heard| (!heard.heard, !heard.counts_us, heard.behind, heard.round_trip_ms));
            worst.map_or_else(|| mark(Tone::Unknown, "unknown"), pair)
        });
        std::iter::once(escaped(from)).chain(cells).collect()
    }

    fn charts(&self) -> String {
        let drawn = [
            ("People in all rooms", NodeFigure::Users),
            ("Connections of this node", NodeFigure::Connections),
            ("Deliveries a minute", NodeFigure::Deliveries),
            ("Inputs a minute", NodeFigure::Inputs),
        ];
        let drawn = drawn.map(|(title, figure)| chart(title, &sampling::node(self.state, figure), HOUR));
        format!("<div class=\"charts\">\n{}</div>", drawn.concat())
    }

    fn nodes(&self) -> String {
        let named = self.reader == StatusReader::Operator;
        let rows: Vec<Vec<String>> =
            self.nodes.iter().map(|(peer, report)| node_row(peer, report.as_deref(), named)).collect();
        let heads = ["node", "state", "version", "connections", "queued", "heard"];
        let heads: &[&str] =
            if named { &heads } else { &["region", "state", "version", "connections", "queued", "heard"] };
        table("Nodes", heads, &rows)
    }

    fn rooms(&self) -> String {
        let rooms = busiest(self.state.views.rooms());
        let shown = rooms.iter().take(ROOMS_SHOWN);
        let rows: Vec<Vec<String>> = shown
            .map(|view| {
                let room = format!("<span class=\"long\">{}</span>", escaped(view.room.as_str()));
                vec![room, number(view.users.into()), number(view.tabs.into())]
            })
            .collect();
        match rows.is_empty() {
            true => "<p>All rooms are empty.</p>".to_owned(),
            false => table("Busiest rooms", &["room", "people", "tabs"], &rows),
        }
    }

    fn queues(&self) -> String {
        let queue = |name: &str, waiting: usize, most: String| vec![name.to_owned(), number(waiting as u64), most];
        let inputs = &self.node.inputs;
        let mut rows = vec![
            queue("driver: from visitors", waiting(&inputs.sockets), number(inputs.sockets.max_capacity() as u64)),
            queue("driver: from other nodes", waiting(&inputs.mesh), number(inputs.mesh.max_capacity() as u64)),
        ];
        if let Some(store) = &self.node.store {
            rows.push(queue("disk", store.progress().pending, "–".to_owned()));
        }
        for (index, receiver) in self.node.webhooks.iter().flat_map(|webhooks| webhooks.receivers()).enumerate() {
            let oldest = receiver.oldest_pending().as_secs();
            rows.push(vec![format!("webhooks of receiver {index}"), format!("oldest: {oldest} s"), "–".to_owned()]);
        }
        table("Queues", &["queue", "waiting", "at most"], &rows)
    }
}

/// What the code of a fault of another node means.
fn fault_sentence(code: &str) -> String {
    let sentence = match code {
        "links" => "its links to other nodes are disturbed.",
        "clock" => "its clock is wrong.",
        "nats" => "its connection to NATS is disturbed.",
        "disk" => "it can't write facts to its disk.",
        "memory" => "its memory is full.",
        "proxy_untrusted" => "a proxy in front of it is not trusted (--trusted-proxy).",
        "driver_stalled" => "it hangs.",
        "part_ended" => "a part of it has ended; it stops.",
        // Of a later version.
        other => return format!("it is degraded ({}); its own /readyz says why.", escaped(other)),
    };
    sentence.to_owned()
}

/// How one region hears another one.
fn pair(heard: &HeardRegion) -> String {
    let time = heard.round_trip_ms.map_or_else(|| "heard".to_owned(), |ms| format!("{ms} ms"));
    let (tone, word) = if heard.heard { (Tone::Good, time) } else { (Tone::Bad, "silent".to_owned()) };
    let agreement = if heard.counts_us { "agrees" } else { "does not count it" };
    let tone = if heard.counts_us { tone } else { Tone::Bad };
    format!("{}<small>{} behind, {agreement}</small>", mark(tone, &word), number(heard.behind))
}

fn node_row(peer: &NodeView, report: Option<&NodeReport>, named: bool) -> Vec<String> {
    let tone = if peer.state == PeerState::Live { Tone::Good } else { Tone::Bad };
    let name = match named {
        true => format!("{}<br><small>{}</small>", escaped(peer.name.as_str()), escaped(peer.region.as_str())),
        false => escaped(peer.region.as_str()),
    };
    let told = |value: fn(&NodeReport) -> String| {
        report.map_or_else(|| "unknown".to_owned(), |report| escaped(&value(report)))
    };
    vec![
        name,
        mark(tone, peer.state.as_str()),
        told(|report| report.version.clone()),
        told(|report| format!("{} of {}", number(report.connections as u64), number(report.connections_max as u64))),
        told(|report| number(report.queued as u64)),
        format!("{:.1} s ago", peer.heard_ms_ago as f64 / 1_000.0),
    ]
}

#[cfg(test)]
mod tests {
    use presence_core::{Place, Region};

    use super::*;
    use crate::http::readiness::Readiness;
    use crate::memory::MemoryUse;
    use crate::views::Views;

    #[test]
    fn each_fault_that_a_node_names_is_a_sentence_and_one_of_a_later_version_is_named() {
        let mesh = Views::new(Region::new("ams").unwrap(), Place::default(), 7).mesh();
        for (code, _) in Readiness::new(true, MemoryUse::new(None)).faults(&mesh) {
            let sentence = fault_sentence(code);
            assert!(sentence.contains(' ') && !sentence.contains("/readyz"), "{code}: {sentence}");
        }
        assert_eq!(fault_sentence("<b>"), "it is degraded (&lt;b&gt;); its own /readyz says why.");
    }
}
