//! Links over NATS: no connection stands behind one. A link is a start of another node that has confirmed itself, and whose
//! messages core wants to hear.

mod meeting;
mod questions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::{Message, StatusCode};
use parking_lot::Mutex;
use presence_core::{DialError, Input, LinkId, Linked, Recipients};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::client::NatsClients;
use super::health::NatsHealth;
use super::seal::{Lane, OpenedSeal, SealHeader, Sealer, StartId};
use super::starts::{HeardStarts, LATE_MS, MeshKey, Verdict};
use super::subjects::{self, SubjectKind, SubjectParts, Subjects};
use crate::mesh::{ANSWER_WITHIN, Counts, Inbound};

const DIALS_MAX: usize = 512;
/// The body is core's.
const CORE: u8 = 1;
/// A request to confirm a start, or its answer: the number of the last message.
const CONFIRM: u8 = 0;
const HERE: u8 = 0;
const LEAVES: u8 = 1;
/// How often a node that publishes nothing for all says that it is there, for those that missed it. Heartbeats say it, too.
const GREET_EVERY: Duration = Duration::from_secs(5);
/// For this long after a connection was opened, it says so at each tick: what listens to the answers may need a moment.
const GREET_OFTEN_FOR: Duration = Duration::from_secs(2);
/// After this long without a tick the process was suspended, and what it finds to read is late by its own fault.
const SUSPENDED_AFTER: Duration = Duration::from_secs(2);

/// All links.
pub(super) struct NatsLinks {
    pub(super) subjects: Subjects,
    pub(super) sealer: Sealer,
    pub(super) keys: Vec<MeshKey>,
    pub(super) clients: Arc<NatsClients>,
    pub(super) inbound: Inbound,
    pub(super) health: Arc<NatsHealth>,
    pub(super) started: Instant,
    // Never held while anything is awaited.
    pub(super) state: Mutex<NatsState>,
}

pub(super) struct NatsState {
    starts: HeardStarts,
    dials: BTreeMap<String, AbortHandle>,
    /// This node's questions, by their numbers.
    asked: BTreeMap<u64, AskedQuestion>,
    /// Other nodes' questions: the subject of the answer, and when they were asked.
    questions: BTreeMap<u64, (String, Instant)>,
    addresses: Vec<String>,
    last: u64,
    ticked_at: Instant,
    resumed_at: Option<Instant>,
    opened_at: Option<Instant>,
    greeted_at: Option<Instant>,
    closed: bool,
}

/// A question of this node that waits for its answer.
struct AskedQuestion {
    start: StartId,
    kind: u8,
    answer: oneshot::Sender<Vec<u8>>,
}

impl NatsState {
    pub(super) fn new() -> Self {
        Self {
            starts: HeardStarts::default(),
            dials: BTreeMap::new(),
            asked: BTreeMap::new(),
            questions: BTreeMap::new(),
            addresses: Vec::new(),
            last: 0,
            ticked_at: Instant::now(),
            resumed_at: None,
            opened_at: None,
            greeted_at: None,
            closed: false,
        }
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Whether the other nodes are to be told now that this one is there.
    fn greeting_is_due(&self) -> bool {
        let often = self.opened_at.is_some_and(|at| at.elapsed() < GREET_OFTEN_FOR);
        often || self.greeted_at.is_none_or(|at| at.elapsed() >= GREET_EVERY)
    }

    /// A confirmed start is heard now: who waits for it to confirm itself again need not wait. The question may have been lost while
    /// the network was cut.
    fn is_there(&mut self, start: StartId) {
        let waits = self.asked.iter().filter(|(_, asked)| asked.start == start && asked.kind == CONFIRM);
        let numbers: Vec<u64> = waits.map(|(number, _)| *number).collect();
        for asked in numbers.iter().filter_map(|number| self.asked.remove(number)) {
            drop(asked.answer.send(Vec::new()));
        }
    }

    /// Whether this process was not suspended lately.
    fn is_awake(&self) -> bool {
        let resumed = self.resumed_at.is_some_and(|at| at.elapsed() < Duration::from_millis(LATE_MS));
        !resumed && self.ticked_at.elapsed() < SUSPENDED_AFTER
    }
}

impl NatsLinks {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Seals and sends. Returns false if it was dropped.
    fn send(&self, lane: Lane, subject: String, answer: Option<String>, kind: u8, body: &[u8]) -> bool {
        let sealed = self.sealer.seal(lane, &subject, self.now_ms(), kind, body);
        let sent = self.clients.publish(lane, subject, answer, sealed);
        if !sent {
            Counts::count(&self.inbound.counts().messages_dropped);
        }
        sent
    }

    fn fits(&self, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= NatsClients::bytes_max();
        if !fits {
            Counts::count(&self.inbound.counts().oversized);
        }
        fits
    }

    pub(super) fn publish(&self, to: &Recipients, bytes: &[u8]) {
        if self.fits(bytes) {
            let subject = match to {
                Recipients::All => self.subjects.all(),
                Recipients::One(node) => self.subjects.to(*node),
                Recipients::Several { region, .. } => self.subjects.in_region(region),
            };
            let sent = self.send(Lane::Messages, subject, None, CORE, bytes);
            if sent && *to == Recipients::All {
                self.state.lock().greeted_at = Some(Instant::now());
            }
        }
    }

