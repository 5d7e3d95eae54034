//! The other nodes, as this one hears them.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use presence_core::{DialError, LinkCounts, NodeCounts, NodeView, PeerState, ReceiptTimes, RowTotals};

use super::ObservedNode;
use super::writer::{MetricWriter, Spread};
use crate::http::state::HttpState;
use crate::mesh::{Counts, LinkTraffic};

pub(super) fn write(to: &mut MetricWriter<'_>, state: &HttpState, node: &ObservedNode) -> fmt::Result {
    let mesh = state.views.mesh();
    let heard = mesh.regions.iter().filter(|region| region.is_heard()).count();
    let regions = [("known", mesh.regions.len()), ("heard", heard)].map(|(state, count)| ([("state", state)], count));
    to.gauges("mesh_regions", "Regions that are known, and those that are fully heard", regions)?;
    let nodes = PeerState::ALL
        .map(|state| ([("state", state.as_str())], mesh.nodes.iter().filter(|node| node.state == state).count()));
    to.gauges("mesh_nodes", "Nodes by state, this one included", nodes)?;
    to.gauge("facts", "Facts that this node holds", mesh.facts)?;
    to.gauge("facts_bytes", "The bytes of these facts", mesh.facts_bytes)?;
    let RowTotals { own, others, held, unsure } = mesh.rows;
    let rows = [("own", own), ("others", others), ("held", held), ("unsure", unsure)];
    let rows = rows.map(|(of, count)| ([("of", of)], count));
    to.gauges("rows", "Rows, one for each user in each room of each node, by whose they are", rows)?;
    let root = [("root", mesh.facts_root.as_str())];
    to.gauges("facts_root_info", "Equal on nodes that hold equal facts", [(root, 1_u32)])?;
    to.counter("mesh_tables_asked", "Whole tables of rows that were asked for", mesh.tables_asked)?;
    let NodeCounts { facts_written, links: LinkCounts { opened, lost }, gaps, .. } = mesh.counts;
    to.counter("facts_written", "Facts that this node has written, removals included", facts_written)?;
    to.counter("mesh_gaps", "Times that changes of another node were missing and asked for", gaps)?;
    to.counter("mesh_links_opened", "Dials that led to a link that is used", opened)?;
    to.counter("mesh_links_lost", "Links that this node had dialled and that ended unexpectedly", lost)?;
    to.counter("mesh_root_faults", "Differences between rows and what their author says of them", mesh.root_faults)?;

    // All from the start, with 0: where a counter begins with its first number, a monitoring system sees no increase.
    let none = ReceiptTimes::default();
    let propagation = mesh.regions.iter().map(|region| {
        let times = mesh.receipt_times.get(&region.region).unwrap_or(&none);
        ([("to_region", region.region.to_string())], spread(times))
    });
    let help = "Time from a write that this node took to its drawing in a region, by this node's clock alone: half of the way to the receipt and back is the way there. Of writes that ask for receipts";
    to.histograms("propagation_seconds", help, propagation)?;

    let peers: Vec<&NodeView> = mesh.nodes.iter().filter(|peer| peer.name.as_str() != node.name).collect();
    let labels = |peer: &NodeView| [("peer", peer.name.to_string()), ("peer_region", peer.region.to_string())];
    let heard_ago = peers.iter().map(|peer| (labels(peer), peer.heard_ms_ago as f64 / 1_000.0));
    to.gauges("mesh_peer_heard_seconds", "Time since a node was heard", heard_ago)?;
    let round_trips = peers.iter().filter_map(|peer| Some((labels(peer), f64::from(peer.round_trip_ms?) / 1_000.0)));
    to.gauges("mesh_peer_round_trip_seconds", "Round-trip time to a node", round_trips)?;
    let behind = peers.iter().map(|peer| (labels(peer), peer.sequence.saturating_sub(peer.whole)));
    to.gauges("mesh_peer_behind", "Changes of a node that are missing here", behind)?;
    let relayed = peers.iter().map(|peer| (labels(peer), u32::from(peer.via.is_some())));
    to.gauges("mesh_peer_relayed", "Whether a node is heard through another one only", relayed)?;
    let hears_us = peers.iter().map(|peer| (labels(peer), u32::from(peer.hears_us)));
    to.gauges("mesh_peer_hears_us", "Whether a node hears this one", hears_us)?;
    let counts_us = peers.iter().map(|peer| (labels(peer), u32::from(peer.counts_us)));
    to.gauges("mesh_peer_counts_us", "Whether a node counts this node's visitors", counts_us)?;
    let wrong = peers.iter().map(|peer| (labels(peer), u32::from(peer.wrong_clock)));
    to.gauges("mesh_peer_wrong_clock", "Whether the clock of a node is wrong", wrong)?;
    links(to, node, mesh.counts.not_relayed)
}

fn spread(times: &ReceiptTimes) -> Spread {
    let bounds = ReceiptTimes::UP_TO_MS.map(|ms| f64::from(ms) / 1_000.0);
    let buckets = bounds.into_iter().zip(times.counts).chain([(f64::INFINITY, times.slower)]);
    Spread { sum: times.sum_ms as f64 / 1_000.0, buckets: buckets.collect() }
}

fn links(to: &mut MetricWriter<'_>, node: &ObservedNode, not_relayed: u64) -> fmt::Result {
    let Some(counts) = node.mesh.get() else { return Ok(()) };
    let dropped = [
        ("driver_full", &counts.inputs_dropped),
        ("reader_full", &counts.messages_dropped),
        ("oversized", &counts.oversized),
    ];
    let dropped = dropped.map(|(reason, count)| (reason, count.load(Relaxed))).into_iter();
    let dropped = dropped.chain([("not_relayed", not_relayed)]).map(|(reason, count)| ([("reason", reason)], count));
    to.counters("mesh_messages_dropped", "Messages between nodes that were dropped; gaps are repaired", dropped)?;
    if let Some(ends_at) = counts.trust.get().and_then(|trust| trust.read().ends_at()) {
        let help = "When the first certificate of --mesh-cert ends, or of the authority that signed it";
        to.gauge("mesh_certificate_expiry_timestamp_seconds", help, ends_at)?;
    }
    let failed = DialError::ALL.map(|reason| ([("reason", reason.code())], counts.dials_failed(reason)));
    to.counters("mesh_dials_failed", "Dials that ended without a link", failed)?;
    let help = "Messages between nodes; one that is published to all nodes is sent once";
    to.counters("mesh_messages", help, traffic(counts, |traffic| traffic.count.load(Relaxed)))?;
    to.counters("mesh_bytes", "The bytes of these messages", traffic(counts, |traffic| traffic.bytes.load(Relaxed)))
}

fn traffic(counts: &Counts, value: fn(&LinkTraffic) -> u64) -> Vec<([(&'static str, &'static str); 2], u64)> {
    let directions = [("sent", &counts.sent), ("received", &counts.received)];
    let series = directions.map(|(direction, of)| {
        [("message", &of.messages), ("question", &of.questions), ("answer", &of.answers)]
            .map(|(kind, traffic)| ([("direction", direction), ("kind", kind)], value(traffic)))
    });
    series.into_iter().flatten().collect()
}
