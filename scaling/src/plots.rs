//! Which plots there are: what each shows, over which range.

use crate::costs::AWAY_MS;
use crate::grid::MIDDLE;
use crate::interest;
use crate::limits::{CORE_MICROS, MEMORY_BYTES, Model};
use crate::meter::{Measured, What};
use crate::scenario::{Scenario, Shape};
use crate::svg::{Plot, Series};

/// All of them, by the name of their file.
#[must_use]
pub fn plots(model: &Model, runs: &[Measured]) -> Vec<(&'static str, Plot)> {
    vec![
        ("bytes", bytes(model, runs)),
        ("messages", messages(model, runs)),
        ("driver", driver(model, runs)),
        ("memory", memory(model, runs)),
        ("stall", stall(model, runs)),
        ("sends", sends(model, runs)),
        ("interest", interest_plot(model)),
    ]
}

/// Evenly on a logarithmic axis.
fn spread((from, to): (f64, f64)) -> Vec<f64> {
    (0..=80).map(|step| from * (to / from).powf(f64::from(step) / 80.0)).collect()
}

/// A curve of the model, and the runs that lie on it.
fn series(
    (name, colour): (&str, usize),
    range: (f64, f64),
    line: impl Fn(f64) -> f64,
    runs: &[Measured],
    dot: impl Fn(&Measured) -> Option<(f64, f64)>,
) -> Series {
    let line = spread(range).into_iter().map(|x| (x, line(x))).collect();
    Series { name: name.to_owned(), colour, line, dots: runs.iter().filter_map(dot).collect() }
}

fn bytes(model: &Model, runs: &[Measured]) -> Plot {
    let range = (1.0, 10_000.0);
    let of = |nodes: usize, shape: Shape, name: &str, colour: usize| {
        let at = move |joins: f64| Scenario { nodes, shape, joins: joins as u64, ..MIDDLE };
        let dot = move |run: &Measured| {
            let fits = run.scenario == at(run.scenario.joins as f64);
            fits.then(|| (run.scenario.joins as f64, run.bytes_out()))
        };
        series((name, colour), range, |joins| model.rates(&at(joins)).bytes_out, runs, dot)
    };
    Plot {
        title: "Bytes that a node sends to others (it receives as many)".to_owned(),
        x: "joins a second in the whole world".to_owned(),
        y: "bytes a second".to_owned(),
        x_range: range,
        y_range: (500.0, 1e7),
        series: vec![
            of(6, MIDDLE.shape, "6 nodes, 1,000 rooms", 0),
            of(12, MIDDLE.shape, "12 nodes, 1,000 rooms", 1),
            of(32, MIDDLE.shape, "32 nodes, 1,000 rooms", 2),
            of(32, Shape::Each, "32 nodes, rooms of one", 3),
        ],
        limits: vec![(1.25e6, "10 Mbit/s".to_owned())],
    }
}

fn messages(model: &Model, runs: &[Measured]) -> Plot {
    let range = (2.0, 128.0);
    let of = |joins: u64, name: &str, colour: usize| {
        let at = move |nodes: f64| Scenario { nodes: nodes as usize, joins, ..MIDDLE };
        let sent = |run: &Measured| {
            let flows = [What::Delta, What::Heartbeat, What::Facts].into_iter().filter_map(|what| run.out.get(&what));
            flows.map(|flow| flow.messages).sum::<f64>()
        };
        let dot = move |run: &Measured| {
            let fits = run.scenario == at(run.scenario.nodes as f64);
            fits.then(|| (run.scenario.nodes as f64, sent(run)))
        };
        let line = |nodes: f64| {
            let (rates, others) = (model.rates(&at(nodes)), nodes - 1.0);
            (nodes, others * (rates.deltas_out + rates.beats_out + rates.clicks_out))
        };
        // There are no nodes in between.
        let line = (2..=128_u32).map(|nodes| line(f64::from(nodes))).collect();
        Series { name: name.to_owned(), colour, line, dots: runs.iter().filter_map(dot).collect() }
    };
    Plot {
        title: "Messages that a node sends, one per reader (it receives as many)".to_owned(),
        x: "nodes".to_owned(),
        y: "messages a second".to_owned(),
        x_range: range,
        y_range: (1.0, 1e5),
        series: vec![
            of(0, "no joins", 0),
            of(100, "100 joins/s", 1),
            of(1_000, "1,000 joins/s", 2),
            of(10_000, "10,000 joins/s", 3),
        ],
        limits: vec![(CORE_MICROS / crate::costs::MESSAGE_MICROS, "one core of links is full".to_owned())],
    }
}

