//! The tables of docs/scaling.md: constants, every run beside the model, and where a node breaks.

use std::fmt::Write as _;

use crate::cost_model::SUSPENDED_MS;
use crate::grid::MIDDLE;
use crate::limits::{CORE_MICROS, Model, VISITORS_MAX};
use crate::metrics::RunMetrics;
use crate::partial_interest;
use crate::scenario::{RoomDistribution, Scenario};

/// All tables by their place in the document.
pub(crate) fn tables(model: &Model, runs: &[RunMetrics]) -> Vec<(&'static str, String)> {
    vec![
        ("constants", constants(model)),
        ("runs", all_runs(model, runs)),
        ("limits", limits(model)),
        ("node", one_node(model)),
        ("interest", interest_table(model)),
    ]
}

fn constants(model: &Model) -> String {
    let (sizes, costs) = (&model.sizes, &model.costs);
    let mut table = "| Constant | Value |\n|---|---|\n".to_owned();
    let mut row = |what: &str, value: f64, unit: &str| {
        let digits = if value.abs() < 9.95 { 1 } else { 0 };
        let _ = writeln!(table, "| {what} | {value:.digits$} {unit} |");
    };
    row("row of a visitor, in a delta", sizes.row, "bytes");
    row("row of a room's name (25 bytes long)", sizes.name, "bytes");
    row("row that was removed", sizes.removed, "bytes");
    row("delta without rows", sizes.delta, "bytes");
    row("heartbeat that names no other node", sizes.beat, "bytes");
    row("… for each other node", sizes.beat_named, "bytes");
    row("… for each node echoed, at most eight", sizes.beat_echo, "bytes");
    row("click", sizes.click, "bytes");
    row("hello and its answer", sizes.hello + sizes.hello_answer, "bytes");
    row("… for each node that the answer names", sizes.hello_named, "bytes");
    row("handling a delta", costs.delta_micros, "µs");
    row("handling a row, in a world of 100,000 visitors", costs.row_micros, "µs");
    row("… more for each doubling of the world", costs.row_doubled_micros, "µs");
    row("drawing a view of a room", costs.view_micros, "µs");
    row("… for each region", costs.view_region_micros, "µs");
    row("a visit on this node, from join to removal", costs.visit_micros, "µs");
    row("a second without inputs", costs.idle_micros, "µs");
    row("a heartbeat that is heard", costs.beat_micros, "µs");
    row("a click, on any node", costs.click_micros, "µs");
    row("memory for a visitor of the world", costs.visitor_bytes, "bytes");
    row("memory for a room", costs.room_bytes, "bytes");
    row("… for each region", costs.room_region_bytes, "bytes");
    row("memory for a row that was removed, for a minute", costs.removed_bytes, "bytes");
    row("silence, for each visitor of the silent node", costs.silent_row_micros, "µs");
    row("… for each room that is scheduled to be drawn", costs.silent_room_micros, "µs");
    row("drawing a room again after that, 128 in one input", costs.redrawn_room_micros, "µs");
    row("… for each region", costs.redrawn_room_region_micros, "µs");
    table
}

fn deviation(said: f64, found: f64) -> String {
    if found < 1e-9 { String::new() } else { format!(" ({:+.0} %)", (said / found - 1.0) * 100.0) }
}

fn all_runs(model: &Model, runs: &[RunMetrics]) -> String {
    let mut table = "| Nodes | Visitors | Rooms | Joins/s | Clicks/s | Bytes out/s | Bytes in/s | Views/s | Writes/s | Driver, % of a core | Memory, MB | Silence, ms | Drawn again, ms |\n\
                     |---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let mut runs: Vec<&RunMetrics> = runs.iter().collect();
    runs.sort_by_key(|run| {
        let Scenario { nodes, visitors, shape, joins, clicks, .. } = run.scenario;
        (visitors, nodes, shape.to_string(), joins, clicks)
    });
    for run in runs {
        let scenario = &run.scenario;
        let rates = model.rates(scenario);
        let Scenario { nodes, visitors, shape, joins, clicks, .. } = scenario;
        let cell = |found: f64, said: f64| format!("{}{}", short(found), deviation(said, found));
        let _ = writeln!(
            table,
            "| {nodes} | {} | {shape} | {joins} | {clicks} | {} | {} | {} | {} | {} | {} | {} | {} |",
            short(*visitors as f64),
            cell(run.bytes_out(), rates.bytes_out),
            cell(run.bytes_in(), rates.bytes_in),
            cell(run.views, rates.views),
            cell(run.sends.messages, rates.sends),
            cell(run.micros() / 1e4, model.costs.driver_micros(scenario, &rates) / 1e4),
            cell(run.memory_bytes / 1e6, model.costs.memory_in_run(scenario) / 1e6),
            cell(run.silence_ms, model.costs.silence_ms(scenario)),
            cell(run.redrawn_ms, model.costs.redrawn_ms(scenario)),
        );
    }
    table
}

