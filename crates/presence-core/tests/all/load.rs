//! Storms: what goes out and what is drawn stays little, and no one waits for it longer than a moment.

use presence_core::{Click, ConnectionId, Input, Output, Room, RoomView, Stream, SubscriptionId, Tab, Viewers};

use crate::app::{Bulb, click};
use crate::pair::{AUTHOR, Pair, READER, room, user};

/// The greatest page in bytes, and what its envelope and the last row may add.
const PAGE_BYTES: usize = 260_000;

impl Pair {
    /// Both hear each other.
    fn both() -> Self {
        let mut pair = Self::author();
        pair.start_reader();
        pair.pass(3_000);
        pair
    }

    /// A user sets the bulb on the author's node.
    fn click(&mut self, room: &Room, value: &str) {
        let call = Click::on("Bulb#set").attribute("data-id", value);
        let (connection, subscription, room) = (ConnectionId(0), SubscriptionId(1), room.clone());
        self.handle(AUTHOR, click(connection, subscription, room, user(0), &call));
    }

    /// This many pages of the reader's visitors show the room.
    fn watch(&mut self, watchers: u64, room: &Room) {
        for number in 1_000_000..1_000_000 + watchers {
            let (connection, subscription, room) = (ConnectionId(number), SubscriptionId(1), room.clone());
            let joined = Input::Joined { connection, subscription, room, user: user(number), tab: Tab::page() };
            self.handle(READER, joined);
            self.pass(5);
        }
        self.pass(5_000);
        self.forget();
    }

    /// The reader's newest view.
    fn view(&self) -> &RoomView {
        let newest_first = self.outputs[READER].iter().rev();
        let mut views =
            newest_first.filter_map(|output| if let Output::View(view) = output { Some(view) } else { None });
        views.next().expect("it was drawn")
    }

    /// What bulbs were drawn on the reader's pages since that was last asked.
    fn bulbs(&mut self) -> Vec<String> {
        let outputs = std::mem::take(&mut self.outputs[READER]).into_iter();
        let drawn = outputs.filter_map(|output| match output {
            Output::Draw(drawing) if matches!(drawing.to, Viewers::Stream(Stream::Room(_))) => drawing.by(&Bulb),
            _ => None,
        });
        let all: Vec<_> = drawn.flat_map(|drawn| drawn.fragments.to_vec()).collect();
        all.into_iter().filter(|fragment| fragment.id == "bulb").map(|fragment| fragment.html).collect()
    }
}

#[test]
fn who_joins_alone_is_told_at_once_and_ten_thousand_in_a_second_in_few_messages() {
    let (mut pair, room) = (Pair::both(), room("demo"));
    pair.forget();
    pair.join(0, &room, false);
    assert_eq!(pair.published.len(), 1, "a lone join waits");
    pair.pass(1_000);
    pair.forget();
    for number in 1..=10_000 {
        pair.join(number, &room, false);
        if number % 10 == 0 {
            pair.pass(1);
        }
    }
    pair.pass(10);
    // 200 deltas, the heartbeats, and what the reader has not seen is nothing.
    let messages = pair.published.len();
    assert!(messages <= 210, "10,000 joins went out in {messages} messages");
    assert_eq!(pair.view().users, 10_001);
}

#[test]
fn at_a_thousand_clicks_a_second_each_is_seen_in_the_other_region_at_once() {
    for watchers in [1, 50, 100] {
        let (mut pair, room) = (Pair::both(), room("demo"));
        pair.watch(watchers, &room);
        pair.click(&room, "0");
        assert_eq!(pair.bulbs(), ["0"], "a lone click waits");
        pair.pass(100);
        pair.forget();
        let mut late = 0;
        for click in 1..=1_000 {
            // Never quite in time: two in one millisecond, none in the next.
            if click % 2 == 0 {
                pair.pass(2);
            }
            pair.click(&room, &click.to_string());
            late += usize::from(pair.bulbs() != [click.to_string()]);
        }
        assert!(late <= 10, "with {watchers} watchers {late} of 1,000 clicks wait");
    }
}

#[test]
fn a_storm_of_clicks_goes_out_in_few_messages() {
    let (mut pair, room) = (Pair::both(), room("demo"));
    pair.forget();
    for click in 0..10_000 {
        pair.click(&room, &click.to_string());
        if click % 100 == 99 {
            pair.pass(1);
        }
    }
    pair.pass(2);
    // Four in a millisecond, eight more in advance.
    assert!(pair.published.len() <= 410, "10,000 clicks in 100 ms went out in {} messages", pair.published.len());
    assert_eq!(pair.view().registers["bulb"].value, b"9999");
}

#[test]
fn a_snapshot_comes_in_bounded_pages_and_holds_up_neither_heartbeats_nor_deltas() {
    let (mut pair, room) = (Pair::author(), room("demo"));
    for number in 0..50_000 {
        pair.join(number, &room, false);
        if number % 500 == 0 {
            pair.pass(5);
        }
    }
    pair.pass(1_000);
    pair.forget();
    pair.start_reader();
    let mut newcomers = 0;
    for _ in 0..40 {
        pair.join(100_000 + newcomers, &room, false);
        newcomers += 1;
        pair.pass(50);
    }
    assert_eq!(u64::from(pair.view().users), 50_000 + newcomers);
    let greatest = pair.answered.iter().copied().max().unwrap_or(0);
    assert!(greatest <= PAGE_BYTES, "a page of {greatest} bytes");
    assert!(pair.answered.len() >= 50_000 * 84 / PAGE_BYTES, "{} answers", pair.answered.len());
    // Each newcomer's delta, and a heartbeat a second.
    assert!(pair.published.len() >= 42, "only {} messages went out meanwhile", pair.published.len());
}
