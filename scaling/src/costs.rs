//! What things cost: the constants of the model, found in the runs; and what they say of a scenario.

use serde::{Deserialize, Serialize};

use crate::calibrate::Bytes;
use crate::fit::fit;
use crate::meter::{Measured, What};
use crate::model::{LINGER_S, Rates, alone_in_room};
use crate::scenario::{Scenario, Shape};

/// Measured with sockets, on two cores: one write to a loopback socket. The kernel's part is nearly all of it.
pub const SEND_MICROS: f64 = 6.5;
/// Measured before links moved to QUIC of our own (14 µs since): 1,000 messages a second of 200 bytes to 11 readers took 40 %
/// of a core.
pub const MESSAGE_MICROS: f64 = 0.40 * 1e6 / 11_000.0;
/// A CableReady morph around its element: operation, selector, WebSocket header.
pub const MORPH_BYTES: f64 = 60.0;
/// Above so long without an input, core believes that the node itself was away (`AWAY_MS`), and rests.
pub const AWAY_MS: f64 = 2_000.0;
/// Removals are remembered for so long, and of each node so many at most (core's `REMOVED_MS`, `REMOVED_MAX`).
const REMOVED_S: f64 = 60.0;
const REMOVED_MAX: f64 = 65_536.0;
/// So many rooms are drawn in one input at most (core's `ROOMS_A_TURN`).
const ROOMS_A_TURN: f64 = 128.0;
/// For so long visitors have been leaving when memory is measured.
const LEAVING_S: f64 = 4.0;
/// The size of world at which the cost of a row is said.
const USUAL: f64 = 100_000.0;

/// The constants that were fitted.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Costs {
    /// CPU for a delta that is heard, whatever is in it.
    pub delta_micros: f64,
    /// CPU for a row that is taken, in a world of 100,000 visitors.
    pub row_micros: f64,
    /// As much more for each doubling of the world: more misses of caches.
    pub row_doubled_micros: f64,
    /// CPU for a view of a room, and for each region in it.
    pub view_micros: f64,
    /// The second part.
    pub view_region_micros: f64,
    /// CPU for all of a visit to this node: coming, lingering, gone, its deltas.
    pub visit_micros: f64,
    /// CPU in a second of a node where nothing happens: ticks, its own heartbeat.
    pub idle_micros: f64,
    /// CPU for a heartbeat that is heard, with hellos and their answers.
    pub beat_micros: f64,
    /// CPU for a click that is taken, here or elsewhere.
    pub click_micros: f64,
    /// Memory for a visitor in a room with many others.
    pub visitor_bytes: f64,
    /// Memory for a room.
    pub room_bytes: f64,
    /// Memory for a region in a room's view.
    pub room_region_bytes: f64,
    /// Memory for a row that was removed, for as long as that is remembered.
    pub removed_bytes: f64,
    /// A visitor of a node that falls silent is counted anew.
    pub silent_row_micros: f64,
    /// A room is put among those that are to be drawn when a region changes: all at once.
    pub silent_room_micros: f64,
    /// A room is drawn anew then, a bounded number of them at once.
    pub redrawn_room_micros: f64,
    /// For each region in it.
    pub redrawn_room_region_micros: f64,
}

fn micros(run: &Measured, whats: &[What]) -> f64 {
    whats.iter().filter_map(|what| run.work.get(what)).map(|work| work.micros).sum()
}

/// The same runs as on a machine that does nothing else: a fixed piece of work was timed beside each of them, and where
/// that took longer than in the quickest run, other work on the machine slowed both.
#[must_use]
pub fn undisturbed(runs: &[Measured]) -> Vec<Measured> {
    let quickest = runs.iter().map(|run| run.reference_micros).fold(f64::MAX, f64::min);
    let mut runs = runs.to_vec();
    for run in &mut runs {
        let factor = quickest / run.reference_micros;
        run.work.values_mut().for_each(|work| work.micros *= factor);
        run.silence_ms *= factor;
        run.redrawn_ms *= factor;
        run.longest_ms *= factor;
    }
    runs
}

fn inputs(run: &Measured, what: What) -> f64 {
    run.work.get(&what).map_or(0.0, |work| work.inputs)
}

fn flow(run: &Measured, what: What) -> f64 {
    run.heard.get(&what).map_or(0.0, |flow| flow.messages)
}

fn doublings(scenario: &Scenario) -> f64 {
    (scenario.visitors as f64 / USUAL).log2().max(0.0)
}

/// Rooms in the world in which somebody is.
#[must_use]
pub fn rooms(scenario: &Scenario) -> f64 {
    let visitors = scenario.visitors as f64;
    if scenario.shape == Shape::Each {
        return visitors;
    }
    scenario.classes().iter().map(|(rooms, share)| rooms * (1.0 - (-visitors * share).exp())).sum::<f64>().min(visitors)
}

