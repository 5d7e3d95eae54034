//! The cost model: constants that are fitted to the runs, and kind a scenario costs by them.

use presence_core::costs;

use crate::message_sizes::MessageSizes;
use crate::metrics::{InputKind, RunMetrics};
use crate::rates::{LINGER_S, Rates, alone_in_room};
use crate::regression::fit;
use crate::scenario::{RoomDistribution, Scenario};

/// One write to a loopback socket, measured on two cores; nearly all of it is the kernel.
pub(crate) const SEND_MICROS: f64 = 6.5;
/// One message to one reader, measured before links moved to our own use of QUIC (14 µs since): 1,000 messages a second of 200
/// bytes to 11 readers took 40 % of a core.
pub(crate) const MESSAGE_MICROS: f64 = 0.40 * 1e6 / 11_000.0;
/// A CableReady morph without its element: operation, selector, WebSocket header.
pub(crate) const MORPH_BYTES: f64 = 60.0;
/// After this long without an input, core takes the node itself for suspended.
pub(crate) const SUSPENDED_MS: f64 = costs::SUSPENDED_MS as f64;
/// Removals are remembered for this time, and at most this number of each node.
const REMOVED_S: f64 = costs::REMOVED_MS as f64 / 1e3;
const REMOVED_MAX: f64 = costs::REMOVED_MAX as f64;
/// Limit of rooms that are drawn in one input.
const ROOMS_A_TURN: f64 = costs::ROOMS_A_TURN as f64;
/// Time for which visitors have been leaving when memory is measured.
const LEAVING_S: f64 = 4.0;
/// The size of the world for which the cost of a row is given.
const USUAL: f64 = 100_000.0;

/// The fitted constants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CostModel {
    /// CPU for a received delta, without its rows.
    pub(crate) delta_micros: f64,
    /// CPU for a received row in a world of 100,000 visitors.
    pub(crate) row_micros: f64,
    /// Additional CPU for each doubling of the world, from cache misses.
    pub(crate) row_doubled_micros: f64,
    /// CPU for a view of a room.
    pub(crate) view_micros: f64,
    /// Additional CPU for each region in the view.
    pub(crate) view_region_micros: f64,
    /// CPU for a whole visit to this node: join, lingering, removal, and its deltas.
    pub(crate) visit_micros: f64,
    /// CPU in an idle second: ticks and the node's own heartbeat.
    pub(crate) idle_micros: f64,
    /// CPU for a received heartbeat, with hellos and their answers.
    pub(crate) beat_micros: f64,
    /// CPU for a click, here or elsewhere.
    pub(crate) click_micros: f64,
    /// Memory for a visitor in a room with many others.
    pub(crate) visitor_bytes: f64,
    pub(crate) room_bytes: f64,
    /// Memory for a region in a room's view.
    pub(crate) room_region_bytes: f64,
    /// Memory for a removed row, while it is remembered.
    pub(crate) removed_bytes: f64,
    /// CPU for counting a visitor again whose node falls silent.
    pub(crate) silent_row_micros: f64,
    /// CPU for queueing a room when a region changes; all rooms are queued at once.
    pub(crate) silent_room_micros: f64,
    /// CPU for drawing a queued room; a bounded number is drawn at once.
    pub(crate) redrawn_room_micros: f64,
    /// Additional CPU for each region in it.
    pub(crate) redrawn_room_region_micros: f64,
}

fn micros(run: &RunMetrics, kinds: &[InputKind]) -> f64 {
    kinds.iter().filter_map(|kind| run.work.get(kind)).map(|cost| cost.micros).sum()
}

/// Scales the runs to an undisturbed machine. A fixed piece of work is timed beside each run; where that took longer than in
/// the quickest run, other work on the machine slowed both.
pub(crate) fn undisturbed(runs: &[RunMetrics]) -> Vec<RunMetrics> {
    let quickest = runs.iter().map(|run| run.reference_micros).fold(f64::MAX, f64::min);
    let mut runs = runs.to_vec();
    for run in &mut runs {
        let factor = quickest / run.reference_micros;
        run.work.values_mut().for_each(|cost| cost.micros *= factor);
        run.silence_ms *= factor;
        run.redrawn_ms *= factor;
        run.longest_ms *= factor;
    }
    runs
}

