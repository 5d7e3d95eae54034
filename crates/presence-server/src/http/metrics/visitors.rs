//! Visitors: who is here, and what their sockets do.

use std::fmt;

use super::writer::MetricWriter;
use crate::close_reason::CloseReason;
use crate::http::state::HttpState;
use crate::hub::ProtocolStats;

pub(super) fn write(to: &mut MetricWriter<'_>, state: &HttpState) -> fmt::Result {
    let sockets = state.hub.socket_stats();
    let by_protocol = |value: fn(&ProtocolStats) -> u64| {
        sockets.protocols().iter().map(move |protocol| ([("protocol", protocol.name)], value(protocol)))
    };
    to.gauges("sockets", "Open WebSockets", by_protocol(|protocol| protocol.open()))?;
    to.counters("sockets_opened", "WebSockets that began", by_protocol(|protocol| protocol.begun()))?;
    let ended = CloseReason::ALL.map(|reason| ([("reason", reason.as_str())], sockets.ended(reason)));
    to.counters("sockets_closed", "WebSockets that ended, by reason", ended)?;
    let help = "Sockets that were offered the frames of a broadcast, added up over all broadcasts";
    to.counter("deliveries", help, sockets.deliveries())?;
    let clicks = sockets.clicks().map(|(result, count)| ([("result", result)], count));
    to.counters("clicks", "Clicks of this node's visitors that were answered", clicks)?;
    to.counter("messages", "Published messages that arrived, from this node or another one", sockets.messages())?;
    to.gauge("connections", "Connections over HTTP, sockets included", state.connections())?;
    to.gauge("connections_max", "How many connections the node accepts", state.connections_max())?;

    let rooms = state.views.rooms();
    let sum = |value: fn(&presence_core::RoomView) -> u32| rooms.iter().map(|room| u64::from(value(room))).sum::<u64>();
    let users = [("sure", sum(|room| room.users)), ("unsure", sum(|room| room.unsure))];
    let users = users.map(|(certainty, users)| ([("certainty", certainty)], users));
    to.gauges("users", "Users in all regions, added up over all rooms", users)?;
    to.gauge("tabs", "Tabs in all regions, added up over all rooms", sum(|room| room.tabs))?;
    to.gauge("rooms", "Rooms with users or facts, in all regions", rooms.len())
}
