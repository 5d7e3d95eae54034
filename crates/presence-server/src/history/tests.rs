//! A history by hand: what was missed, by time and by position, and what a node does not know.

use presence_cable::Position;
use presence_core::NodeHash;

use super::shard::SHARD_BYTES_MAX;
use super::*;

const NOW_MS: u64 = 1_795_496_780_000;

fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

fn time(ms: u64) -> HistoryTime {
    HistoryTime { ms, wall_ms: ms }
}

fn message(name: &str, body: &str) -> Arc<Message> {
    Arc::new(Message { stream: stream(name), body: body.as_bytes().to_vec(), kept: true, whispered: false, from: None })
}

fn id(number: u64) -> MessageId {
    MessageId { author: NodeHash(1), incarnation: 1, number }
}

/// A history of a node that has received everything since that time.
fn complete_since(ms: u64) -> History {
    let history = History::new(7);
    history.complete_since_ms.store(ms, Relaxed);
    history
}

fn keep(history: &History, name: &str, body: &str, now_ms: u64) -> u64 {
    let number = history.head() - ARRIVED_FROM + 1;
    history.lock(&stream(name)).store(&message(name, body), id(number), time(now_ms))
}

fn since_ms(since_ms: u64) -> HistoryRequest {
    HistoryRequest { since: Some(since_ms as f64 / 1_000.0), ..HistoryRequest::default() }
}

fn after(name: &str, epoch: &str, offset: u64) -> HistoryRequest {
    let position = Position { epoch: epoch.to_owned(), offset };
    HistoryRequest { since: Some(NOW_MS as f64 / 1_000.0), streams: [(name.to_owned(), position)].into() }
}

/// What a client is told.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Told {
    Bodies(Vec<String>),
    Dropped,
    Incomplete,
}

fn all(bodies: &[&str]) -> Told {
    Told::Bodies(bodies.iter().map(|body| (*body).to_owned()).collect())
}

fn told(history: &History, name: &str, asked: Asked<'_>, now_ms: u64) -> Told {
    match history.lock(&stream(name)).missed(asked, time(now_ms)) {
        Missed::All(missed) => {
            let body = |kept: &StoredMessage| String::from_utf8(kept.message.body.clone()).unwrap();
            Told::Bodies(missed.iter().map(body).collect())
        }
        Missed::Dropped => Told::Dropped,
        Missed::Incomplete { .. } => Told::Incomplete,
    }
}

fn asked(request: &HistoryRequest) -> Asked<'_> {
    Asked { request, from_elsewhere: false, fetched_since_ms: None }
}

fn missed(history: &History, name: &str, request: &HistoryRequest, now_ms: u64) -> Told {
    told(history, name, asked(request), now_ms)
}

/// As another node has it.
fn past(number: u64, body: &str, age_ms: u64) -> PastMessage {
    PastMessage { id: id(number), age_ms, body: body.as_bytes().to_vec() }
}

#[test]
fn missed_messages_are_found_by_time_or_by_position() {
    let history = complete_since(0);
    let first = keep(&history, "a", "1", NOW_MS);
    let other = keep(&history, "b", "other", NOW_MS + 500);
    let second = keep(&history, "a", "2", NOW_MS + 1_000);
    assert!(first < second);
    let told = |request: &HistoryRequest| missed(&history, "a", request, NOW_MS + 2_000);
    assert_eq!(told(&since_ms(NOW_MS)), all(&["1", "2"]));
    assert_eq!(told(&since_ms(NOW_MS + 1_000)), all(&["2"]));
    assert_eq!(told(&since_ms(NOW_MS + 60_000)), all(&[]), "a clock that is ahead");
    assert_eq!(told(&HistoryRequest::default()), all(&[]));
    for odd in [f64::NAN, f64::INFINITY, -1.0, f64::MAX] {
        assert!(matches!(told(&HistoryRequest { since: Some(odd), ..Default::default() }), Told::Bodies(_)));
    }
    assert_eq!(told(&after("a", "7", first)), all(&["2"]));
    assert_eq!(told(&after("a", "7", second)), all(&[]));
    assert_eq!(told(&after("a", "7", second + 1)), Told::Dropped, "no message has that offset yet");
    assert_eq!(told(&after("b", "7", other)), all(&["1", "2"]), "a position in another stream does not count");
}