fn inputs(run: &RunMetrics, kind: InputKind) -> f64 {
    run.work.get(&kind).map_or(0.0, |cost| cost.inputs)
}

fn messages(run: &RunMetrics, kind: InputKind) -> f64 {
    run.heard.get(&kind).map_or(0.0, |traffic| traffic.messages)
}

fn doublings(scenario: &Scenario) -> f64 {
    (scenario.visitors as f64 / USUAL).log2().max(0.0)
}

/// Returns the number of occupied rooms in the world.
pub(crate) fn rooms(scenario: &Scenario) -> f64 {
    let visitors = scenario.visitors as f64;
    if scenario.shape == RoomDistribution::Each {
        return visitors;
    }
    scenario.classes().iter().map(|(rooms, share)| rooms * (1.0 - (-visitors * share).exp())).sum::<f64>().min(visitors)
}

impl CostModel {
    /// Fits the constants to these runs.
    pub(crate) fn fitted(runs: &[RunMetrics], sizes: &MessageSizes) -> Self {
        let heard: Vec<([f64; 5], f64)> = runs
            .iter()
            .filter(|run| run.scenario.joins > 0)
            .map(|run| {
                let (rates, nodes) = (Rates::of(&run.scenario, sizes), run.scenario.nodes as f64);
                // A room is drawn when one of its rows is received, and most rows are those of other nodes.
                let views = run.views * (nodes - 1.0) / nodes;
                let rows = rates.rows_in;
                let features =
                    [messages(run, InputKind::Delta), rows, rows * doublings(&run.scenario), views, views * nodes];
                (features, micros(run, &[InputKind::Delta]))
            })
            .collect();
        let [delta, row, row_doubled, view, view_region] = fit(&heard);
        let own: Vec<([f64; 2], f64)> = runs
            .iter()
            .map(|run| {
                let visits = Rates::of(&run.scenario, sizes).visits;
                ([visits, 1.0], micros(run, &[InputKind::Join, InputKind::Leave, InputKind::Tick]))
            })
            .collect();
        let [visit, idle] = fit(&own);
        let each = |kinds: &[InputKind], of: &[InputKind]| {
            let inputs: f64 = runs.iter().flat_map(|run| of.iter().map(|kind| inputs(run, *kind))).sum();
            runs.iter().map(|run| micros(run, kinds)).sum::<f64>() / inputs.max(1.0)
        };
        let beat = each(&[InputKind::Heartbeat, InputKind::Question], &[InputKind::Heartbeat]);
        let click = each(&[InputKind::Click, InputKind::Facts], &[InputKind::Click, InputKind::Facts]);
        let weighed = runs.iter().filter(|run| run.memory_bytes > 0.0);
        let memory: Vec<([f64; 4], f64)> =
            weighed.map(|run| (held(&run.scenario, LEAVING_S), run.memory_bytes)).collect();
        // The first rooms are drawn in the same input.
        let silent: Vec<([f64; 3], f64)> =
            runs.iter().map(|run| (stalls(&run.scenario), run.silence_ms * 1_000.0)).collect();
        let [silent_row, silent_room, _] = fit(&silent);
        let redrawn: Vec<([f64; 2], f64)> = runs
            .iter()
            .map(|run| {
                let [rows, rooms, _] = stalls(&run.scenario);
                let drawing = run.redrawn_ms * 1_000.0 - rows * silent_row - rooms * silent_room;
                ([rooms, rooms * run.scenario.nodes as f64], drawing.max(1.0))
            })
            .filter(|(_, micros)| *micros > 1_000.0)
            .collect();
        let ([visitor, room, room_region, removed], [redrawn_room, redrawn_region]) = (fit(&memory), fit(&redrawn));
        Self {
            delta_micros: delta,
            row_micros: row,
            row_doubled_micros: row_doubled,
            view_micros: view,
            view_region_micros: view_region,
            visit_micros: visit,
            idle_micros: idle,
            beat_micros: beat,
            click_micros: click,
            visitor_bytes: visitor,
            room_bytes: room,
            room_region_bytes: room_region,
            removed_bytes: removed,
            silent_row_micros: silent_row,
            silent_room_micros: silent_room,
            redrawn_room_micros: redrawn_room,
            redrawn_room_region_micros: redrawn_region,
        }
    }

