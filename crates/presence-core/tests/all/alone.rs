//! A node alone: joins, linger, clicks, pages.

use presence_core::{
    App, Change, Click, ConnectionId, Drawing, Drawn, Ended, Fragment, Input, Mono, Node, Now, Outcome, Output,
    Refusal, Region, Room, RoomView, Stream, SubscriptionId, Tab, UserId, Viewers, Visit, Wall, Write,
};

use crate::digest::settings;

/// An app with one register and one log.
struct Bulb;

impl App for Bulb {
    fn page(&self, view: &RoomView, _: &Visit<'_>) -> String {
        format!("{} users", view.users)
    }

    fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        match click.target.as_str() {
            "Bulb#on" => Ok(vec![Write::set_bytes("bulb", "on")]),
            "Bulb#say" => Ok(vec![Write::append_bytes("wall", "hi", 3)]),
            _ => Err(Refusal::Unknown),
        }
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        let draw = |id: &str, html: String| vec![Fragment { id: id.to_owned(), html, within: None }];
        match change {
            Change::Everything | Change::Counts => draw("users", view.users.to_string()),
            Change::Set(key) => draw(key, format!("{:?}", view.registers.get(key).map(|entry| &entry.value))),
            Change::Logged(key) => draw(key, view.logs.get(key).map_or(0, Vec::len).to_string()),
            Change::Tabs { tabs, .. } => draw("tabs", tabs.to_string()),
            Change::You { user } => {
                let said = view.logs.get("wall").into_iter().flatten().filter(|entry| entry.author.public == *user);
                draw("yours", said.count().to_string())
            }
            _ => Vec::new(),
        }
    }
}

struct Alone {
    node: Node,
    now: Now,
}

impl Alone {
    fn new() -> Self {
        let now = Now { mono: Mono(1_000), wall: Wall(1_800_000_000_000) };
        Self { node: Node::new(settings("yyz", "one", 1), &[], Vec::new(), now), now }
    }

    fn handle(&mut self, input: Input) -> Vec<Output> {
        self.node.handle(input, self.now)
    }

    /// Lets time pass as the driver does.
    fn pass(&mut self, ms: u64) -> Vec<Output> {
        let end = self.now.mono + ms;
        let mut outputs = Vec::new();
        while self.now.mono < end {
            let next = self.node.wake_at().clamp(self.now.mono + 1, end);
            self.now.wall += next.since(self.now.mono);
            self.now.mono = next;
            outputs.extend(self.handle(Input::Ticked));
        }
        outputs
    }

    fn join(&mut self, connection: u64, user: u8) -> Vec<Output> {
        let (connection, subscription) = (ConnectionId(connection), SubscriptionId(1));
        let mut outputs = self.handle(Input::Joined {
            connection,
            subscription,
            room: room(),
            user: UserId([user; 32]),
            tab: Tab::page(),
        });
        outputs.extend(self.pass(30));
        outputs
    }

    fn close(&mut self, connection: u64, ended: Ended) -> Vec<Output> {
        self.handle(Input::Disconnected { connection: ConnectionId(connection), ended })
    }

    fn click(&mut self, target: &str) -> Vec<Output> {
        let (connection, subscription) = (ConnectionId(1), SubscriptionId(2));
        let writes = Click::on(target).asked_of(&Bulb, &RoomView::empty(room(), Region::new("yyz").expect("a code")));
        let (user, echo) = (UserId([1; 32]), "echo".to_owned());
        self.handle(Input::Clicked { connection, subscription, room: room(), user, echo, writes, trace: None })
    }
}

fn room() -> Room {
    Room::new("demo").expect("a name")
}

fn users(outputs: &[Output]) -> Vec<u32> {
    outputs.iter().filter_map(|output| if let Output::View(view) = output { Some(view.users) } else { None }).collect()
}

/// What the app draws, and its viewers.
fn all_drawn(outputs: &[Output]) -> Vec<Drawn> {
    let drawn = outputs.iter().filter_map(|output| match output {
        Output::Draw(drawing) => drawing.by(&Bulb),
        _ => None,
    });
    drawn.collect()
}

