//! From the driver to the app: orders to draw, in order for each room. An app that takes long for one room delays no other.
//!
//! One thread draws, and more tasks do while it is stuck. A worker would do for the first, too, but each order would wake two: the
//! runtime's worker that finds a task wakes another one to look for more.

mod waiting_rooms;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use presence_core::{Drawing, Input};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};

use self::waiting_rooms::WaitingRooms;
use crate::contained_app::ContainedApp;
use crate::hub::Hub;
use crate::supervision::Supervisor;
use crate::traces::{DrawOutcome, Traces};

/// How many draw at most: one more than there are rooms for which the app is stuck.
const DRAWERS_MAX: usize = 16;

/// The driver's end of the queue. If it is dropped, drawing ends.
pub(crate) struct DrawingQueue(Arc<DrawingState>);

/// The queue, and those who empty it.
struct DrawingState {
    app: Arc<ContainedApp>,
    hub: Arc<Hub>,
    traces: Traces,
    runtime: Handle,
    supervisor: Supervisor,
    /// To the driver. It does not keep the queue open.
    inputs: mpsc::WeakSender<Input>,
    rooms: Mutex<WaitingRooms>,
    ready: Notify,
    drawers: AtomicUsize,
}

impl DrawingQueue {
    /// Starts with one thread, which belongs to the current runtime. The driver is told by `inputs` what was drawn, where it
    /// wants to know.
    ///
    /// # Errors
    ///
    /// If the thread can't be started.
    pub(crate) fn start(
        app: Arc<ContainedApp>,
        hub: Arc<Hub>,
        traces: Traces,
        supervisor: Supervisor,
        inputs: mpsc::WeakSender<Input>,
    ) -> io::Result<Self> {
        let state = Arc::new(DrawingState {
            app,
            hub,
            traces,
            runtime: Handle::current(),
            supervisor,
            inputs,
            rooms: Mutex::default(),
            ready: Notify::new(),
            drawers: AtomicUsize::new(1),
        });
        let drawer = Arc::clone(&state);
        let draw = move || drawer.runtime.clone().block_on(drawer.draw_all());
        std::thread::Builder::new().name("drawing".to_owned()).spawn(draw)?;
        Ok(Self(state))
    }

    /// Adds an order. Never waits.
    pub(crate) fn push(&self, drawing: Drawing) {
        let room = drawing.view.room.clone();
        if self.0.rooms.lock().push(drawing) {
            self.0.ready.notify_one();
        } else {
            self.0.app.left_behind(&room);
        }
    }

    /// Adds a task where all who draw may be in calls of the app that do not return.
    pub(crate) fn inspect_app(&self) {
        let (stuck, drawers) = (self.0.app.inspect(), self.0.drawers.load(Relaxed));
        if stuck > 0 {
            // A worker in a call may be the one that would have waited for sockets and timers: this wakes another one.
            self.0.runtime.spawn(async {});
        }
        if stuck >= drawers && drawers < DRAWERS_MAX && !self.0.rooms.lock().ready.is_empty() {
            self.0.drawers.fetch_add(1, Relaxed);
            self.0.runtime.spawn(Arc::clone(&self.0).draw_all());
        }
    }
}

impl Drop for DrawingQueue {
    fn drop(&mut self) {
        self.0.rooms.lock().closed = true;
        self.0.ready.notify_waiters();
    }
}

impl DrawingState {
    /// Tells the driver that what is each user's own is to be drawn next, or was drawn. The driver never waits for a thread that
    /// draws, so this waits for the driver: lost, it would leave pages wrong.
    async fn tell_of_own(&self, drawing: &Drawing) {
        let Some(input) = Input::of_own(drawing, || self.app.redraws_own(drawing)) else { return };
        if let Some(inputs) = self.inputs.upgrade() {
            // It fails where the driver has ended.
            drop(inputs.send(input).await);
        }
    }

    /// Tells the driver that it was drawn, where it wants to know. A full queue costs a receipt.
    fn confirm(&self, drawing: &Drawing) {
        if let Some(inputs) = drawing.confirmed.then(|| self.inputs.upgrade()).flatten() {
            let drawn = Input::Drawn { room: drawing.view.room.clone(), version: drawing.view.version };
            drop(inputs.try_send(drawn));
        }
    }