    /// Opens a link to a start of a node, in a task of its own that reports the result.
    pub(super) fn dial(self: &Arc<Self>, address: String) {
        let mut state = self.state.lock();
        if let Some(earlier) = state.dials.remove(&address) {
            earlier.abort();
        }
        let failed = match subjects::parse_address(&address) {
            _ if state.closed || state.dials.len() >= DIALS_MAX => DialError::Busy,
            None => DialError::Unreachable,
            Some((name, start)) => {
                let (links, name, to) = (Arc::clone(self), name.to_owned(), address.clone());
                let dial = tokio::spawn(async move {
                    let result = links.open(&name, start).await;
                    links.state.lock().dials.remove(&to);
                    if let Err(reason) = result {
                        links.inbound.counts().dial_failed(reason);
                        tracing::debug!(reason = reason.code(), "no link to {to}: {reason}");
                    }
                    links.inbound.deliver(Input::Dialled { address: to, result });
                });
                state.dials.insert(address, dial.abort_handle());
                return;
            }
        };
        self.inbound.deliver(Input::Dialled { address, result: Err(failed) });
    }

    async fn open(&self, name: &str, start: StartId) -> Result<Linked, DialError> {
        let heard = self.state.lock().starts.is_heard(start, Duration::from_millis(LATE_MS));
        if !heard && self.request(name, start, CONFIRM, &[]).await.is_none() {
            return Err(DialError::NoAnswer);
        }
        let mut state = self.state.lock();
        let link = LinkId(state.next());
        let (node, before) = state.starts.link(start, link).ok_or(DialError::NoAnswer)?;
        drop(state);
        if let Some(link) = before {
            self.inbound.deliver(Input::LinkLost { link });
        }
        tracing::debug!(link.id = link.0, %node, "reading from {name}");
        Ok(Linked { link, node })
    }

    pub(super) fn hang_up(&self, link: LinkId) {
        self.state.lock().starts.unlink(link);
    }

    /// A message of NATS.
    pub(super) fn arrived(self: &Arc<Self>, message: &Message) {
        let Some(parts) = subjects::parse(&message.subject) else { return };
        if let (SubjectKind::Answer(number), Some(StatusCode::NO_RESPONDERS)) = (parts.kind, message.status) {
            // No such start listens: whoever waits for the answer learns that there is none.
            self.state.lock().asked.remove(&number);
            return;
        }
        let opened = self.state.lock().starts.open(&self.keys, parts, &message.subject, &message.payload);
        let Some((header, opened)) = opened else { return self.health.stranger() };
        match (parts.kind, header.lane) {
            (SubjectKind::Message, Lane::Messages) => self.heard(parts, header, opened),
            (SubjectKind::Greeting, Lane::Messages) => self.greeted(parts, header, &opened),
            (SubjectKind::Request(number), Lane::Requests) => self.questioned(parts, number, header, opened),
            (SubjectKind::Answer(number), Lane::Requests) => self.answered(number, header, opened),
            _ => {}
        }
    }

    fn judge(&self, header: SealHeader, sent_ms: u64) -> Verdict {
        let now_ms = self.now_ms();
        self.state.lock().starts.judge(header, sent_ms, now_ms)
    }

    fn heard(self: &Arc<Self>, parts: SubjectParts<'_>, header: SealHeader, opened: OpenedSeal) {
        match self.judge(header, opened.sent_ms) {
            Verdict::News => {
                let mut state = self.state.lock();
                match state.starts.link_of(header.start) {
                    Some(link) => {
                        drop(state);
                        self.inbound.offer(Input::Received { link, bytes: opened.body });
                    }
                    None => state.is_there(header.start),
                }
            }
            Verdict::Late(late_ms) => {
                if self.state.lock().is_awake() {
                    self.health.late(parts.from, late_ms);
                }
                self.look_at(header.start);
            }
            Verdict::Unconfirmed => self.look_at(header.start),
            Verdict::Repeated => {}
        }
    }

    /// What is done a few times a second.
    pub(super) fn tick(self: &Arc<Self>) {
        self.clients.note(&self.health);
        let due = {
            let mut state = self.state.lock();
            if state.ticked_at.elapsed() >= SUSPENDED_AFTER {
                state.resumed_at = Some(Instant::now());
            }
            state.ticked_at = Instant::now();
            state.questions.retain(|_, (_, at)| at.elapsed() < ANSWER_WITHIN);
            state.starts.prune();
            state.starts.due()
        };
        for (_, start) in due {
            self.look_at(start);
        }
        self.tell_addresses();
        if self.state.lock().greeting_is_due() {
            self.greet();
        }
    }

    /// Says that this node leaves, and ends all dials.
    pub(super) async fn close(&self) {
        let dials = {
            let mut state = self.state.lock();
            state.closed = true;
            std::mem::take(&mut state.dials)
        };
        dials.into_values().for_each(|dial| dial.abort());
        if self.send(Lane::Messages, self.subjects.greeting(), None, LEAVES, &[]) {
            self.clients.flush().await;
        }
    }
}
