//! Visitors: who is here, and what their sockets do.

use std::fmt;

use presence_core::TabCounts;

use super::writer::{MetricWriter, Spread};
use crate::close_reason::CloseReason;
use crate::http::state::HttpState;
use crate::hub::{ProtocolStats, SocketStats, TimeHistogram};

pub(super) fn write(to: &mut MetricWriter<'_>, state: &HttpState) -> fmt::Result {
    let sockets = state.hub.socket_stats();
    let by_protocol = |value: fn(&ProtocolStats) -> u64| {
        sockets.protocols().iter().map(move |protocol| ([("protocol", protocol.name)], value(protocol)))
    };
    to.gauges("sockets", "Open WebSockets", by_protocol(|protocol| protocol.open()))?;
    to.counters("sockets_opened", "WebSockets that began", by_protocol(|protocol| protocol.begun()))?;
    let ended = CloseReason::ALL.map(|reason| ([("reason", reason.as_str())], sockets.ended(reason)));
    to.counters("sockets_closed", "WebSockets that ended, by reason", ended)?;
    traffic(to, sockets)?;
    let help = "Sockets that were offered the frames of a broadcast, added up over all broadcasts";
    to.counter("deliveries", help, sockets.deliveries())?;
    let clicks = sockets.clicks().map(|(result, count)| ([("result", result)], count));
    to.counters("clicks", "Clicks of this node's visitors that were answered", clicks)?;
    to.counter("messages", "Published messages that arrived, from this node or another one", sockets.messages())?;
    let streams = state.hub.streams().map(|(kind, count)| ([("kind", kind)], count));
    to.gauges("streams", "Rooms and streams that sockets of this node listen to, by what they are sent", streams)?;
    to.gauge("subscriptions", "Subscriptions of all sockets", sockets.subscriptions())?;
    let help = "Addresses that hold as many sockets and streams as one may";
    to.gauge("addresses_at_limit", help, state.addresses_at_limit())?;
    to.gauge("connections", "Connections over HTTP, sockets included", state.connections())?;
    to.gauge("connections_max", "How many connections the node accepts", state.connections_max())?;

    let rooms = state.views.rooms();
    let sum = |value: fn(&presence_core::RoomView) -> u32| rooms.iter().map(|room| u64::from(value(room))).sum::<u64>();
    let users = [("sure", sum(|room| room.users)), ("unsure", sum(|room| room.unsure))];
    let users = users.map(|(certainty, users)| ([("certainty", certainty)], users));
    to.gauges("users", "Users in all regions, added up over all rooms", users)?;
    to.gauge("tabs", "Tabs in all regions, added up over all rooms", sum(|room| room.tabs))?;
    to.gauge("rooms", "Rooms with users or facts, in all regions", rooms.len())?;
    tabs(to, state.views.mesh().counts.tabs)
}

/// What goes over sockets, and how fast.
fn traffic(to: &mut MetricWriter<'_>, sockets: &SocketStats) -> fmt::Result {
    let directions = [("received", &sockets.received), ("sent", &sockets.sent)];
    let frames = directions.map(|(direction, of)| ([("direction", direction)], of.frames.get()));
    to.counters("socket_frames", "WebSocket frames; those that were sent are counted at the next ping", frames)?;
    let bytes = directions.map(|(direction, of)| ([("direction", direction)], of.bytes.get()));
    to.counters("socket_bytes", "The bytes of these frames", bytes)?;
    to.gauge("socket_queue_bytes", "Memory of what waits for slow sockets", sockets.queued_bytes())?;
    to.counter("socket_pauses", "Pauses in reading from sockets that send more than they may", sockets.pauses.get())?;
    to.histogram("pong_seconds", "Time from a ping to a browser's answer", &spread(&sockets.pongs))?;
    let help =
        "Time to write to all listeners of a stream: what one drawing takes, or the messages that leave together";
    to.histogram("flush_seconds", help, &spread(&sockets.flushes))?;
    let help = "Drawings that left as a part of a later one, since an earlier one was being written";
    to.counter("drawings_folded", help, sockets.folded.get())
}

fn spread<const N: usize>(times: &TimeHistogram<N>) -> Spread {
    Spread { sum: times.sum().as_secs_f64(), buckets: times.buckets() }
}

/// Tabs of this node's visitors that began, ended, or took the place of another one.
fn tabs(to: &mut MetricWriter<'_>, tabs: TabCounts) -> fmt::Result {
    to.counter("joins", "Tabs that joined a room at this node", tabs.joined)?;
    let left =
        [("closed", tabs.closed), ("lost", tabs.lost), ("unanswered", tabs.unanswered), ("resigned", tabs.resigned)];
    let left = left.map(|(cause, count)| ([("cause", cause)], count));
    to.counters("leaves", "Tabs that left a room at this node, by how they ended", left)?;
    let taken = [
        ("here", tabs.took_here),
        ("elsewhere", tabs.took_elsewhere),
        ("moved", tabs.took_moved),
        ("killed", tabs.took_of_killed),
    ];
    let taken = taken.map(|(from, count)| ([("from", from)], count));
    to.counters("takeovers", "Tabs that took the place of one that still counted, by where that was", taken)
}