impl Costs {
    /// Found in these runs.
    #[must_use]
    pub fn found(runs: &[Measured], bytes: &Bytes) -> Self {
        let heard: Vec<([f64; 5], f64)> = runs
            .iter()
            .filter(|run| run.scenario.joins > 0)
            .map(|run| {
                let (rates, nodes) = (Rates::of(&run.scenario, bytes), run.scenario.nodes as f64);
                // Most rooms are drawn where a row of theirs is taken, and most rows are of others.
                let views = run.views * (nodes - 1.0) / nodes;
                let rows = rates.rows_in;
                let features = [flow(run, What::Delta), rows, rows * doublings(&run.scenario), views, views * nodes];
                (features, micros(run, &[What::Delta]))
            })
            .collect();
        let [delta, row, row_doubled, view, view_region] = fit(&heard);
        let own: Vec<([f64; 2], f64)> = runs
            .iter()
            .map(|run| {
                let visits = Rates::of(&run.scenario, bytes).visits;
                ([visits, 1.0], micros(run, &[What::Join, What::Leave, What::Tick]))
            })
            .collect();
        let [visit, idle] = fit(&own);
        let each = |whats: &[What], of: &[What]| {
            let inputs: f64 = runs.iter().flat_map(|run| of.iter().map(|what| inputs(run, *what))).sum();
            runs.iter().map(|run| micros(run, whats)).sum::<f64>() / inputs.max(1.0)
        };
        let beat = each(&[What::Heartbeat, What::Question], &[What::Heartbeat]);
        let click = each(&[What::Click, What::Facts], &[What::Click, What::Facts]);
        let weighed = runs.iter().filter(|run| run.memory_bytes > 0.0);
        let memory: Vec<([f64; 4], f64)> =
            weighed.map(|run| (sizes(&run.scenario, LEAVING_S), run.memory_bytes)).collect();
        // The first of the drawings belong to the same input.
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

    /// CPU of the driver, in microseconds a second: what decides, without sockets, links and the disk.
    #[must_use]
    pub fn driver_micros(&self, scenario: &Scenario, rates: &Rates) -> f64 {
        let nodes = scenario.nodes as f64;
        rates.deltas_in * self.delta_micros
            + rates.rows_in * (self.row_micros + self.row_doubled_micros * doublings(scenario))
            + rates.views * (self.view_micros + self.view_region_micros * nodes)
            + rates.visits * self.visit_micros
            + self.idle_micros
            + rates.beats_in * self.beat_micros
            + (rates.clicks_in + rates.clicks_out) * self.click_micros
    }

    /// Memory for all visitors of the world, and those who left within this time.
    fn memory_after(&self, scenario: &Scenario, seconds: f64) -> f64 {
        let [visitors, rooms, regions, removed] = sizes(scenario, seconds);
        visitors * self.visitor_bytes
            + rooms * self.room_bytes
            + regions * self.room_region_bytes
            + removed * self.removed_bytes
    }

    /// Memory as it was measured, some seconds after the first have left.
    #[must_use]
    pub fn memory_in_run(&self, scenario: &Scenario) -> f64 {
        self.memory_after(scenario, LEAVING_S)
    }

    /// Memory of a node that has run for long.
    #[must_use]
    pub fn memory_bytes(&self, scenario: &Scenario) -> f64 {
        self.memory_after(scenario, REMOVED_S)
    }

    /// How long nothing else is done when a node falls silent, in ms.
    #[must_use]
    pub fn silence_ms(&self, scenario: &Scenario) -> f64 {
        let [rows, rooms, drawn] = stalls(scenario);
        let drawing = self.redrawn_room_micros + self.redrawn_room_region_micros * scenario.nodes as f64;
        (rows * self.silent_row_micros + rooms * self.silent_room_micros + drawn * drawing) / 1_000.0
    }

    /// CPU until every room is drawn then, in ms: what else happens comes between.
    #[must_use]
    pub fn redrawn_ms(&self, scenario: &Scenario) -> f64 {
        let [rows, rooms, _] = stalls(scenario);
        let drawing = self.redrawn_room_micros + self.redrawn_room_region_micros * scenario.nodes as f64;
        (rows * self.silent_row_micros + rooms * (self.silent_room_micros + drawing)) / 1_000.0
    }
}

fn sizes(scenario: &Scenario, seconds: f64) -> [f64; 4] {
    let joins = scenario.joins as f64;
    let present = scenario.visitors as f64 + LINGER_S * joins;
    let rooms = rooms(&Scenario { visitors: present as u64, ..*scenario });
    let removed = joins * (1.0 + alone_in_room(scenario)) * seconds;
    [present, rooms, rooms * scenario.nodes as f64, removed.min(REMOVED_MAX * scenario.nodes as f64)]
}

/// Rows that are counted anew, rooms that are put among those to be drawn, and how many of them are drawn in one input.
fn stalls(scenario: &Scenario) -> [f64; 3] {
    let rooms = rooms(scenario);
    [scenario.visitors as f64 / scenario.nodes as f64, rooms, rooms.min(ROOMS_A_TURN)]
}
