//! What a collector is sent, and what becomes of spans where it is slow, wrong or away.

use std::sync::atomic::AtomicUsize;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use presence_core::{ConnectionId, ReflexError, Room, SubscriptionId, UserId, Write};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::config::OtlpEndpoint;
use crate::supervision::supervision;

/// What a collector of a test was sent: the headers, and the body.
type SentSpans = UnboundedReceiver<(HeaderMap, Value)>;

/// A collector that gives these answers in turn, the last one from then on.
async fn collector(answers: &'static [(u16, &'static str)]) -> (OtlpEndpoint, SentSpans) {
    let (sender, sent) = unbounded_channel();
    let count = Arc::new(AtomicUsize::new(0));
    let answer = move |State(sender): State<mpsc::UnboundedSender<_>>, headers: HeaderMap, body: String| async move {
        let _ = sender.send((headers, serde_json::from_str(&body).unwrap()));
        let (status, body) = answers[count.fetch_add(1, Relaxed).min(answers.len() - 1)];
        (StatusCode::from_u16(status).unwrap(), body)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/of/shop", listener.local_addr().unwrap()).parse().unwrap();
    let router = axum::Router::new().route("/of/shop/v1/traces", post(answer)).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint, sent)
}

fn traces(endpoint: OtlpEndpoint, a_second: u32) -> Traces {
    let mut config = Config::of(["--region", "ams"]).unwrap();
    config.traces.otlp_endpoint = Some(endpoint);
    config.traces.traces_per_second = a_second;
    config.secrets.otlp_headers = Some("authorization=Bearer%20key".to_owned());
    Traces::start(&config, &NodeName::new("ams-1").unwrap(), &supervision().0).unwrap()
}

fn caller(sampled: bool) -> TraceContext {
    TraceContext::new([1; 16], [2; 8], sampled).unwrap()
}

fn clicked(trace: Option<TraceContext>) -> Input {
    Input::Clicked {
        connection: ConnectionId(1),
        subscription: SubscriptionId(1),
        room: Room::new("a private room").unwrap(),
        user: UserId([3; 32]),
        echo: String::new(),
        writes: Ok(vec![
            Write::add("claps", 1),
            Write::set_bytes("lamp", "on"),
            Write::add("claps", 1),
            Write::Receipts,
        ]),
        trace,
    }
}

/// One click, written.
fn click(traces: &Traces, caller: Option<&TraceContext>) -> Option<TraceContext> {
    let trace = traces.begin(SpanName::Click, caller);
    traces.observe(&clicked(trace)).into_iter().for_each(|observed| traces.written(observed, &[]));
    trace
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), met).await.expect(what);
}

#[tokio::test]
async fn a_span_names_its_caller_and_neither_room_nor_user() {
    let (endpoint, mut sent) = collector(&[(200, "{}")]).await;
    let traces = traces(endpoint, 0);
    let trace = click(&traces, Some(&caller(true))).expect("the caller records it");
    assert_eq!(trace.trace_id(), [1; 16]);
    let (headers, body) = sent.recv().await.unwrap();
    assert_eq!(
        (&headers["authorization"], &headers["content-type"]),
        (&"Bearer key".parse().unwrap(), &"application/json".parse().unwrap())
    );
    let resource = &body["resourceSpans"][0]["resource"]["attributes"];
    let attribute = |name: &str| {
        resource.as_array().unwrap().iter().find(|one| one["key"] == name).unwrap()["value"]["stringValue"].clone()
    };
    assert_eq!((attribute("presence.region"), attribute("service.instance.id")), ("ams".into(), "ams-1".into()));
    let span = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(
        (&span["name"], &span["traceId"], &span["parentSpanId"]),
        (&"click".into(), &"01".repeat(16).into(), &"02".repeat(8).into())
    );
    let kinds = &span["attributes"][0];
    assert_eq!(kinds["key"], "presence.kinds");
    assert_eq!(
        kinds["value"]["arrayValue"]["values"],
        serde_json::json!([{"stringValue": "register"}, {"stringValue": "counter"}])
    );
    let ns = |name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
    assert!(ns("endTimeUnixNano") >= ns("startTimeUnixNano") && ns("startTimeUnixNano") > 1_700_000_000_000_000_000);
    assert!(!body.to_string().contains("private"), "{body}");
    assert!(!body.to_string().contains("03030303"), "{body}");
    until("it is counted", || traces.counts().unwrap().sent() == 1).await;
}

