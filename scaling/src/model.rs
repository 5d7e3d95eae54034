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
/// What a drawing of a room costs (core's `cost_us`): so much for each watcher, so much more for each beyond a hundred, at
/// least and at most so much; and how much of it may be spent in advance (core's `Pace`).
const WATCHER_S: f64 = 10e-6;
const CROWD_S: f64 = 30e-6;
const FEW_WATCHERS: f64 = 100.0;
const DRAW_MIN_S: f64 = 500e-6;
const DRAW_MAX_S: f64 = 5.0;
const ADVANCE_S: f64 = 0.002;
/// Hello is said over each link this often, and a heartbeat to all (core's `HELLO_MS` and `HEARTBEAT_MS`).
const HELLO_S: f64 = 10.0;
const BEAT_S: f64 = 1.0;
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
    /// Heartbeats of this node.
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

/// What drawing a room takes that so many watch, in seconds.
fn draw_cost(watchers: f64) -> f64 {
    (WATCHER_S * watchers + CROWD_S * (watchers - FEW_WATCHERS).max(0.0)).clamp(DRAW_MIN_S, DRAW_MAX_S)
}

/// How often something happens that is paid for, and how long it has to wait each time, on average.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Pace {
    a_second: f64,
    wait: f64,
}

impl Pace {
    /// For so many chances a second, at such a cost, of which a part may be spent in advance.
    fn of(chances: f64, cost: f64) -> Self {
        if chances <= 0.0 {
            return Self { a_second: 0.0, wait: 0.0 };
        }
        // What is owed when it happens: as much as makes the next time owe the same.
        let mut owed = 0.0;
        let mut wait = 0.0;
        for _ in 0..200 {
            wait = f64::max(0.0, owed + cost - ADVANCE_S);
            let left = f64::min(owed + cost, ADVANCE_S);
            let quiet = (-chances * wait).exp();
            let next = left - quiet * (1.0 - (-chances * left).exp()) / chances;
            owed += (next - owed) / 2.0;
        }
        Self { a_second: 1.0 / (wait + (-chances * wait).exp() / chances), wait }
    }

    /// The chance that something is waiting once it may happen again.
    fn waits(&self, chances: f64) -> f64 {
        1.0 - (-chances * self.wait).exp()
    }
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
        let (beats_out, beats_in) = (1.0 / BEAT_S, others / BEAT_S);
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
        let (deed_cost, count_cost) = (draw_cost(here), draw_cost(everywhere.max(here)));
        let deeds = Pace::of(changes + clicked, deed_cost);
        let counts = Pace::of(changes, count_cost);
        // Whatever happens before counts are due draws what users do first, and counts later by themselves.
        let apart = if counts.wait > deeds.wait { counts.waits(changes) } else { 0.0 };
        drawn.views += rooms * (deeds.a_second + counts.a_second * apart);
        drawn.wakes += rooms * (deeds.a_second * deeds.waits(changes) + counts.a_second * counts.waits(changes));
        let lamps = Pace::of(clicked, deed_cost).a_second;
        // A room of one is empty when its count falls.
        let watched = if scenario.shape == Shape::Each { joins * share / nodes } else { here * counts.a_second };
        drawn.sends += rooms * (watched + here * lamps);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_of_few_is_drawn_at_each_change_and_a_crowd_as_often_as_it_is_paid_for() {
        let often = |chances: f64, watchers: f64| Pace::of(chances, draw_cost(watchers)).a_second;
        assert!((often(20.0, 8.0) - 20.0).abs() < 0.01);
        assert!((often(1e6, 10_000.0) - 1.0 / 0.397).abs() < 0.01);
        assert!((often(1e6, 1e6) - 0.2).abs() < 0.001);
        assert!((often(0.01, 10_000.0) - 0.01).abs() < 0.001);
    }
}
