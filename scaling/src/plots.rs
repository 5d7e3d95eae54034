//! The plots of docs/scaling.md: what each shows, over which range. `scaling/draw.mjs` draws them.

use serde_json::{Value, json};

use crate::cost_model::{MESSAGE_MICROS, SEND_MICROS, SUSPENDED_MS};
use crate::grid::MIDDLE;
use crate::limits::{CORE_MICROS, MEMORY_BYTES, Model};
use crate::metrics::{InputKind, RunMetrics};
use crate::partial_interest;
use crate::scenario::{RoomDistribution, Scenario};

const ROOMS: RoomDistribution = RoomDistribution::Equal(1_000);

type Range = (f64, f64);

/// All plots by their names.
pub(crate) fn plots(model: &Model, runs: &[RunMetrics]) -> Value {
    json!({
        "bytes": bytes(model, runs), "messages": messages(model, runs), "driver": driver(model, runs),
        "memory": memory(model, runs), "stall": stall(model, runs), "sends": sends(model, runs),
        "interest": interest(model),
    })
}

/// A curve of the model, and dots for the runs that lie on it.
fn series(name: &str, line: impl Iterator<Item = (f64, f64)>, dots: impl Iterator<Item = (f64, f64)>) -> Value {
    json!({ "name": name, "line": line.collect::<Vec<_>>(), "dots": dots.collect::<Vec<_>>() })
}

/// Points at equal distances on a logarithmic axis.
fn spread((from, to): Range) -> impl Iterator<Item = f64> {
    (0..=80).map(move |step| from * (to / from).powf(f64::from(step) / 80.0))
}

/// Curves over one number of a scenario.
struct Curves<'a> {
    runs: &'a [RunMetrics],
    range: Range,
    /// Reads the number.
    x: fn(&Scenario) -> f64,
    /// Returns the scenario with another number.
    at: fn(Scenario, f64) -> Scenario,
}

impl<'a> Curves<'a> {
    fn over_joins(runs: &'a [RunMetrics], range: Range) -> Self {
        Self { runs, range, x: |of| of.joins as f64, at: |of, x| Scenario { joins: x as u64, ..of } }
    }

    fn over_visitors(runs: &'a [RunMetrics], range: Range) -> Self {
        Self { runs, range, x: |of| of.visitors as f64, at: |of, x| Scenario { visitors: x as u64, ..of } }
    }

    /// The model's curve for scenarios like this one, and the runs of such scenarios.
    fn series(
        &self,
        name: &str,
        of: Scenario,
        line: impl Fn(&Scenario) -> f64,
        dot: impl Fn(&RunMetrics) -> f64,
    ) -> Value {
        let fits = |run: &Scenario| *run == (self.at)(of, (self.x)(run));
        self.series_where(name, of, line, fits, dot)
    }

    fn series_where(
        &self,
        name: &str,
        of: Scenario,
        line: impl Fn(&Scenario) -> f64,
        fits: impl Fn(&Scenario) -> bool,
        dot: impl Fn(&RunMetrics) -> f64,
    ) -> Value {
        let line = spread(self.range).map(|x| (x, line(&(self.at)(of, x))));
        let runs = self.runs.iter().filter(|run| fits(&run.scenario));
        series(name, line, runs.map(|run| ((self.x)(&run.scenario), dot(run))))
    }
}

fn bytes(model: &Model, runs: &[RunMetrics]) -> Value {
    let range = (1.0, 10_000.0);
    let curves = Curves::over_joins(runs, range);
    let of = |nodes, shape, name| {
        let scenario = Scenario { nodes, shape, ..MIDDLE };
        curves.series(name, scenario, |at| model.rates(at).bytes_out, RunMetrics::bytes_out)
    };
    json!({
        "title": "Bytes that a node sends to others (it receives as many)",
        "x": "joins a second in the whole world", "y": "bytes a second", "x_range": range, "y_range": (500.0, 1e7),
        "series": [
            of(6, ROOMS, "6 nodes, 1,000 rooms"), of(12, ROOMS, "12 nodes, 1,000 rooms"),
            of(32, ROOMS, "32 nodes, 1,000 rooms"), of(32, RoomDistribution::Each, "32 nodes, rooms of one"),
        ],
        "limits": [(1.25e6, "10 Mbit/s")],
    })
}

fn messages(model: &Model, runs: &[RunMetrics]) -> Value {
    let of = |joins, name| {
        let at = |nodes| Scenario { nodes, joins, ..MIDDLE };
        // There are no nodes in between.
        let line = (2..=128_u32).map(|nodes| (f64::from(nodes), nodes as usize));
        let line = line.map(|(x, nodes)| (x, model.rates(&at(nodes)).messages_out(nodes)));
        let sent = |run: &RunMetrics| {
            let kinds = [InputKind::Delta, InputKind::Heartbeat, InputKind::Facts];
            kinds.iter().filter_map(|kind| run.out.get(kind)).map(|traffic| traffic.messages).sum::<f64>()
        };
        let fitting = runs.iter().filter(|run| run.scenario == at(run.scenario.nodes));
        series(name, line, fitting.map(|run| (run.scenario.nodes as f64, sent(run))))
    };
    json!({
        "title": "Messages that a node sends, one per reader (it receives as many)",
        "x": "nodes", "y": "messages a second", "x_range": (2.0, 128.0), "y_range": (1.0, 1e5),
        "series": [
            of(0, "no joins"), of(100, "100 joins/s"), of(1_000, "1,000 joins/s"), of(10_000, "10,000 joins/s"),
        ],
        "limits": [(CORE_MICROS / MESSAGE_MICROS, "one core of links is full")],
    })
}