    /// CPU of the driver, in microseconds a second: kind decides, without sockets, links and the disk.
    pub(crate) fn driver_micros(&self, scenario: &Scenario, rates: &Rates) -> f64 {
        let nodes = scenario.nodes as f64;
        rates.deltas_in * self.delta_micros
            + rates.rows_in * (self.row_micros + self.row_doubled_micros * doublings(scenario))
            + rates.views * (self.view_micros + self.view_region_micros * nodes)
            + rates.visits * self.visit_micros
            + self.idle_micros
            + rates.beats_in * self.beat_micros
            + (rates.clicks_in + rates.clicks_out) * self.click_micros
    }

    /// Returns the memory for all visitors of the world, and for those that left within this time.
    fn memory_after(&self, scenario: &Scenario, seconds: f64) -> f64 {
        let [visitors, rooms, regions, removed] = held(scenario, seconds);
        visitors * self.visitor_bytes
            + rooms * self.room_bytes
            + regions * self.room_region_bytes
            + removed * self.removed_bytes
    }

    /// Returns the memory as the runs measure it, some seconds after the first visitors have left.
    pub(crate) fn memory_in_run(&self, scenario: &Scenario) -> f64 {
        self.memory_after(scenario, LEAVING_S)
    }

    /// Returns the memory of a node that has run for a long time.
    pub(crate) fn memory_bytes(&self, scenario: &Scenario) -> f64 {
        self.memory_after(scenario, REMOVED_S)
    }

    /// Returns for how many ms nothing else is done when a node falls silent.
    pub(crate) fn silence_ms(&self, scenario: &Scenario) -> f64 {
        let [rows, rooms, drawn] = stalls(scenario);
        let drawing = self.redrawn_room_micros + self.redrawn_room_region_micros * scenario.nodes as f64;
        (rows * self.silent_row_micros + rooms * self.silent_room_micros + drawn * drawing) / 1_000.0
    }

    /// CPU until every room is drawn then, in ms: kind else happens comes between.
    pub(crate) fn redrawn_ms(&self, scenario: &Scenario) -> f64 {
        let [rows, rooms, _] = stalls(scenario);
        let drawing = self.redrawn_room_micros + self.redrawn_room_region_micros * scenario.nodes as f64;
        (rows * self.silent_row_micros + rooms * (self.silent_room_micros + drawing)) / 1_000.0
    }
}

/// Returns visitors, rooms, regions of rooms, and removed rows that are in memory.
fn held(scenario: &Scenario, seconds: f64) -> [f64; 4] {
    let joins = scenario.joins as f64;
    let present = scenario.visitors as f64 + LINGER_S * joins;
    let rooms = rooms(&Scenario { visitors: present as u64, ..*scenario });
    let removed = joins * (1.0 + alone_in_room(scenario)) * seconds;
    [present, rooms, rooms * scenario.nodes as f64, removed.min(REMOVED_MAX * scenario.nodes as f64)]
}

/// Returns the rows that are counted again, the rooms that are queued, and how many of them are drawn in one input.
fn stalls(scenario: &Scenario) -> [f64; 3] {
    let rooms = rooms(scenario);
    [scenario.visitors as f64 / scenario.nodes as f64, rooms, rooms.min(ROOMS_A_TURN)]
}