fn drawn(outputs: &[Output], id: &str) -> Vec<String> {
    let for_all = all_drawn(outputs).into_iter().filter(|drawn| matches!(drawn.to, Viewers::Stream(_)));
    let fragments = for_all.flat_map(|drawn| drawn.fragments.to_vec());
    fragments.filter(|fragment| fragment.id == id).map(|fragment| fragment.html).collect()
}

#[test]
fn who_joins_is_shown_the_room_with_themselves_in_it() {
    let mut alone = Alone::new();
    let outputs = alone.join(1, 1);
    let mut shown = all_drawn(&outputs).into_iter().filter(|drawn| matches!(drawn.to, Viewers::Subscription { .. }));
    assert_eq!(shown.next().expect("it is shown").fragments[0].html, "1");
}

#[test]
fn who_listens_before_anybody_is_in_the_room_is_shown_who_they_are() {
    let mut alone = Alone::new();
    let (connection, subscription, user) = (ConnectionId(1), SubscriptionId(2), UserId([1; 32]));
    let outputs = alone.handle(Input::Listened { connection, subscription, room: room(), user });
    let mut drawn = all_drawn(&outputs).into_iter();
    assert!(drawn.any(|drawn| matches!(drawn.to, Viewers::Subscription { whole: true, .. })), "{outputs:?}");
    assert!(outputs.contains(&Output::Forget(room())), "{outputs:?}");
}

#[test]
fn two_tabs_of_one_user_are_one_user_and_a_closed_one_counts_for_two_seconds() {
    let mut alone = Alone::new();
    alone.join(1, 1);
    let outputs = alone.join(2, 1);
    assert!(users(&outputs).iter().all(|users| *users == 1), "a second tab changes no user count: {outputs:?}");
    assert!(outputs.iter().any(|output| matches!(output, Output::Tabs { tabs: 2, .. })));
    alone.close(1, Ended::Closed);
    alone.close(2, Ended::Closed);
    assert!(users(&alone.pass(1_900)).iter().all(|users| *users == 1));
    assert_eq!(users(&alone.pass(400)).last(), Some(&0));
}

#[test]
fn who_says_goodbye_is_not_waited_for_and_the_other_tab_counts_on() {
    let mut alone = Alone::new();
    alone.join(1, 1);
    alone.join(2, 1);
    let gone = |connection| Input::Resigned { connection: ConnectionId(connection), subscription: SubscriptionId(1) };
    let first = alone.handle(gone(1));
    assert!(!first.iter().any(|output| matches!(output, Output::Left { .. })), "{first:?}");
    let second = [alone.handle(gone(2)), alone.pass(200)].concat();
    assert!(second.iter().any(|output| matches!(output, Output::Left { .. })), "{second:?}");
    assert_eq!(users(&second).last(), Some(&0));
}

#[test]
fn a_reload_is_no_leave_and_join_even_when_the_socket_comes_late() {
    let mut alone = Alone::new();
    alone.join(1, 1);
    alone.handle(Input::Served { room: room(), user: UserId([1; 32]) });
    alone.close(1, Ended::Closed);
    let waiting = alone.pass(9_000);
    let back = alone.join(2, 1);
    let after = alone.pass(15_000);
    let seen = [waiting, back, after].concat();
    assert_eq!(users(&seen).into_iter().filter(|users| *users != 1).count(), 0, "{seen:?}");
    assert!(!seen.iter().any(|output| matches!(output, Output::Tabs { tabs, .. } if *tabs != 1)), "{seen:?}");
}

#[test]
fn a_page_that_nothing_follows_is_not_waited_for_longer_than_ten_seconds() {
    let mut alone = Alone::new();
    alone.join(1, 1);
    alone.close(1, Ended::Closed);
    alone.handle(Input::Served { room: room(), user: UserId([1; 32]) });
    assert_eq!(users(&alone.pass(9_700)), Vec::<u32>::new());
    assert_eq!(users(&alone.pass(600)).last(), Some(&0));
}

