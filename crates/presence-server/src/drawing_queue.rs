//! From the driver to the app: orders to draw, in order for each room. An app that takes long for one room delays no other.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use presence_core::{Drawing, Room, Viewers};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::contained_app::ContainedApp;
use crate::hub::Hub;
use crate::supervision::Supervisor;

/// Orders of one room that wait. What changes in a room is one order however often it changes: these are newcomers.
const WAITING_MAX: usize = 65_536;
/// Tasks that draw at most: one more than there are rooms for which the app is stuck.
const TASKS_MAX: usize = 16;

/// The queue, and the tasks that empty it.
pub(crate) struct DrawingQueue {
    app: Arc<ContainedApp>,
    hub: Arc<Hub>,
    runtime: Handle,
    supervisor: Supervisor,
    rooms: Mutex<WaitingRooms>,
    ready: Notify,
    tasks: AtomicUsize,
}

#[derive(Default)]
struct WaitingRooms {
    /// The orders of each room that is not drawn to its end; empty while its last one is drawn.
    orders: HashMap<Room, VecDeque<Drawing>>,
    /// The rooms whose first order can be drawn now.
    ready: VecDeque<Room>,
    waiting: usize,
}

impl DrawingQueue {
    /// Starts with one task, on the current runtime.
    pub(crate) fn start(app: Arc<ContainedApp>, hub: Arc<Hub>, supervisor: Supervisor) -> Arc<Self> {
        let queue = Arc::new(Self {
            app,
            hub,
            runtime: Handle::current(),
            supervisor,
            rooms: Mutex::default(),
            ready: Notify::new(),
            tasks: AtomicUsize::new(0),
        });
        queue.add_task();
        queue
    }

    /// Adds an order. Never waits.
    pub(crate) fn push(&self, drawing: Drawing) {
        let room = drawing.view.room.clone();
        if self.rooms.lock().push(drawing) {
            self.ready.notify_one();
        } else {
            self.app.left_behind(&room);
        }
    }

    /// Adds a task where all of them may be in calls of the app that do not return.
    pub(crate) fn inspect_app(self: &Arc<Self>) {
        let (stuck, tasks) = (self.app.inspect(), self.tasks.load(Relaxed));
        if stuck > 0 {
            // A worker in a call may be the one that would have waited for sockets and timers: this wakes another one.
            self.runtime.spawn(async {});
        }
        if stuck >= tasks && tasks < TASKS_MAX && !self.rooms.lock().ready.is_empty() {
            self.add_task();
        }
    }

    fn add_task(self: &Arc<Self>) {
        self.tasks.fetch_add(1, Relaxed);
        self.runtime.spawn(Arc::clone(self).draw_all());
    }

    async fn draw_all(self: Arc<Self>) {
        // A room whose drawing panicked outside the app would never be drawn again.
        let _guard = self.supervisor.guard_against_panics("queue of drawings");
        loop {
            let ready = self.ready.notified();
            let Some(drawing) = self.rooms.lock().next() else {
                ready.await;
                continue;
            };
            if let Some(drawn) = self.app.draw(&drawing) {
                self.hub.draw(drawn);
            }
            let more = self.rooms.lock().drawn(&drawing.view.room);
            if more {
                // What the hub has to send goes out first, and a call that does not return holds up nothing that was drawn.
                tokio::task::yield_now().await;
            }
        }
    }
}

impl WaitingRooms {
    fn push(&mut self, drawing: Drawing) -> bool {
        let room = drawing.view.room.clone();
        let orders = self.orders.entry(room.clone()).or_insert_with(|| {
            self.ready.push_back(room);
            VecDeque::new()
        });
        if let Some(last) = orders.back_mut().filter(|last| last.precedes(&drawing)) {
            last.absorb(drawing);
            return true;
        }
        if let Viewers::Subscription { .. } = drawing.to {
            // A subscription is shown its newest order of the same kind only.
            let before = orders.len();
            orders.retain(|earlier| earlier.to != drawing.to);
            self.waiting -= before - orders.len();
        }
        if self.waiting >= WAITING_MAX {
            return false;
        }
        self.waiting += 1;
        orders.push_back(drawing);
        true
    }

    /// The next order, of a room that no other task draws.
    fn next(&mut self) -> Option<Drawing> {
        let room = self.ready.pop_front()?;
        let drawing = self.orders.get_mut(&room).and_then(VecDeque::pop_front);
        if drawing.is_some() {
            self.waiting -= 1;
        } else {
            self.orders.remove(&room);
        }
        drawing
    }

