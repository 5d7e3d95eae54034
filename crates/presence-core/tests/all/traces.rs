//! Traces: the trace of a click goes with its facts, and with what is drawn of them on every node.

use presence_core::{
    Click, ConnectionId, FactKind, Input, Output, SubscriptionId, Tab, TraceContext, TracedWrite, TracedWrites,
};

use crate::app::click;
use crate::pair::{AUTHOR, Pair, READER, room, user};

fn context() -> TraceContext {
    TraceContext::new([7; 16], [9; 8], true).expect("two ids")
}

fn press(pair: &mut Pair, target: &str, traced: Option<TraceContext>) {
    let call = Click::on(target).attribute("data-id", "3");
    let mut clicked = click(ConnectionId(1), SubscriptionId(9), room("shop"), user(1), &call);
    if let Input::Clicked { trace, .. } = &mut clicked {
        *trace = traced;
    }
    pair.handle(AUTHOR, clicked);
    pair.pass(1_000);
}

/// What a node has drawn of traced writes, and what no page of it shows.
fn traced(outputs: &[Output]) -> (Vec<TracedWrite>, Vec<TracedWrite>) {
    let writes = |traced: &TracedWrites| traced.writes().to_vec();
    let drawn = outputs.iter().filter_map(|output| match output {
        Output::Draw(drawing) => Some(writes(&drawing.traced)),
        _ => None,
    });
    let undrawn = outputs.iter().filter_map(|output| match output {
        Output::Undrawn(traced) => Some(writes(traced)),
        _ => None,
    });
    (drawn.flatten().collect(), undrawn.flatten().collect())
}

/// The records that a node keeps.
fn kept(outputs: &[Output]) -> Vec<Vec<u8>> {
    let mut kept: Vec<Vec<u8>> = outputs.iter().cloned().filter_map(|output| output.into_record()?.1).collect();
    kept.sort();
    kept
}

fn pair() -> Pair {
    let mut pair = Pair::author();
    pair.start_reader();
    pair.pass(6_000);
    pair
}

fn open_page(pair: &mut Pair) {
    let (connection, subscription, room) = (ConnectionId(2), SubscriptionId(1), room("shop"));
    let tab = Tab { draws: true, ..Tab::page() };
    pair.handle(READER, Input::Joined { connection, subscription, room, user: user(2), tab });
    pair.pass(1_000);
    pair.forget();
}

#[test]
fn a_click_is_in_one_trace_on_every_node_and_all_keep_the_same_bytes() {
    let mut pair = pair();
    open_page(&mut pair);
    press(&mut pair, "Pair#two", Some(context()));
    let taken = pair.now.wall;
    let (drawn, undrawn) = traced(&pair.outputs[READER]);
    assert_eq!(undrawn, []);
    let [TracedWrite { context: read, kinds, taken: at }] = drawn.as_slice() else { panic!("one write: {drawn:?}") };
    assert_eq!((*read, kinds.as_slice()), (context(), &[FactKind::Register][..]));
    assert!(taken.since(*at) <= 1_000 && *at <= taken);
    let (drawn, undrawn) = traced(&pair.outputs[AUTHOR]);
    assert_eq!((drawn.len(), undrawn.len()), (0, 1), "no page of the author's node shows it");
    assert_eq!((undrawn[0].context, &undrawn[0].kinds), (context(), kinds));
    let records = kept(&pair.outputs[AUTHOR]);
    assert_eq!((records.len(), &records), (2, &kept(&pair.outputs[READER])));
    pair.forget();
    press(&mut pair, "Pair#two", None);
    let untraced = kept(&pair.outputs[AUTHOR]);
    // The bytes of the trace with their header, and those of the three fields before it that are empty.
    assert!(records.iter().zip(&untraced).all(|(traced, plain)| traced.len() <= plain.len() + 30));
    for node in [AUTHOR, READER] {
        assert_eq!(traced(&pair.outputs[node]), (Vec::new(), Vec::new()));
    }
}

#[test]
fn counters_and_removals_are_traced_too_and_one_click_is_one_write() {
    let mut pair = pair();
    open_page(&mut pair);
    press(&mut pair, "Claps#add", Some(context()));
    let kinds = |pair: &Pair| traced(&pair.outputs[READER]).0.into_iter().map(|write| write.kinds).collect::<Vec<_>>();
    assert_eq!(kinds(&pair), [[FactKind::Counter]]);
    pair.forget();
    let trace = TraceContext::new([7; 16], [10; 8], true);
    let removed = Input::FactRemoved { query: 1, room: room("shop"), key: "claps".to_owned(), entry: None, trace };
    pair.handle(AUTHOR, removed);
    pair.pass(1_000);
    assert_eq!(kinds(&pair), [[FactKind::Counter]]);
}

#[test]
fn a_node_that_learns_of_a_write_a_minute_later_has_no_part_in_its_trace() {
    let mut pair = Pair::author();
    press(&mut pair, "Pair#two", Some(context()));
    pair.pass(60_000);
    pair.start_reader();
    pair.pass(10_000);
    assert_eq!(kept(&pair.outputs[READER]).len(), 2, "it has the facts");
    assert_eq!(traced(&pair.outputs[READER]), (Vec::new(), Vec::new()));
}