const SHAPES: [(Shape, &str); 4] = [
    (Shape::One, "one room"),
    (Shape::Equal(1_000), "1,000 rooms"),
    (Shape::Zipf, "Zipf"),
    (Shape::Each, "rooms of one"),
];

fn driver(model: &Model, runs: &[Measured]) -> Plot {
    let range = (10.0, 100_000.0);
    let mut all: Vec<Series> = SHAPES
        .iter()
        .enumerate()
        .map(|(colour, (shape, name))| {
            let at = |joins: f64| Scenario { shape: *shape, joins: joins as u64, ..MIDDLE };
            let dot = |run: &Measured| {
                let fits = run.scenario == at(run.scenario.joins as f64);
                fits.then(|| (run.scenario.joins as f64, run.micros() / 1e4))
            };
            series((name, colour), range, |joins| model.driver(&at(joins)) / 1e4, runs, dot)
        })
        .collect();
    let at = |joins: f64| Scenario { shape: Shape::Each, nodes: 32, joins: joins as u64, ..MIDDLE };
    let dot = |run: &Measured| {
        let fits = run.scenario == at(run.scenario.joins as f64);
        fits.then(|| (run.scenario.joins as f64, run.micros() / 1e4))
    };
    all.push(series(("rooms of one, 32 nodes", 4), range, |joins| model.driver(&at(joins)) / 1e4, runs, dot));
    Plot {
        title: "CPU of the driver (12 nodes, 100,000 visitors)".to_owned(),
        x: "joins a second in the whole world".to_owned(),
        y: "% of a core".to_owned(),
        x_range: range,
        y_range: (0.1, 1_000.0),
        series: all,
        limits: vec![(100.0, "its core is full".to_owned())],
    }
}

fn memory(model: &Model, runs: &[Measured]) -> Plot {
    let range = (10_000.0, 5e6);
    let of = |nodes: usize, shape: Shape, name: &str, colour: usize| {
        let at =
            move |visitors: f64| Scenario { nodes, shape, visitors: visitors as u64, joins: 0, clicks: 0, ..MIDDLE };
        // Memory does not follow from joins and clicks.
        let dot = move |run: &Measured| {
            let fits = (run.scenario.nodes, run.scenario.shape) == (nodes, shape) && run.scenario.joins <= 1_000;
            fits.then_some((run.scenario.visitors as f64, run.memory_bytes))
        };
        series((name, colour), range, |visitors| model.costs.memory_bytes(&at(visitors)), runs, dot)
    };
    Plot {
        title: "Memory of a node that knows all visitors of the world".to_owned(),
        x: "visitors in the whole world".to_owned(),
        y: "bytes".to_owned(),
        x_range: range,
        y_range: (5e6, 1e11),
        series: vec![
            of(12, Shape::Equal(1_000), "1,000 rooms", 0),
            of(12, Shape::One, "one room", 1),
            of(6, Shape::Each, "rooms of one, 6 nodes", 2),
            of(12, Shape::Each, "rooms of one, 12 nodes", 3),
            of(32, Shape::Each, "rooms of one, 32 nodes", 4),
        ],
        limits: vec![(MEMORY_BYTES, "8 GB".to_owned())],
    }
}

