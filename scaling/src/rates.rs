//! What a node sends, receives, draws and writes in a second, calculated from the numbers of a scenario.

use presence_core::costs;

use crate::message_sizes::MessageSizes;
use crate::scenario::{RoomDistribution, Scenario};

/// Minimal time between two deltas.
const DELTA_GAP_S: f64 = costs::DELTA_GAP_MS as f64 / 1e3;
/// Ticks of an idle node in a second.
const TICKS: f64 = 1e3 / costs::TICK_MS as f64;
/// How long a closed tab counts.
pub(crate) const LINGER_S: f64 = costs::LINGER_CLOSED_MS as f64 / 1e3;
/// Cost of drawing a room: for each watcher, in addition for each beyond a hundred, its bounds; and how much
/// may be spent in advance.
const WATCHER_S: f64 = costs::WATCHER_US as f64 / 1e6;
const CROWD_S: f64 = costs::CROWD_US as f64 / 1e6;
const FEW_WATCHERS: f64 = costs::FEW_WATCHERS as f64;
const DRAW_MIN_S: f64 = costs::VIEW_US as f64 / 1e6;
const DRAW_MAX_S: f64 = costs::COST_US_MAX as f64 / 1e6;
const ADVANCE_S: f64 = costs::ADVANCE_US as f64 / 1e6;
/// Time between two hellos over a link, between two of one node to those that it hears, and between two heartbeats.
const HELLO_S: f64 = costs::HELLO_MS as f64 / 1e3;
const HELLO_TURN_S: f64 = costs::HELLO_TURN_MS as f64 / 1e3;
const BEAT_S: f64 = costs::HEARTBEAT_MS as f64 / 1e3;
/// Limit of echoes in a heartbeat.
const ECHOES: f64 = costs::ECHOES as f64;

/// What happens on one node in a second, by the model.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    /// Joins of this node; as many visitors leave.
    pub(crate) visits: f64,
    pub(crate) deltas_out: f64,
    /// Changed rows of other nodes: joined, lingering, removed, and names of rooms.
    pub(crate) rows_in: f64,
    pub(crate) deltas_in: f64,
    pub(crate) beats_out: f64,
    pub(crate) beats_in: f64,
    pub(crate) clicks_out: f64,
    pub(crate) clicks_in: f64,
    /// Views of rooms.
    pub(crate) views: f64,
    /// Frames to sockets.
    pub(crate) sends: f64,
    /// Bytes of deltas, heartbeats, facts and hellos.
    pub(crate) bytes_out: f64,
    pub(crate) bytes_in: f64,
}

/// Returns how often something happens that follows `a_second` causes, but at least `gap` apart. After a gap it happens at
/// once if a cause was waiting, else with the next one.
fn paced(a_second: f64, gap: f64) -> f64 {
    if a_second <= 0.0 {
        return 0.0;
    }
    1.0 / (gap + (-a_second * gap).exp() / a_second)
}

/// Returns the cost in seconds of drawing a room with this many watchers.
fn draw_cost(watchers: f64) -> f64 {
    (WATCHER_S * watchers + CROWD_S * (watchers - FEW_WATCHERS).max(0.0)).clamp(DRAW_MIN_S, DRAW_MAX_S)
}

/// How often something happens whose cost is limited, and how long it waits each time, on average.
#[derive(Clone, Copy, PartialEq, Debug)]
struct LimitedRate {
    a_second: f64,
    wait: f64,
}

impl LimitedRate {
    /// The rate for this many causes a second at this cost, of which a part may be spent in advance.
    fn of(causes: f64, cost: f64) -> Self {
        if causes <= 0.0 {
            return Self { a_second: 0.0, wait: 0.0 };
        }
        // The debt at which the next event leaves the same debt.
        let mut owed = 0.0;
        let mut wait = 0.0;
        for _ in 0..200 {
            wait = f64::max(0.0, owed + cost - ADVANCE_S);
            let left = f64::min(owed + cost, ADVANCE_S);
            let quiet = (-causes * wait).exp();
            let next = left - quiet * (1.0 - (-causes * left).exp()) / causes;
            owed += (next - owed) / 2.0;
        }
        Self { a_second: 1.0 / (wait + (-causes * wait).exp() / causes), wait }
    }

    /// Returns the chance that a cause is waiting once the event may happen again.
    fn waits(&self, causes: f64) -> f64 {
        1.0 - (-causes * self.wait).exp()
    }
}