#[test]
fn a_click_is_answered_and_drawn_for_the_room() {
    let mut alone = Alone::new();
    alone.join(1, 1);
    alone.pass(100);
    let outputs = alone.click("Bulb#on");
    assert!(
        outputs
            .iter()
            .any(|o| matches!(o, Output::Answer { outcome: Outcome::Done, answer, .. } if answer.echo == "echo"))
    );
    assert!(outputs.iter().any(|output| matches!(output, Output::Keep { record: Some(_), .. })));
    assert_eq!(drawn(&outputs, "bulb"), vec![format!("{:?}", Some(b"on".to_vec()))]);
    let outputs = alone.click("Nothing#here");
    assert!(outputs.iter().any(|output| matches!(output, Output::Answer { outcome: Outcome::Failed(_), .. })));
}

#[test]
fn a_log_keeps_its_newest_entries_and_takes_the_others_off_the_disk() {
    let mut alone = Alone::new();
    alone.join(1, 1);
    let outputs: Vec<Output> = (0..5).flat_map(|_| [alone.click("Bulb#say"), alone.pass(50)].concat()).collect();
    assert_eq!(drawn(&outputs, "wall").last().map(String::as_str), Some("3"));
    let off = outputs.iter().filter(|output| matches!(output, Output::Keep { record: None, .. })).count();
    assert_eq!(off, 2);
}

#[test]
fn a_tab_count_goes_to_its_user_only() {
    let mut alone = Alone::new();
    alone.join(1, 1);
    let outputs = alone.join(2, 2);
    let drawn = all_drawn(&outputs).into_iter();
    let for_all = drawn.filter(|drawn| drawn.fragments[0].id == "tabs" && matches!(drawn.to, Viewers::Stream(_)));
    let viewers: Vec<Viewers> = for_all.map(|drawn| drawn.to).collect();
    assert_eq!(viewers, [Viewers::Stream(Stream::User(room(), UserId([2; 32])))]);
}

#[test]
fn a_user_sees_what_is_theirs_in_all_their_tabs_and_no_one_else_does() {
    let mut alone = Alone::new();
    alone.join(1, 1);
    alone.join(2, 2);
    alone.pass(100);
    let mut outputs = alone.click("Bulb#say");
    outputs.extend(alone.pass(100));
    let yours = all_drawn(&outputs).into_iter().filter(|drawn| drawn.fragments[0].id == "yours");
    let yours: Vec<_> = yours.map(|drawn| (drawn.to, drawn.fragments[0].html.clone())).collect();
    let own = Viewers::Stream(Stream::User(room(), UserId([1; 32])));
    assert_eq!(yours, [(own, "1".to_owned())]);
}

/// The users of each order for users' own.
fn own_orders(outputs: &[Output]) -> Vec<Vec<UserId>> {
    let orders = outputs.iter().filter_map(|output| match output {
        Output::Draw(Drawing { to: Viewers::Users(users), .. }) => Some(users.iter().map(|(user, _)| *user).collect()),
        _ => None,
    });
    orders.collect()
}

#[test]
fn what_is_each_users_own_is_drawn_for_those_who_are_there_one_order_at_a_time() {
    let mut alone = Alone::new();
    let changed = || Input::OwnChanged { room: room() };
    assert_eq!(own_orders(&alone.handle(changed())), [[]; 0], "no one is there");
    for user in 1..=70 {
        alone.join(u64::from(user), user);
    }
    let first = own_orders(&alone.handle(changed()));
    assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [64]);
    assert_eq!(own_orders(&alone.pass(1_000)), [[]; 0], "the app still draws the first");
    let mut all = alone.handle(Input::OwnDrawn { room: room() });
    all.extend(alone.pass(100));
    let mut drawn: Vec<UserId> = [first, own_orders(&all)].into_iter().flatten().flatten().collect();
    drawn.sort_unstable();
    assert_eq!(drawn, (1..=70).map(|user| UserId([user; 32])).collect::<Vec<_>>());
    assert!(users(&all).is_empty(), "the view is the same");
    alone.handle(Input::OwnDrawn { room: room() });
    assert_eq!(own_orders(&alone.pass(1_000)), [[]; 0]);
}
