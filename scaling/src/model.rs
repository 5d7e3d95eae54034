//! The cost model: what a node sends, hears, draws and writes in a second, from the numbers of a scenario alone.

use serde::{Deserialize, Serialize};

use crate::calibrate::Bytes;
use crate::scenario::{Scenario, Shape};

/// Deltas go out at once after a quiet moment, else so far apart (core's `DELTA_GAP_MS`).
const DELTA_GAP_S: f64 = 0.005;
/// Ticks of a node that has nothing else to do.
const TICKS: f64 = 5.0;
/// How long a closed tab counts (core's `LINGER_CLOSED_MS`).
pub(crate) const LINGER_S: f64 = 2.0;
/// The gap between two drawings of a room: so much, and a millisecond for so many watchers, at most so much.
const DRAW_GAP_S: f64 = 0.020;
const WATCHERS_A_SECOND: f64 = 25_000.0;
const DRAW_GAP_MAX_S: f64 = 5.0;
/// Hello is said over each link so often; who hears one sends a heartbeat at once, unless the last is as young as that.
const HELLO_S: f64 = 10.0;
const BEAT_S: f64 = 1.0;
const BEAT_GAP_S: f64 = 0.2;
/// Heartbeats echo as many at most.
const ECHOES: f64 = 8.0;

/// What happens in a second on one node, as the model says.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Rates {
    /// Visitors who come to this node; as many leave.
    pub visits: f64,
    /// Rows of this node that change: come, lingering, gone, and names of rooms.
    pub rows_out: f64,
    /// Deltas of this node.
    pub deltas_out: f64,
    /// Rows of others that change.
    pub rows_in: f64,
    /// Deltas of others.
    pub deltas_in: f64,
    /// Heartbeats of this node, which is the oldest of all.
    pub beats_out: f64,
    /// Heartbeats of others.
    pub beats_in: f64,
    /// Clicks here, and elsewhere.
    pub clicks_out: f64,
    /// Clicks elsewhere.
    pub clicks_in: f64,
    /// Views of rooms that are made.
    pub views: f64,
    /// Frames to sockets.
    pub sends: f64,
    /// Bytes of deltas, heartbeats, facts and hellos that leave this node.
    pub bytes_out: f64,
    /// The same that come.
    pub bytes_in: f64,
}

/// How often something happens that follows each of `a_second` chances, but at least `gap` apart: after a gap it
/// happens at once if a chance was waiting, else with the next one.
fn paced(a_second: f64, gap: f64) -> f64 {
    if a_second <= 0.0 {
        return 0.0;
    }
    1.0 / (gap + (-a_second * gap).exp() / a_second)
}

fn draw_gap(watchers: f64) -> f64 {
    (DRAW_GAP_S + watchers / WATCHERS_A_SECOND).min(DRAW_GAP_MAX_S)
}

/// Heartbeats in a second of a node that hears hellos at so many moments in ten seconds.
fn beats(moments: f64) -> f64 {
    let rate = moments / HELLO_S;
    if rate <= 0.0 {
        return 1.0 / BEAT_S;
    }
    1.0 / (BEAT_GAP_S + ((-BEAT_GAP_S * rate).exp() - (-BEAT_S * rate).exp()) / rate)
}