#[test]
fn instead_of_another_nodes_position_the_time_counts_with_some_slack() {
    let history = complete_since(0);
    keep(&history, "a", "long ago", NOW_MS - 3_000);
    keep(&history, "a", "just before", NOW_MS - 1_000);
    keep(&history, "a", "after", NOW_MS + 1_000);
    let expected = all(&["just before", "after"]);
    assert_eq!(missed(&history, "a", &after("a", "8", 4_000), NOW_MS + 2_000), expected);
    assert_eq!(missed(&history, "quiet", &after("quiet", "8", 4_000), NOW_MS), all(&[]));
    let without_time = HistoryRequest { since: None, ..after("a", "8", 4_000) };
    assert_eq!(missed(&history, "a", &without_time, NOW_MS + 2_000), Told::Dropped, "nothing says what it has");
    // A client that had a session elsewhere and heard nothing there.
    let (request, now_ms) = (since_ms(NOW_MS), NOW_MS + 2_000);
    assert_eq!(missed(&history, "a", &request, now_ms), all(&["after"]));
    assert_eq!(told(&history, "a", Asked { from_elsewhere: true, ..asked(&request) }, now_ms), expected);
}

#[test]
fn a_node_says_only_what_it_has_received_itself_or_fetched() {
    let history = complete_since(INCOMPLETE);
    keep(&history, "a", "4", NOW_MS + 4_000);
    let (early, late) = (since_ms(NOW_MS), since_ms(NOW_MS + 3_000));
    let now_ms = NOW_MS + 5_000;
    assert_eq!(missed(&history, "a", &late, now_ms), Told::Incomplete, "it does not hear the others yet");
    history.complete_since_ms.store(NOW_MS + 3_000, Relaxed);
    assert_eq!(missed(&history, "a", &late, now_ms), all(&["4"]));
    assert_eq!(missed(&history, "a", &early, now_ms), Told::Incomplete);
    assert_eq!(missed(&history, "a", &after("a", "8", 4), now_ms), Told::Incomplete);
    assert_eq!(missed(&history, "quiet", &early, now_ms), Told::Incomplete, "also where nothing is known of a stream");

    let fetched = vec![past(1, "4", 1_000), past(12, "2", 3_000), past(11, "1", 4_000)];
    history.lock(&stream("a")).merge(fetched, NOW_MS, time(now_ms));
    assert_eq!(missed(&history, "a", &early, now_ms), all(&["1", "2", "4"]), "each once, and in order");
    assert_eq!(missed(&history, "a", &after("a", "8", 4), now_ms), Told::Incomplete, "that asks for 2 s more");
    assert_eq!(missed(&history, "quiet", &early, now_ms), Told::Incomplete);
    // A client that came after them is not sent them, one that has the first of them is sent the others.
    assert_eq!(missed(&history, "a", &after("a", "7", history.head()), now_ms), all(&[]));
    assert_eq!(missed(&history, "a", &after("a", "7", ARRIVED_FROM - 1), now_ms), all(&["2", "4"]));

    // Something was lost on its way here.
    history.complete_since_ms.store(NOW_MS + 6_000, Relaxed);
    assert_eq!(missed(&history, "a", &early, NOW_MS + 7_000), Told::Incomplete, "what was fetched before is too old");
    let position = after("a", "7", history.head());
    assert_eq!(missed(&history, "a", &position, NOW_MS + 7_000), Told::Incomplete);
    history.lock(&stream("a")).merge(vec![past(15, "5", 1_500)], NOW_MS + 4_000, time(NOW_MS + 7_000));
    assert_eq!(missed(&history, "a", &position, NOW_MS + 7_000), all(&["5"]), "it came after that position");
}

#[test]
fn what_was_dropped_is_not_said_to_be_all() {
    let history = complete_since(0);
    for n in 0..103 {
        keep(&history, "a", &n.to_string(), NOW_MS + n);
    }
    assert_eq!(missed(&history, "a", &since_ms(NOW_MS + 2), NOW_MS + 103), Told::Dropped, "more than are kept");
    assert!(matches!(missed(&history, "a", &since_ms(NOW_MS + 3), NOW_MS + 103), Told::Bodies(b) if b.len() == 100));
    let read = |age_ms| history.lock(&stream("a")).read(age_ms, time(NOW_MS + 103)).map(|past| past.len());
    assert_eq!(read(101), None);
    assert_eq!(read(100), Some(100));
    assert_eq!(missed(&history, "a", &since_ms(NOW_MS + 100), NOW_MS + KEPT_MS + 102), Told::Dropped, "too old");
    let history = complete_since(0);
    for n in 0..9 {
        keep(&history, "a", &"x".repeat(64 * 1_024), NOW_MS + n);
    }
    assert_eq!(history.lock(&stream("a")).read(1_000, time(NOW_MS + 9)), None, "too large for one answer");
}

