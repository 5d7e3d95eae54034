//! The sessions that read, one for every other node: here a node hears what that node says, and asks it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use presence_core::{Input, LinkId, NodeHash, Urgency};
use tokio::sync::Semaphore;
use zenoh::Wait;
use zenoh::handlers::CallbackDrop;
use zenoh::pubsub::Subscriber;
use zenoh::qos::CongestionControl;
use zenoh::query::{ConsolidationMode, Reply};
use zenoh::sample::Sample;

use super::address::Address;
use super::engine::{ASK, Engine, SAY_ALL, priority, say_to};
use super::names::Known;
use super::sink::Sink;
use super::{Counts, MESSAGE_BYTES_MAX, reasons};

/// Each holds a thread for up to 4 s; more wait for their turn.
const DIALS_AT_ONCE: usize = 64;

/// Core knows at most 256 nodes, each by some addresses.
const DIALS_WAITING_MAX: u64 = 1_024;

/// A question is answered within this time or not at all.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// All reading sessions.
pub(super) struct Links {
    engine: Arc<Engine>,
    hash: NodeHash,
    sink: Sink,
    known: Known,
    delays: BTreeMap<Address, Duration>,
    dials: Arc<Semaphore>,
    dialling: AtomicU64,
    next: AtomicU64,
    // A std lock: held for a look-up, never over a call to the engine. `None` once closed.
    open: Mutex<Option<BTreeMap<LinkId, Arc<Link>>>>,
}

/// One reading session.
struct Link {
    session: zenoh::Session,
    sink: Sink,
    /// Core has been told of it; what comes before that is not passed on.
    told: Arc<AtomicBool>,
    _subscribers: [Subscriber<()>; 2],
}