    async fn draw_all(self: Arc<Self>) {
        // A room whose drawing panicked outside the app would never be drawn again.
        let _guard = self.supervisor.guard_against_panics("queue of drawings");
        loop {
            let ready = self.ready.notified();
            let next = {
                let mut rooms = self.rooms.lock();
                if rooms.closed {
                    return;
                }
                rooms.next()
            };
            let Some(drawing) = next else {
                ready.await;
                continue;
            };
            drawing.each(|one| {
                let drawn = self.app.draw(one);
                let shown = if drawn.is_some() { DrawOutcome::Shown } else { DrawOutcome::Nothing };
                if let Some(drawn) = drawn {
                    self.hub.draw(drawn);
                    self.confirm(one);
                }
                self.traces.drawn(&one.traced, shown);
            });
            self.tell_of_own(&drawing).await;
            let more = self.rooms.lock().drawn(&drawing.view.room);
            if more {
                // What the hub has to send goes out first, and a call that does not return holds up nothing that was drawn.
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use presence_cable::{Encoder, PingAfter};
    use presence_core::{
        App, Change, Click, ConnectionId, Fragment, PublicId, Refusal, Region, Room, RoomView, Stream, SubscriptionId,
        UserId, Viewers, Visit, Write,
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

    /// An app whose changes are one dot each. It tells the name of the thread that it draws on.
    struct Dots(mpsc::UnboundedSender<Option<String>>);

    impl App for Dots {
        fn page(&self, _: &RoomView, _: &Visit<'_>) -> String {
            String::new()
        }

        fn reflex(&self, _: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
            Err(Refusal::Unknown)
        }

        fn render(&self, _: &Change, _: &RoomView) -> Vec<Fragment> {
            let _ = self.0.send(std::thread::current().name().map(str::to_owned));
            vec![Fragment::new("dot", ".".to_owned())]
        }

        fn redraws_own(&self, change: &Change) -> bool {
            *change == Change::Minute
        }
    }

    /// A change of the room "a".
    fn change() -> Drawing {
        let room = Room::new("a").unwrap();
        let view = RoomView::empty(room.clone(), Region::new("ams").unwrap());
        let to = Viewers::Stream(Stream::Room(room));
        Drawing::new(to, Arc::new(view), vec![Change::Set("dot".to_owned())])
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_thread_of_its_own_draws_until_the_queue_is_dropped() {
        let (supervisor, _ends) = supervision();
        let hub = Hub::start(Config::of([]).unwrap().limits, 7, PANICKING, &supervisor);
        let (said, mut threads) = mpsc::unbounded_channel();
        let app = Arc::new(ContainedApp::new(Arc::new(Dots(said))));
        let (inputs, mut told) = mpsc::channel(4);
        let queue = DrawingQueue::start(app, hub, Traces::default(), supervisor, inputs.downgrade()).unwrap();
        queue.push(change());
        assert_eq!(threads.recv().await.flatten().as_deref(), Some("drawing"));
        let mut confirmed = change();
        confirmed.confirmed = true;
        queue.push(confirmed);
        assert_eq!(threads.recv().await.flatten().as_deref(), Some("drawing"));
        let drawn = Input::Drawn { room: Room::new("a").unwrap(), version: 0 };
        assert_eq!(told.recv().await, Some(drawn), "only what is to be confirmed is");
        let mut minute = change();
        minute.changes = vec![Change::Minute];
        queue.push(minute);
        assert_eq!(told.recv().await, Some(Input::OwnChanged { room: Room::new("a").unwrap() }));
        let (to, view) = (Viewers::Users(vec![(UserId([1; 32]), PublicId([1; 32])); 2]), change().view);
        queue.push(Drawing::new(to, view, Vec::new()));
        assert_eq!(told.recv().await, Some(Input::OwnDrawn { room: Room::new("a").unwrap() }));
        for _ in 0..3 {
            assert_eq!(threads.recv().await.flatten().as_deref(), Some("drawing"), "the change, and each user");
        }
        drop(queue);
        let ended = tokio::time::timeout(Duration::from_secs(10), threads.recv()).await;
        assert_eq!(ended, Ok(None), "the thread keeps the app");
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
        let app = Arc::new(ContainedApp::new(Arc::new(Dots(mpsc::unbounded_channel().0))));
        let inputs = mpsc::channel(4).0.downgrade();
        let queue = DrawingQueue::start(app, Arc::clone(&hub), Traces::default(), supervisor, inputs).unwrap();
        queue.push(change());
        for part in ["flush of a stream", "queue of drawings"] {
            let end = tokio::time::timeout(Duration::from_secs(10), ends.next()).await.expect("it is told");
            assert_eq!(end.to_string(), format!("a part of the node, the {part}, has panicked"));
        }
    }
}