const SHAPES: [(RoomDistribution, &str); 4] = [
    (RoomDistribution::One, "all in one room"),
    (RoomDistribution::Equal(1_000), "1,000 rooms"),
    (RoomDistribution::Zipf, "Zipf"),
    (RoomDistribution::Each, "rooms of one"),
];

fn visitors(value: f64) -> String {
    if value >= VISITORS_MAX * 0.99 { "above 100M".to_owned() } else { short(value) }
}

fn limits(model: &Model) -> String {
    let mut table = format!(
        "| Nodes | Rooms | Visitors in 8 GB | Visitors at which a silent node blocks it for {} s | Drawing all rooms again then | Joins/s that fill the driver's core | The links' CPU there |\n|---|---|---|---|---|---|---|\n",
        SUSPENDED_MS / 1_000.0
    );
    for nodes in [6, 12, 32] {
        for (shape, name) in SHAPES {
            let scenario = Scenario { nodes, shape, visitors: 1_000_000, ..MIDDLE };
            let joins = model.joins_in_driver(&scenario);
            let links = model.links(&Scenario { joins: joins as u64, ..scenario }) / CORE_MICROS * 100.0;
            let _ = writeln!(
                table,
                "| {nodes} | {name} | {} | {} | {:.1} s | {} | {links:.0} % |",
                visitors(model.visitors_in_memory(&scenario)),
                visitors(model.visitors_in_stall(&scenario)),
                model.costs.redrawn_ms(&scenario) / 1_000.0,
                short(joins),
            );
        }
    }
    table
}

fn one_node(model: &Model) -> String {
    let mut table = "| World | Bytes to others, from others | Messages out | Driver | Links | Sockets | Bytes to pages | Memory |\n|---|---|---|---|---|---|---|---|\n".to_owned();
    let worlds = [
        Scenario { nodes: 6, visitors: 10_000, joins: 100, clicks: 10, ..MIDDLE },
        MIDDLE,
        Scenario { nodes: 12, visitors: 1_000_000, joins: 1_000, clicks: 100, ..MIDDLE },
        Scenario { nodes: 32, visitors: 1_000_000, joins: 10_000, clicks: 100, ..MIDDLE },
        Scenario { nodes: 32, visitors: 5_000_000, joins: 10_000, clicks: 1_000, ..MIDDLE },
    ];
    for world in worlds {
        let rates = model.rates(&world);
        let core = |micros: f64| format!("{:.0} %", micros / 1e4);
        let _ = writeln!(
            table,
            "| {} nodes, {} visitors, {} joins/s, {} clicks/s | {}, {} | {} | {} | {} | {} | {} | {} |",
            world.nodes,
            short(world.visitors as f64),
            world.joins,
            world.clicks,
            short(rates.bytes_out),
            short(rates.bytes_in),
            short(rates.messages_out(world.nodes)),
            core(model.driver(&world)),
            core(model.links(&world)),
            core(model.sockets(&world)),
            short(model.page_bytes(&world, 46.0)),
            short(model.costs.memory_bytes(&world)),
        );
    }
    table
}

fn interest_table(model: &Model) -> String {
    let mut table =
        "| Watchers of a room on each node | Bytes, compared with full replication |\n|---|---|\n".to_owned();
    for watchers in [0.01, 0.1, 0.3, 1.0, 3.0, 10.0] {
        let _ = writeln!(table, "| {watchers} | {:.0} % |", 100.0 * partial_interest::ratio(watchers, &model.sizes));
    }
    let half = partial_interest::watchers_for(0.5, &model.sizes);
    let _ = writeln!(table, "\nHalf of the bytes are saved below {half:.2} watchers of a room on each node.");
    // The rate below which complete knowledge costs little.
    for megabytes in [1.0, 10.0] {
        let joins = partial_interest::search(1.0, 1e7, |joins| {
            let scenario = Scenario { shape: RoomDistribution::Each, joins: joins as u64, ..MIDDLE };
            model.rates(&scenario).bytes_in < megabytes * 1e6
        });
        let _ = writeln!(table, "A node receives {megabytes:.0} MB/s at {} joins/s in rooms of one.", short(joins));
    }
    table
}

/// Formats 1000 as 1k, with two significant digits.
fn short(value: f64) -> String {
    let (part, unit) = match value.abs() {
        v if v >= 0.9995e9 => (value / 1e9, "G"),
        v if v >= 0.9995e6 => (value / 1e6, "M"),
        v if v >= 0.9995e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match part.abs() {
        part if part >= 9.95 => 0,
        part if part >= 0.995 => 1,
        _ => 2,
    };
    let text = format!("{part:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    format!("{text}{unit}")
}