fn driver(model: &Model, runs: &[RunMetrics]) -> Value {
    let range = (10.0, 100_000.0);
    let curves = Curves::over_joins(runs, range);
    let of = |nodes, shape, name| {
        let scenario = Scenario { nodes, shape, ..MIDDLE };
        curves.series(name, scenario, |at| model.driver(at) / 1e4, |run| run.micros() / 1e4)
    };
    json!({
        "title": "CPU of the driver (12 nodes, 100,000 visitors)",
        "x": "joins a second in the whole world", "y": "% of a core", "x_range": range, "y_range": (0.1, 1_000.0),
        "series": [
            of(12, RoomDistribution::One, "one room"), of(12, ROOMS, "1,000 rooms"),
            of(12, RoomDistribution::Zipf, "Zipf"), of(12, RoomDistribution::Each, "rooms of one"),
            of(32, RoomDistribution::Each, "rooms of one, 32 nodes"),
        ],
        "limits": [(100.0, "its core is full")],
    })
}

fn memory(model: &Model, runs: &[RunMetrics]) -> Value {
    let range = (10_000.0, 5e6);
    let curves = Curves::over_visitors(runs, range);
    let of = |nodes, shape, name| {
        let scenario = Scenario { nodes, shape, joins: 0, clicks: 0, ..MIDDLE };
        // Memory hardly depends on joins and clicks.
        let fits = |run: &Scenario| (run.nodes, run.shape) == (nodes, shape) && run.joins <= 1_000;
        curves.series_where(name, scenario, |at| model.costs.memory_bytes(at), fits, |run| run.memory_bytes)
    };
    json!({
        "title": "Memory of a node that knows all visitors of the world",
        "x": "visitors in the whole world", "y": "bytes", "x_range": range, "y_range": (5e6, 1e11),
        "series": [
            of(12, ROOMS, "1,000 rooms"), of(12, RoomDistribution::One, "one room"),
            of(6, RoomDistribution::Each, "rooms of one, 6 nodes"), of(12, RoomDistribution::Each, "rooms of one, 12 nodes"),
            of(32, RoomDistribution::Each, "rooms of one, 32 nodes"),
        ],
        "limits": [(MEMORY_BYTES, "8 GB")],
    })
}

fn stall(model: &Model, runs: &[RunMetrics]) -> Value {
    let range = (10_000.0, 5e6);
    let curves = Curves::over_visitors(runs, range);
    let alike = |nodes, shape| move |run: &Scenario| (run.nodes, run.shape) == (nodes, shape);
    let of = |nodes, shape, name| {
        let scenario = Scenario { nodes, shape, ..MIDDLE };
        curves.series_where(name, scenario, |at| model.costs.silence_ms(at), alike(nodes, shape), |run| run.silence_ms)
    };
    let each = RoomDistribution::Each;
    let redrawn = |at: &Scenario| model.costs.redrawn_ms(at);
    let small = Scenario { nodes: 6, shape: each, ..MIDDLE };
    json!({
        "title": "How long a node is blocked when another node falls silent",
        "x": "visitors in the whole world", "y": "milliseconds", "x_range": range, "y_range": (1.0, 1e5),
        "series": [
            of(12, ROOMS, "1,000 rooms, 12 nodes"), of(6, RoomDistribution::One, "one room, 6 nodes"),
            of(6, each, "rooms of one, 6 nodes"),
            curves.series_where("… until all rooms are drawn", small, redrawn, alike(6, each), |run| run.redrawn_ms),
            of(32, each, "rooms of one, 32 nodes"),
        ],
        "limits": [(SUSPENDED_MS, "it believes that it was suspended"), (4_500.0, "the others consider it silent")],
    })
}

fn sends(model: &Model, runs: &[RunMetrics]) -> Value {
    let range = (1_000.0, 5e6);
    let curves = Curves::over_visitors(runs, range);
    let of = |shape, clicks, name| {
        let scenario = Scenario { shape, clicks, ..MIDDLE };
        curves.series(name, scenario, |at| model.rates(at).sends, |run| run.sends.messages)
    };
    json!({
        "title": "Writes to sockets of a node (12 nodes, 1,000 joins/s)",
        "x": "visitors in the whole world", "y": "writes a second", "x_range": range, "y_range": (10.0, 1e6),
        "series": [
            of(RoomDistribution::One, 0, "one room, no clicks"), of(RoomDistribution::One, 10, "one room, 10 clicks/s"),
            of(ROOMS, 10, "1,000 rooms"), of(ROOMS, 1_000, "1,000 rooms, 1,000 clicks/s"),
            of(RoomDistribution::Each, 10, "rooms of one"),
        ],
        "limits": [(CORE_MICROS / SEND_MICROS, "one core of sockets")],
    })
}

fn interest(model: &Model) -> Value {
    let range = (0.01, 10.0);
    let line = spread(range).map(|watchers| (watchers, 100.0 * partial_interest::ratio(watchers, &model.sizes)));
    json!({
        "title": "Not built: bytes between nodes with partial interest",
        "x": "watchers of a room on each node (visitors / rooms / nodes)", "y": "% of full replication",
        "x_range": range, "y_range": (10.0, 200.0), "series": [series("calculated", line, std::iter::empty())],
        "limits": [(100.0, "full replication"), (50.0, "half")],
    })
}