fn stall(model: &Model, runs: &[Measured]) -> Plot {
    let range = (10_000.0, 5e6);
    let of = |nodes: usize, shape: Shape, name: &str, colour: usize| {
        let at = move |visitors: f64| Scenario { nodes, shape, visitors: visitors as u64, ..MIDDLE };
        let dot = move |run: &Measured| {
            let fits = (run.scenario.nodes, run.scenario.shape) == (nodes, shape);
            fits.then_some((run.scenario.visitors as f64, run.silence_ms))
        };
        series((name, colour), range, |visitors| model.costs.silence_ms(&at(visitors)), runs, dot)
    };
    let at = |visitors: f64| Scenario { nodes: 6, shape: Shape::Each, visitors: visitors as u64, ..MIDDLE };
    let dot = |run: &Measured| {
        let fits = (run.scenario.nodes, run.scenario.shape) == (6, Shape::Each);
        fits.then_some((run.scenario.visitors as f64, run.redrawn_ms))
    };
    let name = "… until all rooms are drawn";
    let redrawn = series((name, 3), range, |visitors| model.costs.redrawn_ms(&at(visitors)), runs, dot);
    Plot {
        title: "How long a node is blocked when another node falls silent".to_owned(),
        x: "visitors in the whole world".to_owned(),
        y: "milliseconds".to_owned(),
        x_range: range,
        y_range: (1.0, 1e5),
        series: vec![
            of(12, Shape::Equal(1_000), "1,000 rooms, 12 nodes", 0),
            of(6, Shape::One, "one room, 6 nodes", 1),
            of(6, Shape::Each, "rooms of one, 6 nodes", 2),
            of(32, Shape::Each, "rooms of one, 32 nodes", 4),
            redrawn,
        ],
        limits: vec![
            (AWAY_MS, "it believes that it was suspended".to_owned()),
            (4_000.0, "the others consider it silent".to_owned()),
        ],
    }
}

fn sends(model: &Model, runs: &[Measured]) -> Plot {
    let range = (1_000.0, 5e6);
    let of = |shape: Shape, clicks: u64, name: &str, colour: usize| {
        let at = move |visitors: f64| Scenario { shape, clicks, visitors: visitors as u64, ..MIDDLE };
        let dot = move |run: &Measured| {
            let fits = run.scenario == at(run.scenario.visitors as f64);
            fits.then_some((run.scenario.visitors as f64, run.sends.messages))
        };
        series((name, colour), range, |visitors| model.rates(&at(visitors)).sends, runs, dot)
    };
    Plot {
        title: "Writes to sockets of a node (12 nodes, 1,000 joins/s)".to_owned(),
        x: "visitors in the whole world".to_owned(),
        y: "writes a second".to_owned(),
        x_range: range,
        y_range: (10.0, 1e6),
        series: vec![
            of(Shape::One, 0, "one room, no clicks", 0),
            of(Shape::One, 10, "one room, 10 clicks/s", 1),
            of(Shape::Equal(1_000), 10, "1,000 rooms", 2),
            of(Shape::Equal(1_000), 1_000, "1,000 rooms, 1,000 clicks/s", 3),
            of(Shape::Each, 10, "rooms of one", 4),
        ],
        limits: vec![(CORE_MICROS / crate::costs::SEND_MICROS, "one core of sockets".to_owned())],
    }
}

fn interest_plot(model: &Model) -> Plot {
    let range = (0.01, 10.0);
    let none = |_: &Measured| None;
    let line = |watchers: f64| 100.0 * interest::ratio(watchers, &model.bytes);
    Plot {
        title: "Not built: bytes between nodes with partial interest".to_owned(),
        x: "watchers of a room on each node (visitors / rooms / nodes)".to_owned(),
        y: "% of full replication".to_owned(),
        x_range: range,
        y_range: (10.0, 200.0),
        series: vec![series(("calculated", 0), range, line, &[], none)],
        limits: vec![(100.0, "full replication".to_owned()), (50.0, "half".to_owned())],
    }
}