#[test]
fn a_message_of_the_very_millisecond_that_is_named_is_sent_however_the_clocks_round() {
    let history = complete_since(0);
    keep(&history, "a", "1", NOW_MS + 999);
    // By the machine's clock it was stored at 1,000: that one changes a moment earlier.
    let now = HistoryTime { ms: NOW_MS + 2_000, wall_ms: NOW_MS + 2_000 };
    let request = since_ms(NOW_MS + 1_000);
    let Missed::All(missed) = history.lock(&stream("a")).missed(asked(&request), now) else { panic!() };
    assert_eq!(missed.len(), 1);
}

#[test]
fn a_clock_that_jumps_changes_nothing_that_is_stored() {
    let history = complete_since(NOW_MS);
    keep(&history, "a", "1", NOW_MS + 1_000);
    let request = since_ms(NOW_MS + 3_600_000);
    let an_hour_later = HistoryTime { ms: NOW_MS + 2_000, wall_ms: NOW_MS + 3_602_000 };
    let Missed::All(missed) = history.lock(&stream("a")).missed(asked(&request), an_hour_later) else { panic!() };
    assert_eq!(missed.len(), 1);
    let request = since_ms(NOW_MS + 3_599_000);
    let missed = history.lock(&stream("a")).missed(asked(&request), an_hour_later);
    assert!(matches!(missed, Missed::Incomplete { .. }), "{missed:?}");
}

#[test]
fn a_stream_keeps_100_messages_for_300_s_and_reports_when_more_were_missed() {
    let history = complete_since(0);
    let offsets: Vec<u64> = (0..103).map(|n| keep(&history, "a", &n.to_string(), NOW_MS + n)).collect();
    let told = |offset: u64, now_ms: u64| missed(&history, "a", &after("a", "7", offset), now_ms);
    assert_eq!(told(offsets[1], NOW_MS), Told::Dropped, "one of those was dropped");
    assert!(matches!(told(offsets[2], NOW_MS), Told::Bodies(bodies) if bodies.len() == 100));
    assert_eq!(told(offsets[2], NOW_MS + 3 + KEPT_MS), Told::Dropped, "one of those is too old");
    assert_eq!(told(offsets[100], NOW_MS + 101 + KEPT_MS - 1), all(&["101", "102"]));
    assert_eq!(told(offsets[102], NOW_MS + 103 + KEPT_MS), all(&[]), "nothing was missed");
    assert_eq!(told(offsets[101], NOW_MS + 103 + KEPT_MS), Told::Dropped, "a message was missed");
    // The stream starts again and remembers that messages were dropped.
    let offset = keep(&history, "a", "again", NOW_MS + 2 * KEPT_MS);
    assert!(offset > offsets[102]);
    assert_eq!(told(offsets[101], NOW_MS + 2 * KEPT_MS), Told::Dropped);
    assert_eq!(told(offsets[102], NOW_MS + 2 * KEPT_MS), all(&["again"]));
}

#[test]
fn all_streams_together_are_bounded_and_the_oldest_message_is_dropped_first() {
    let history = complete_since(0);
    let body = "x".repeat(60_000);
    for n in 0..2_000 {
        keep(&history, &format!("stream/{n}"), &body, NOW_MS + n);
    }
    let kept: Vec<u64> =
        (0..2_000).filter(|n| history.lock(&stream(&format!("stream/{n}"))).past().next().is_some()).collect();
    let shards = history.shards.iter().map(|shard| shard.lock().bytes).sum::<usize>();
    assert!(shards <= SHARDS * SHARD_BYTES_MAX && kept.len() * body.len() <= shards);
    assert!(kept.len() > 500 && kept.contains(&1_999) && !kept.contains(&0), "{} kept", kept.len());
    let of_empty_ones = (0..400_000_u64).filter(|n| {
        keep(&history, &n.to_string(), "", NOW_MS + 2_000);
        n % 100_000 == 0
    });
    assert_eq!(of_empty_ones.count(), 4);
    let streams: usize = history.shards.iter().map(|shard| shard.lock().len()).sum();
    assert!(streams < 270_000, "{streams}");
}
