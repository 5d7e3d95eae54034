//! Receivers that are slow, away, or want no messages.

use std::sync::atomic::{AtomicU64, AtomicUsize};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use presence_core::{Place, Region, Report, RoomView};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::webhooks::room_reports::ReportedRoom;
use crate::webhooks::signature::SigningKeys;
use crate::webhooks::watcher::OccupiedRoom;

const SOON: Duration = Duration::from_secs(15);

/// A receiver, and the ids that it was sent.
struct Fixture {
    receiver: WebhookReceiver,
    received: Arc<Mutex<Vec<String>>>,
    /// When the last one was signed, in seconds since 1970.
    signed_s: Arc<AtomicU64>,
    stale: mpsc::Receiver<NodeEvent>,
    /// Lives as long as the driver does.
    _events: mpsc::Sender<NodeEvent>,
    _tasks: JoinSet<()>,
}

/// An app that reports the same two things of every room.
fn two_reports(_: &RoomView) -> Option<Vec<Report>> {
    Some(vec![Report::new("sold", &13), Report::new("paid", &13)])
}

/// A receiver that answers with `answer` of the number of earlier requests; `None`: not at all.
async fn receiver(answer: fn(usize) -> Option<StatusCode>) -> Fixture {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
    let received = Arc::new(Mutex::new(Vec::new()));
    let signed_s = Arc::new(AtomicU64::new(u64::MAX));
    let last_signed_s = Arc::clone(&signed_s);
    let (heard, count) = (Arc::clone(&received), Arc::new(AtomicUsize::new(0)));
    let router = Router::new().fallback(async move |headers: HeaderMap| {
        let status = answer(count.fetch_add(1, Relaxed));
        last_signed_s.store(headers["webhook-timestamp"].to_str().unwrap().parse().unwrap(), Relaxed);
        heard.lock().push(headers["webhook-id"].to_str().unwrap().to_owned());
        match status {
            Some(status) => status,
            None => std::future::pending().await,
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (events, stale) = mpsc::channel(16);
    let place = Place { name: "Amsterdam".to_owned(), location: None };
    let views = Arc::new(Views::new(Region::new("ams").unwrap(), place, 0));
    views.set_room(Arc::new(RoomView::empty(room(), Region::new("ams").unwrap())));
    let client = WebhookClient::new(SigningKeys::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
    let context = DeliveryContext {
        client,
        views,
        ask: Arc::new(two_reports),
        events: events.downgrade(),
        supervisor: crate::supervision::supervision().0,
        stats: Arc::new(WebhookStats::new(1)),
    };
    let mut tasks = JoinSet::new();
    let receiver = WebhookReceiver::start(0, &url, &context, &mut tasks);
    Fixture { receiver, received, signed_s, stale, _events: events, _tasks: tasks }
}

fn room() -> Room {
    Room::new("a").unwrap()
}

fn message(id: &str) -> WebhookMessage {
    WebhookMessage { id: id.to_owned(), room: Some(room()), body: "{}".into() }
}

fn resync(id: &str) -> Arc<Resync> {
    let rooms = vec![OccupiedRoom { room: room(), above: Vec::new() }];
    Arc::new(Resync { id: id.to_owned(), rooms, reported: Vec::new() })
}

impl Fixture {
    async fn heard(&self, count: usize) -> Vec<String> {
        let hearing = async {
            loop {
                let received = self.received.lock().clone();
                if received.len() >= count {
                    return received;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, hearing).await.expect("it is delivered soon")
    }
}

#[tokio::test]
async fn messages_about_a_room_arrive_in_order_and_are_sent_again() {
    let fixture =
        receiver(|earlier| Some(if earlier == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::NO_CONTENT })).await;
    for id in ["1", "2", "3"] {
        fixture.receiver.send(message(id)).unwrap();
    }
    assert_eq!(fixture.heard(4).await, ["1", "2", "2", "3"]);
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_is_sent_a_resync() {
    let mut fixture = receiver(|earlier| if earlier == 0 { None } else { Some(StatusCode::OK) }).await;
    fixture.receiver.send(message("stuck")).unwrap();
    fixture.heard(1).await;
    let mut sent = 0;
    while fixture.receiver.send(message("more")).is_ok() {
        sent += 1;
    }
    assert_eq!(sent, QUEUED_MAX, "the queue is bounded");
    fixture.receiver.resync(resync("all"));
    let received = fixture.heard(3).await;
    assert_eq!(received.len(), 3, "the resync and its one room, and no queued message: {received:?}");
    let after = async {
        while fixture.receiver.send(message("after")).is_err() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, after).await.expect("there is room again");
    assert_eq!(fixture.heard(4).await[3], "after");
    assert!(fixture.stale.try_recv().is_err());
}

#[tokio::test]
async fn a_resync_repeats_what_was_reported_and_is_still_true() {
    let fixture = receiver(|_| Some(StatusCode::OK)).await;
    let id = |report: &Report| WebhookMessage::report_id(&room(), report);
    let (sold, over) = (id(&Report::new("sold", &13)), id(&Report::new("sold", &12)));
    let reported = vec![ReportedRoom { room: room(), ids: [sold.clone(), over].into() }];
    fixture.receiver.resync(Arc::new(Resync { id: "all".to_owned(), rooms: Vec::new(), reported }));
    fixture.receiver.send(message("after")).unwrap();
    // What is sent of this room follows its resync; the beginning of the resync is another room's.
    let received = async {
        loop {
            let received = fixture.received.lock().clone();
            if received.contains(&"after".to_owned()) && received.len() == 3 {
                return received;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let received = tokio::time::timeout(SOON, received).await.expect("it is delivered soon");
    let place = |id: &str| received.iter().position(|other| other == id);
    assert!(place(&sold) < place("after"), "{received:?}");
}

#[tokio::test]
async fn no_room_is_described_before_the_beginning_of_the_resync_is_delivered() {
    let fixture = receiver(|earlier| Some(if earlier == 0 { StatusCode::BAD_GATEWAY } else { StatusCode::OK })).await;
    assert_ne!(queue_of(&room()), 0, "the first queue sends the beginning");
    fixture.receiver.resync(resync("all"));
    let received = fixture.heard(3).await;
    assert_eq!(received[0], received[1], "the beginning is sent again: {received:?}");
    assert_ne!(received[1], received[2], "then the room: {received:?}");
}

#[tokio::test]
async fn a_receiver_that_answers_gone_to_the_beginning_of_a_resync_is_sent_no_room() {
    let fixture = receiver(|_| Some(StatusCode::GONE)).await;
    fixture.receiver.resync(resync("all"));
    let ended = async {
        while !fixture.receiver.queues[queue_of(&room())].is_closed() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("it ends soon");
    assert_eq!(fixture.received.lock().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_sent_nothing() {
    let fixture = receiver(|_| Some(StatusCode::GONE)).await;
    fixture.receiver.send(message("1")).unwrap();
    fixture.receiver.send(message("2")).unwrap();
    fixture.heard(1).await;
    let ended = async {
        // Its queue is gone with it.
        while !fixture.receiver.queues[queue_of(&room())].is_closed() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("it ends soon");
    assert_eq!(fixture.receiver.send(message("3")), Ok(()), "no resync is needed");
    assert_eq!(fixture.received.lock().len(), 1);
}

#[tokio::test]
async fn a_message_is_signed_at_the_time_of_the_node_and_not_of_its_machine() {
    // The node's time began at 1970 when its views did.
    let fixture = receiver(|_| Some(StatusCode::OK)).await;
    fixture.receiver.send(message("one")).unwrap();
    fixture.heard(1).await;
    let signed_s = fixture.signed_s.load(Relaxed);
    assert!(signed_s < 60, "{signed_s}");
}