#[tokio::test]
async fn clicks_begin_traces_up_to_a_rate_and_a_caller_that_records_nothing_is_heeded() {
    let (endpoint, _sent) = collector(&[(200, "{}")]).await;
    let traces = traces(endpoint, 3);
    let began = Instant::now();
    let begun: Vec<_> = (0..50).filter_map(|_| click(&traces, None)).collect();
    let most = 3 * (1 + usize::try_from(began.elapsed().as_secs()).unwrap());
    assert!((3..=most).contains(&begun.len()), "{}", begun.len());
    assert_ne!(begun[0].trace_id(), begun[1].trace_id());
    assert_eq!(click(&traces, Some(&caller(false))), None);
    let given = (0..1_000).filter(|_| click(&traces, Some(&caller(true))).is_some()).count();
    assert!((100..1_000).contains(&given), "anybody can be a caller: {given}");
    let off = Traces::default();
    assert_eq!((off.begin(SpanName::Click, None), off.begin(SpanName::Click, Some(&caller(false)))), (None, None));
    assert_eq!(off.begin(SpanName::Click, Some(&caller(true))), Some(caller(true)), "it is passed on");
}

#[tokio::test]
async fn what_a_collector_does_not_take_is_dropped_and_counted() {
    const REJECTING: &str = r#"{"partialSuccess":{"rejectedSpans":"1"}}"#;
    let (endpoint, mut sent) =
        collector(&[(503, ""), (200, "<!doctype html>"), (200, REJECTING), (302, ""), (200, "")]).await;
    let traces = traces(endpoint, 1_000);
    let counts = || (traces.counts().unwrap().sent(), traces.counts().unwrap().dropped());
    for (sent_spans, dropped) in [(0, 1), (0, 2), (0, 3), (0, 4), (1, 4)] {
        assert!(click(&traces, None).is_some());
        sent.recv().await.unwrap();
        until("the answer is counted", || counts() == (sent_spans, dropped)).await;
    }
}

#[tokio::test]
async fn no_click_waits_for_a_collector_that_does_not_answer() {
    // It takes connections, and reads nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint: OtlpEndpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let traces = traces(endpoint, u32::MAX);
    let clicks = 3 * SPANS_MAX;
    assert!((0..clicks).all(|_| click(&traces, None).is_some()));
    // The task that sends has not run: what the queue has no room for is dropped.
    assert_eq!(traces.counts().unwrap().dropped(), (clicks - SPANS_MAX) as u64);
    assert!(traces.0.as_ref().unwrap().open.lock().is_empty());
}

#[tokio::test]
async fn a_flush_sends_all_that_waits_at_once() {
    let (endpoint, mut sent) = collector(&[(200, "{}")]).await;
    let traces = traces(endpoint, u32::MAX);
    let clicks = SPANS_MAX - 1;
    assert!((0..clicks).all(|_| click(&traces, None).is_some()));
    traces.flush().await;
    assert_eq!(traces.counts().unwrap().sent(), clicks as u64);
    // A batch that is being gathered does not wait for more.
    click(&traces, None);
    let gathering = async {
        while traces.0.as_ref().unwrap().spans.capacity() < SPANS_MAX {
            tokio::task::yield_now().await;
        }
    };
    gathering.await;
    let began = Instant::now();
    traces.flush().await;
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    assert_eq!(traces.counts().unwrap().sent(), clicks as u64 + 1);
    sent.close();
    Traces::default().flush().await;
}

#[tokio::test]
async fn a_flush_waits_for_a_second_at_most_for_a_collector_that_does_not_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint: OtlpEndpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let traces = traces(endpoint, u32::MAX);
    click(&traces, None);
    let began = Instant::now();
    // The second one finds the exporter busy with the first.
    tokio::join!(traces.flush(), traces.flush());
    let took = began.elapsed();
    assert!((FLUSHED_WITHIN..2 * FLUSHED_WITHIN).contains(&took), "{took:?}");
}

#[tokio::test]
async fn clicks_that_never_reach_the_node_are_bounded_and_one_that_is_refused_is_an_error() {
    let (endpoint, mut sent) = collector(&[(200, "{}")]).await;
    let traces = traces(endpoint, u32::MAX);
    let begun = (0..2 * OPEN_MAX).filter_map(|_| traces.begin(SpanName::Click, None));
    let begun: Vec<_> = begun.collect();
    assert_eq!((begun.len(), traces.counts().unwrap().dropped()), (OPEN_MAX, OPEN_MAX as u64));
    let refused = traces.observe(&clicked(Some(begun[0]))).unwrap();
    let answer = presence_core::ClickAnswer {
        connection: ConnectionId(1),
        subscription: SubscriptionId(1),
        echo: String::new(),
    };
    let outcome = Outcome::Failed(ReflexError::Failed);
    traces.written(refused, &[Output::Answer { answer, outcome, kept: false }]);
    let (_, body) = sent.recv().await.unwrap();
    assert_eq!(body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["status"]["code"], 2);
}