impl Rates {
    /// What the model says of node 0.
    #[must_use]
    pub fn of(scenario: &Scenario, bytes: &Bytes) -> Self {
        let nodes = scenario.nodes as f64;
        let others = nodes - 1.0;
        let visits = scenario.joins as f64 / nodes;
        let clicks = scenario.clicks as f64 / nodes;
        let alone = alone_in_room(scenario);
        // Come, lingering, gone; the name comes with the first of a node and goes with the last.
        let rows_out = visits * (3.0 + 2.0 * alone);
        let Drawn { views, sends, wakes } = drawn(scenario);
        // What lingered goes with the next tick, and one delta names all that went with it.
        let ticks = TICKS + wakes;
        let gone = ticks * (1.0 - (-visits / ticks).exp());
        let deltas_out = paced(2.0 * visits + gone, DELTA_GAP_S);
        let (beats_out, beats_in) = (beats(others), others_beats(scenario.nodes));
        let delta_bytes = deltas_out * bytes.delta
            + visits * (2.0 * bytes.row + bytes.removed + alone * (bytes.name + bytes.removed));
        let beat_bytes = bytes.beat + others * bytes.beat_named + others.min(ECHOES) * bytes.beat_echo;
        let hello = others / HELLO_S * (bytes.hello + bytes.hello_answer + others * bytes.hello_named);
        Self {
            visits,
            rows_out,
            deltas_out,
            rows_in: others * rows_out,
            deltas_in: others * deltas_out,
            beats_out,
            beats_in,
            clicks_out: clicks,
            clicks_in: others * clicks,
            views,
            sends,
            bytes_out: others * (delta_bytes + beats_out * beat_bytes + clicks * bytes.click) + hello,
            bytes_in: others * (delta_bytes + clicks * bytes.click) + beats_in * beat_bytes + hello,
        }
    }

    /// Messages that leave this node and come to it, each reader counted.
    #[must_use]
    pub fn messages(&self, nodes: usize) -> f64 {
        let others = nodes as f64 - 1.0;
        others * (self.deltas_out + self.beats_out + self.clicks_out) + self.deltas_in + self.beats_in + self.clicks_in
    }
}

/// The chance that who comes to a room is the only one there of their node.
pub(crate) fn alone_in_room(scenario: &Scenario) -> f64 {
    if scenario.shape == Shape::Each {
        return 1.0;
    }
    let present = (scenario.visitors as f64 + LINGER_S * scenario.joins as f64) / scenario.nodes as f64;
    scenario.classes().iter().map(|(rooms, share)| rooms * share * (-present * share).exp()).sum()
}

/// Heartbeats that a node hears: the k-th of all heard hellos at its own start from all before it, then one by one.
fn others_beats(nodes: usize) -> f64 {
    (1..nodes).map(|place| beats((nodes - 1 - place) as f64 + 1.0)).sum()
}

/// What comes of changes on pages, in a second.
struct Drawn {
    /// Views of rooms.
    views: f64,
    /// Frames to sockets.
    sends: f64,
    /// Times that a node is woken to draw what had to wait.
    wakes: f64,
}

fn drawn(scenario: &Scenario) -> Drawn {
    let nodes = scenario.nodes as f64;
    let (joins, clicks) = (scenario.joins as f64, scenario.clicks as f64);
    let mut drawn = Drawn { views: 0.0, sends: joins / nodes, wakes: 0.0 };
    for (rooms, share) in scenario.classes() {
        let everywhere = scenario.visitors as f64 * share;
        let here = everywhere / nodes;
        // Who comes and who has gone is counted; who lingers looks the same.
        let (changes, clicked) = (2.0 * joins * share, clicks * share);
        let (deed_gap, count_gap) = (draw_gap(here), draw_gap(everywhere));
        let deeds = paced(changes + clicked, deed_gap);
        let counts = paced(changes, count_gap);
        // Whatever happens before counts are due draws what users do first, and counts later by themselves.
        let apart = if count_gap - deed_gap < 0.001 { 0.0 } else { 1.0 - (-changes * count_gap).exp() };
        drawn.views += rooms * (deeds + counts * apart);
        let waits = |gap: f64| 1.0 - (-changes * gap).exp();
        drawn.wakes += rooms * (deeds * waits(deed_gap) + counts * waits(count_gap));
        let lamps = paced(clicked, deed_gap);
        // A room of one is empty when its count falls.
        let watched = if scenario.shape == Shape::Each { joins * share / nodes } else { here * counts };
        drawn.sends += rooms * (watched + here * lamps);
    }
    drawn
}