impl Rates {
    /// Calculates the rates of node 0.
    pub(crate) fn of(scenario: &Scenario, sizes: &MessageSizes) -> Self {
        let nodes = scenario.nodes as f64;
        let others = nodes - 1.0;
        let visits = scenario.joins as f64 / nodes;
        let clicks = scenario.clicks as f64 / nodes;
        let alone = alone_in_room(scenario);
        // Joined, lingering, removed; the name is added with a node's first visitor and removed with its last.
        let rows_out = visits * (3.0 + 2.0 * alone);
        let RenderRates { views, sends, wakes } = drawn(scenario);
        // Lingering visitors are removed with the next tick, and one delta holds all of them.
        let ticks = TICKS + wakes;
        let gone = ticks * (1.0 - (-visits / ticks).exp());
        let deltas_out = paced(2.0 * visits + gone, DELTA_GAP_S);
        let (beats_out, beats_in) = (1.0 / BEAT_S, others / BEAT_S);
        let delta_bytes = deltas_out * sizes.delta
            + visits * (2.0 * sizes.row + sizes.removed + alone * (sizes.name + sizes.removed));
        let beat_bytes = sizes.beat + others * sizes.beat_named + others.min(ECHOES) * sizes.beat_echo;
        let hello = (others / HELLO_S).min(1.0 / HELLO_TURN_S)
            * (sizes.hello + sizes.hello_answer + others * sizes.hello_named);
        Self {
            visits,
            deltas_out,
            rows_in: others * rows_out,
            deltas_in: others * deltas_out,
            beats_out,
            beats_in,
            clicks_out: clicks,
            clicks_in: others * clicks,
            views,
            sends,
            bytes_out: others * (delta_bytes + beats_out * beat_bytes + clicks * sizes.click) + hello,
            bytes_in: others * (delta_bytes + clicks * sizes.click) + beats_in * beat_bytes + hello,
        }
    }

    /// Messages that leave this node, counted once for each reader.
    pub(crate) fn messages_out(&self, nodes: usize) -> f64 {
        (nodes as f64 - 1.0) * (self.deltas_out + self.beats_out + self.clicks_out)
    }
}

/// Returns the chance that a visitor who joins a room is the only one of their node there.
pub(crate) fn alone_in_room(scenario: &Scenario) -> f64 {
    if scenario.shape == RoomDistribution::Each {
        return 1.0;
    }
    let present = (scenario.visitors as f64 + LINGER_S * scenario.joins as f64) / scenario.nodes as f64;
    scenario.classes().iter().map(|(rooms, share)| rooms * share * (-present * share).exp()).sum()
}

/// Drawing in a second.
struct RenderRates {
    /// Views of rooms.
    views: f64,
    /// Frames to sockets.
    sends: f64,
    /// Times that a node wakes up to draw what had to wait.
    wakes: f64,
}

fn drawn(scenario: &Scenario) -> RenderRates {
    let nodes = scenario.nodes as f64;
    let (joins, clicks) = (scenario.joins as f64, scenario.clicks as f64);
    let mut drawn = RenderRates { views: 0.0, sends: joins / nodes, wakes: 0.0 };
    for (rooms, share) in scenario.classes() {
        let everywhere = scenario.visitors as f64 * share;
        let here = everywhere / nodes;
        // Joins and removals change the count; a lingering visitor does not.
        let (changes, clicked) = (2.0 * joins * share, clicks * share);
        let (event_cost, count_cost) = (draw_cost(here), draw_cost(everywhere.max(here)));
        let events = LimitedRate::of(changes + clicked, event_cost);
        let counts = LimitedRate::of(changes, count_cost);
        // Before counts are due, clicks are drawn first, and counts later on their own.
        let apart = if counts.wait > events.wait { counts.waits(changes) } else { 0.0 };
        drawn.views += rooms * (events.a_second + counts.a_second * apart);
        drawn.wakes += rooms * (events.a_second * events.waits(changes) + counts.a_second * counts.waits(changes));
        let lamps = LimitedRate::of(clicked, event_cost).a_second;
        // A room of one is empty when its count falls.
        let watched =
            if scenario.shape == RoomDistribution::Each { joins * share / nodes } else { here * counts.a_second };
        drawn.sends += rooms * (watched + here * lamps);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_room_is_drawn_at_each_change_and_a_large_one_as_often_as_its_cost_allows() {
        let rate = |causes: f64, watchers: f64| LimitedRate::of(causes, draw_cost(watchers)).a_second;
        assert!((rate(20.0, 8.0) - 20.0).abs() < 0.01);
        assert!((rate(1e6, 10_000.0) - 1.0 / 0.397).abs() < 0.01);
        assert!((rate(1e6, 1e6) - 0.2).abs() < 0.001);
        assert!((rate(0.01, 10_000.0) - 0.01).abs() < 0.001);
    }
}
