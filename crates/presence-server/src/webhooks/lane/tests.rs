//! Receivers that are slow, away, or want no more.

use std::sync::atomic::AtomicUsize;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use presence_core::{Place, Region};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::webhooks::sign::SigningKeys;

const SOON: Duration = Duration::from_secs(15);

/// What the receiver was told, and the lanes that tell it.
struct Fixture {
    receiver: Receiver,
    told: Arc<Mutex<Vec<String>>>,
    stale: mpsc::Receiver<Happened>,
    /// The feed lives as long as the driver does.
    _feed: mpsc::Sender<Happened>,
    _tasks: JoinSet<()>,
}

/// A receiver that answers with what `answer` says of how many it was told before; `None`: not at all.
async fn receiver(answer: fn(usize) -> Option<StatusCode>) -> Fixture {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (heard, count) = (Arc::clone(&told), Arc::new(AtomicUsize::new(0)));
    let router = Router::new().fallback(async move |headers: HeaderMap| {
        let status = answer(count.fetch_add(1, Relaxed));
        heard.lock().push(headers["webhook-id"].to_str().unwrap().to_owned());
        match status {
            Some(status) => status,
            None => std::future::pending().await,
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (feed, stale) = mpsc::channel(16);
    let place = Place { name: "Amsterdam".to_owned(), location: None };
    let views = Arc::new(Views::new(Region::new("ams").unwrap(), place, 0));
    let poster = Poster::new(SigningKeys::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
    let around = Surroundings { poster, views, feed: feed.downgrade() };
    let mut tasks = JoinSet::new();
    let receiver = Receiver::start(0, &url, &around, &mut tasks);
    Fixture { receiver, told, stale, _feed: feed, _tasks: tasks }
}

fn room() -> Room {
    Room::new("a").unwrap()
}

fn letter(id: &str) -> Letter {
    Letter { id: id.to_owned(), room: Some(room()), body: "{}".into() }
}

fn sync(id: &str) -> Arc<Resync> {
    Arc::new(Resync { id: id.to_owned(), rooms: vec![(room(), Vec::new())] })
}

impl Fixture {
    async fn heard(&self, count: usize) -> Vec<String> {
        let hearing = async {
            loop {
                let told = self.told.lock().clone();
                if told.len() >= count {
                    return told;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, hearing).await.expect("it is told soon")
    }
}

#[tokio::test]
async fn what_happens_in_a_room_is_told_in_turn_and_tried_again() {
    let fixture = receiver(|told| Some(if told == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::NO_CONTENT })).await;
    for id in ["1", "2", "3"] {
        assert!(fixture.receiver.send(letter(id)));
    }
    assert_eq!(fixture.heard(4).await, ["1", "2", "2", "3"]);
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_holds_up_nobody_and_is_told_how_all_is() {
    let mut fixture = receiver(|told| if told == 0 { None } else { Some(StatusCode::OK) }).await;
    assert!(fixture.receiver.send(letter("stuck")));
    fixture.heard(1).await;
    let mut sent = 0;
    while fixture.receiver.send(letter("more")) {
        sent += 1;
    }
    assert_eq!(sent, WAITING_MAX, "what waits is bounded");
    fixture.receiver.resync(sync("all"));
    let told = fixture.heard(3).await;
    assert_eq!(told.len(), 3, "the resync and its one room, and nothing of what waited: {told:?}");
    let after = async {
        while !fixture.receiver.send(letter("after")) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, after).await.expect("there is room again");
    assert_eq!(fixture.heard(4).await[3], "after");
    assert!(fixture.stale.try_recv().is_err());
}

#[tokio::test]
async fn a_receiver_that_wants_no_more_is_left_alone() {
    let fixture = receiver(|_| Some(StatusCode::GONE)).await;
    assert!(fixture.receiver.send(letter("1")) && fixture.receiver.send(letter("2")));
    fixture.heard(1).await;
    let ended = async {
        // Its queue is gone with it.
        while !fixture.receiver.lanes[place_of(&room())].is_closed() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("it ends soon");
    assert!(fixture.receiver.send(letter("3")), "nothing is missed by who wants nothing");
    assert_eq!(fixture.told.lock().len(), 1);
}