    /// An order of this room has been drawn. Returns whether any room can be drawn now.
    fn drawn(&mut self, room: &Room) -> bool {
        if self.orders.get(room).is_some_and(VecDeque::is_empty) {
            self.orders.remove(room);
        } else {
            self.ready.push_back(room.clone());
        }
        !self.ready.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use presence_cable::{Encoder, PingAfter};
    use presence_core::{
        App, Change, ConnectionId, Fragment, ReflexCall, Refusal, Region, RoomView, Stream, SubscriptionId, Visit,
        Write,
    };
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;

    use super::*;
    use crate::config::Config;
    use crate::hub::Subscriber;
    use crate::supervision::supervision;
    use crate::transport::Transport;

    /// A protocol that can't be written.
    #[derive(Debug)]
    struct PanickingEncoder;

    static PANICKING: &[&dyn Encoder] = &[&PanickingEncoder];

    impl Encoder for PanickingEncoder {
        fn name(&self) -> &'static str {
            "panicking"
        }

        fn ping(&self, _: u64) -> String {
            String::new()
        }

        fn ping_after(&self) -> PingAfter {
            PingAfter::ProbeEvery
        }

        fn dismissed(&self, _: &str) -> String {
            String::new()
        }

        fn fragments(&self, _: &[Fragment]) -> Option<String> {
            panic!("a test's own")
        }
    }

    /// An app whose changes are one dot each.
    struct Dots;

    impl App for Dots {
        fn page(&self, _: &RoomView, _: &Visit<'_>) -> String {
            String::new()
        }

        fn reflex(&self, _: &ReflexCall, _: &RoomView) -> Result<Vec<Write>, Refusal> {
            Err(Refusal::Unknown)
        }

        fn render(&self, _: &Change, _: &RoomView) -> Vec<Fragment> {
            vec![Fragment::new("dot", ".".to_owned())]
        }
    }

    #[tokio::test]
    async fn a_panic_outside_the_app_ends_the_node_instead_of_the_drawing_of_a_room() {
        let (supervisor, mut ends) = supervision();
        let hub = Hub::start(Config::of([]).unwrap().limits, 7, PANICKING, &supervisor);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _browser = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let transport = Transport::Bare(listener.accept().await.unwrap().0);
        let connection = &hub.admit(ConnectionId(1), &PanickingEncoder, transport, mpsc::channel(1).0);
        let (subscription, prefix) = (SubscriptionId(1), &hub.prefix(&PanickingEncoder, String::new()));
        connection.subscribe(subscription, prefix.clone());
        let room = Stream::Room(Room::new("a").unwrap());
        hub.listen(&room, &Subscriber { connection, subscription, prefix });
        let app = Arc::new(ContainedApp::new(Arc::new(Dots)));
        let queue = DrawingQueue::start(app, Arc::clone(&hub), supervisor);
        queue.push(change("a", 1, "dot"));
        for part in ["flush of a stream", "queue of drawings"] {
            let end = tokio::time::timeout(Duration::from_secs(10), ends.next()).await.expect("it is told");
            assert_eq!(end.to_string(), format!("a part of the node, the {part}, has panicked"));
        }
    }

    fn view(room: &str, version: u64) -> Arc<RoomView> {
        let empty = RoomView::empty(Room::new(room).unwrap(), Region::new("ams").unwrap());
        Arc::new(RoomView { version, ..empty })
    }

    fn change(room: &str, version: u64, key: &str) -> Drawing {
        let to = Viewers::Stream(Stream::Room(Room::new(room).unwrap()));
        Drawing::new(to, view(room, version), vec![Change::Set(key.to_owned())])
    }

    fn newcomer(room: &str, version: u64, connection: u64) -> Drawing {
        let (connection, subscription) = (ConnectionId(connection), SubscriptionId(1));
        let to = Viewers::Subscription { connection, subscription, whole: true };
        Drawing::new(to, view(room, version), vec![Change::Everything])
    }

    #[test]
    fn changes_of_a_room_that_is_being_drawn_wait_as_one_and_newcomers_keep_their_place() {
        let mut rooms = WaitingRooms::default();
        assert!(rooms.push(change("a", 1, "lamp")));
        let first = rooms.next().unwrap();
        assert_eq!(rooms.next(), None, "the room is being drawn");
        for order in [change("a", 2, "lamp"), change("a", 3, "wall"), newcomer("a", 3, 1), change("a", 4, "lamp")] {
            assert!(rooms.push(order));
        }
        assert!(rooms.push(newcomer("a", 5, 1)), "it replaces the older one");
        assert_eq!((rooms.next(), rooms.waiting), (None, 3));
        assert!(rooms.drawn(&first.view.room));
        let mut drawn = Vec::new();
        while let Some(order) = rooms.next() {
            drawn.push((order.view.version, order.changes.len()));
            rooms.drawn(&order.view.room);
        }
        assert_eq!(drawn, [(3, 2), (4, 1), (5, 1)]);
        assert!(rooms.orders.is_empty() && rooms.ready.is_empty() && rooms.waiting == 0);
    }

    #[test]
    fn a_room_that_is_stuck_delays_no_other_and_what_waits_is_bounded() {
        let mut rooms = WaitingRooms::default();
        assert!(rooms.push(change("stuck", 1, "lamp")));
        assert!(rooms.next().is_some());
        for number in 0..WAITING_MAX as u64 {
            assert!(rooms.push(newcomer("stuck", 2, number)));
        }
        assert!(!rooms.push(newcomer("stuck", 2, u64::MAX)));
        // An order that waits already takes over what is new.
        assert!(rooms.push(newcomer("stuck", 3, 7)));
        rooms.waiting = 0;
        assert!(rooms.push(change("other", 1, "lamp")));
        assert_eq!(rooms.next().unwrap().view.room.as_str(), "other");
    }
}