impl Links {
    pub(super) fn new(
        engine: Arc<Engine>,
        hash: NodeHash,
        sink: Sink,
        known: Known,
        delays: BTreeMap<Address, Duration>,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine,
            hash,
            sink,
            known,
            delays,
            dials: Arc::new(Semaphore::new(DIALS_AT_ONCE)),
            dialling: AtomicU64::new(0),
            next: AtomicU64::new(1),
            open: Mutex::new(Some(BTreeMap::new())),
        })
    }

    /// Opens a reading session there, beside everything else; the end of it is told.
    pub(super) fn dial(self: &Arc<Self>, address: String) {
        if self.dialling.fetch_add(1, Ordering::Relaxed) >= DIALS_WAITING_MAX {
            self.dialling.fetch_sub(1, Ordering::Relaxed);
            let result = Err("too many other dials are under way.".to_owned());
            return self.sink.deliver(Input::Dialled { address, result });
        }
        let links = Arc::clone(self);
        self.sink.runtime().spawn(async move {
            let turn = links.dials.acquire().await;
            let opened = tokio::task::spawn_blocking({
                let (links, address) = (Arc::clone(&links), address.clone());
                move || links.open(&address)
            });
            let opened = opened.await.unwrap_or_else(|error| Err(format!("the dial failed: {error}.")));
            drop(turn);
            links.dialling.fetch_sub(1, Ordering::Relaxed);
            links.tell(address, opened).await;
        });
    }

    async fn tell(&self, address: String, opened: Result<(LinkId, Arc<AtomicBool>), String>) {
        match opened {
            Ok((link, told)) => {
                self.sink.send(Input::Dialled { address, result: Ok(link) }).await;
                told.store(true, Ordering::Release);
            }
            Err(reason) => {
                Counts::count(&self.sink.counts().dials_failed);
                tracing::debug!("no link to {address}: {reason}");
                self.sink.send(Input::Dialled { address, result: Err(reason) }).await;
            }
        }
    }

    /// Blocks.
    fn open(&self, text: &str) -> Result<(LinkId, Arc<AtomicBool>), String> {
        let address = Address::parse(text).map_err(|error| format!("{error}."))?;
        let session = self.connect(&address)?;
        let id = LinkId(self.next.fetch_add(1, Ordering::Relaxed));
        let one_way = self.delays.get(&address).copied();
        let sink = one_way.map_or_else(|| self.sink.clone(), |one_way| self.sink.delayed(one_way));
        let told = Arc::new(AtomicBool::new(false));
        let subscribe = |key: String| {
            let (sink, told) = (sink.clone(), Arc::clone(&told));
            session.declare_subscriber(key).callback(move |sample| received(id, &sink, &told, &sample)).wait()
        };
        let subscribers = subscribe(SAY_ALL.to_owned()).and_then(|all| Ok([all, subscribe(say_to(self.hash))?]));
        let subscribers = subscribers.map_err(|error| format!("the link was lost at once: {error}."))?;
        let link = Link { session, sink, told: Arc::clone(&told), _subscribers: subscribers };
        match &mut *self.open.lock().expect("nothing panics under this lock") {
            Some(open) => open.insert(id, Arc::new(link)),
            None => return Err("this node is closing.".to_owned()),
        };
        tracing::debug!(link.id = id.0, "reading from {address}");
        Ok((id, told))
    }

    /// As a number first; behind NAT the certificate may hold only the name that it came from.
    fn connect(&self, address: &Address) -> Result<zenoh::Session, String> {
        let first = match self.engine.read_from(address) {
            Ok(session) => return Ok(session),
            Err(error) => reasons::of_failed_dial(address, &error),
        };
        if let Some(name) = self.known.name_of(address) {
            match self.engine.read_from(&name) {
                Ok(session) => return Ok(session),
                Err(error) => drop(reasons::of_failed_dial(&name, &error)),
            }
        }
        Err(first)
    }

    /// Asks; exactly one answer is told, if only that there is none.
    pub(super) fn ask(&self, link: LinkId, question: u64, bytes: Vec<u8>, urgency: Urgency) {
        let Some(link) = self.get(link).filter(|_| bytes.len() <= MESSAGE_BYTES_MAX) else {
            return self.sink.deliver(Input::Answered { question, bytes: None });
        };
        // A clone of the flag lives in each of the two callbacks: the second to come finds it taken.
        let open = Arc::new(AtomicBool::new(true));
        let answer = {
            let (open, sink) = (Arc::clone(&open), link.sink.clone());
            move |bytes: Option<Vec<u8>>| {
                if open.swap(false, Ordering::AcqRel) {
                    sink.deliver(Input::Answered { question, bytes });
                }
            }
        };
        let ended = answer.clone();
        let handler = CallbackDrop {
            callback: move |reply: Reply| {
                if let Some(bytes) = payload(&reply) {
                    answer(Some(bytes));
                }
            },
            drop: move || ended(None),
        };
        let get = link.session.get(ASK).payload(bytes).timeout(ANSWER_WITHIN).consolidation(ConsolidationMode::None);
        let get = get.congestion_control(CongestionControl::Drop).priority(priority(urgency)).express(false);
        if let Err(error) = get.with(handler).wait() {
            // The handler was dropped with the call, so that the answer is told already.
            tracing::debug!("a question could not be asked: {error}");
        }
    }

    fn get(&self, link: LinkId) -> Option<Arc<Link>> {
        self.open.lock().expect("nothing panics under this lock").as_ref()?.get(&link).cloned()
    }

    /// Closes one, beside everything else.
    pub(super) fn hang_up(&self, id: LinkId) {
        let taken = self.open.lock().expect("nothing panics under this lock").as_mut().and_then(|o| o.remove(&id));
        if let Some(link) = taken {
            tracing::debug!(link.id = id.0, "reading there no more");
            self.sink.runtime().spawn_blocking(move || link.close());
        }
    }

    /// Closes all, and whatever is still being dialled. Blocks.
    pub(super) fn close(&self) {
        let open = self.open.lock().expect("nothing panics under this lock").take();
        for link in open.unwrap_or_default().into_values() {
            link.close();
        }
    }
}

impl Link {
    fn close(&self) {
        self.told.store(false, Ordering::Release);
        if let Err(error) = self.session.close().wait() {
            tracing::debug!("a reading session did not close: {error}");
        }
    }
}

fn received(link: LinkId, sink: &Sink, told: &AtomicBool, sample: &Sample) {
    let payload = sample.payload();
    if payload.len() > MESSAGE_BYTES_MAX {
        return Counts::count(&sink.counts().oversized);
    }
    if told.load(Ordering::Acquire) {
        sink.offer(Input::Received { link, bytes: payload.to_bytes().into_owned() });
    }
}

fn payload(reply: &Reply) -> Option<Vec<u8>> {
    let payload = reply.result().ok()?.payload();
    (payload.len() <= MESSAGE_BYTES_MAX).then(|| payload.to_bytes().into_owned())
}
