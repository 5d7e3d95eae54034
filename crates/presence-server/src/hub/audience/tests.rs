//! Flushes that are delayed, and listeners that change their protocol.

use presence_core::SubscriptionId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::super::connection::Connection;
use super::super::flush::Delivery;
use super::super::fragment_queue::{FragmentQueue, QueuedDrawing};
use super::super::listeners::SameKeyRun;
use super::super::prefix::PrefixPool;
use super::super::protocols::Protocols;
use super::*;
use crate::socket::ENCODERS;
use crate::transport::Transport;

/// Notes how many leave at a time.
#[derive(Debug, Default)]
struct NotingQueue {
    waiting: usize,
    left: Vec<usize>,
}

impl FlushQueue for NotingQueue {
    type Item = ();
    type Batch = ();

    fn push(&mut self, (): ()) {
        self.waiting += 1;
    }

    fn take(&mut self) -> Option<Flush<()>> {
        let messages = std::mem::take(&mut self.waiting);
        (messages > 0).then(|| {
            self.left.push(messages);
            Flush { batch: (), except: None, delivery: Delivery::Always, messages, folded: 0 }
        })
    }

    fn encode((): &(), _: &dyn Encoder) -> Vec<Bytes> {
        Vec::new()
    }
}

#[tokio::test]
async fn what_comes_during_the_batch_delay_leaves_with_the_flush() {
    for (load, left) in [(AudienceLoad::Heavy, vec![2]), (AudienceLoad::Light, vec![1])] {
        let audience = Arc::new(Audience::<NotingQueue>::default());
        let last = LastFlush { at: Instant::now(), took: Duration::from_secs(60), load };
        audience.0.lock().rare.get_or_insert_default().last_flush = Some(last);
        audience.change(|queue| queue.push(()));
        let shared = Arc::new(HubShared::new(0, Duration::from_millis(10), &[], crate::supervision::supervision().0));
        let flush = tokio::spawn(Arc::clone(&audience).flush(shared));
        // It waits, or has written the first and ended.
        tokio::task::yield_now().await;
        audience.change(|queue| queue.push(()));
        flush.await.unwrap();
        assert_eq!(audience.change(|queue| std::mem::take(&mut queue.left)), left);
    }
}

#[test]
fn only_under_load_a_flush_is_delayed_and_never_long() {
    let at = Instant::now();
    let delay = |took_ms, load, after_ms| {
        let took = Duration::from_millis(took_ms);
        LastFlush { at, took, load }.batch_delay(at + Duration::from_millis(after_ms))
    };
    assert_eq!(delay(20, AudienceLoad::Heavy, 0), Some(Duration::from_millis(5)));
    assert_eq!(delay(20, AudienceLoad::Heavy, 19), Some(Duration::from_millis(5)));
    assert_eq!(delay(5_000, AudienceLoad::Heavy, 0), Some(BATCH_DELAY_MAX));
    for (took_ms, load, after_ms) in
        [(20, AudienceLoad::Light, 0), (20, AudienceLoad::Heavy, 20), (3, AudienceLoad::Heavy, 0)]
    {
        assert_eq!(delay(took_ms, load, after_ms), None);
    }
}

/// Two connections, with the plain prefix and the extended one.
async fn two_connections(pool: &PrefixPool) -> (Vec<Arc<Connection>>, [Prefix; 3]) {
    let shared = Arc::new(HubShared::new(0, Duration::from_millis(10), ENCODERS, crate::supervision::supervision().0));
    let protocols = Protocols::new(ENCODERS);
    let [plain, placed, extended] = [0, 1, 2].map(|index| protocols.find(ENCODERS[index]));
    let sockets = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut connections = Vec::new();
    for id in 1..=2 {
        let stream = TcpStream::connect(sockets.local_addr().unwrap()).await.unwrap();
        let (transport, inputs) = (Transport::Bare(stream), mpsc::channel(1).0);
        connections.push(Connection::new(ConnectionId(id), plain, transport, Arc::clone(&shared), inputs, 0));
    }
    (connections, [plain, placed, extended].map(|protocol| pool.get(protocol, "{".to_owned())))
}

#[tokio::test]
async fn a_listener_changes_its_protocol_between_two_flushes() {
    let (connections, [plain, placed, extended]) = two_connections(&PrefixPool::default()).await;
    let audience = Audience::<NotingQueue>::default();
    let subscriber = |index: usize, prefix| {
        let (connection, subscription) = (&connections[index], SubscriptionId(0));
        Subscriber { connection, subscription, prefix }
    };
    let found = || {
        let runs = audience.0.lock().listeners.part(None, 9).0;
        let one = |run: &SameKeyRun, listener: &Listener| (run.prefix.clone(), listener.connection.id.0);
        runs.iter().flat_map(|run| run.listeners.iter().map(|listener| one(run, listener))).collect::<Vec<_>>()
    };
    (0..2).for_each(|index| audience.join(&subscriber(index, &plain)));
    audience.0.lock().flushing = true;
    audience.change_prefix(&plain, &subscriber(0, &placed));
    audience.change_prefix(&placed, &subscriber(0, &extended));
    assert_eq!(found(), [(plain.clone(), 1), (plain.clone(), 2)], "a flush is under way");
    assert!(audience.take().is_none());
    assert_eq!(found(), [(plain.clone(), 2), (extended.clone(), 1)]);
    audience.change_prefix(&plain, &subscriber(1, &extended));
    assert_eq!(found(), [(extended.clone(), 1), (extended.clone(), 2)], "none is");

    // One that has left meanwhile does not come back.
    audience.leave(&extended, ConnectionId(2));
    audience.join(&subscriber(1, &plain));
    audience.0.lock().flushing = true;
    audience.change_prefix(&plain, &subscriber(1, &placed));
    audience.change_prefix(&placed, &subscriber(1, &extended));
    audience.leave(&extended, ConnectionId(2));
    assert!(audience.take().is_none());
    assert_eq!(found(), [(extended, 1)]);
}

#[tokio::test]
async fn drawings_that_leave_as_a_part_of_a_later_one_are_counted_and_how_long_that_took() {
    let shared = Arc::new(HubShared::new(0, Duration::from_millis(10), ENCODERS, crate::supervision::supervision().0));
    let flushes = || shared.stats.flushes.buckets().iter().map(|(_, count)| count).sum::<u64>();
    let audience = Arc::new(Audience::<FragmentQueue>::default());
    // More than may wait: some are folded before the flush, the rest with it.
    for (drawings, folded) in [(1, 0), (20, 19), (2, 20)] {
        for ordinal in 1..=drawings {
            audience.change(|queue| queue.push(QueuedDrawing { fragments: Arc::default(), ordinal }));
        }
        Arc::clone(&audience).flush(Arc::clone(&shared)).await;
        assert_eq!(shared.stats.folded.get(), folded, "after {drawings} more");
    }
    assert_eq!((flushes(), shared.stats.flushes.sum() > Duration::ZERO), (3, true));
}
