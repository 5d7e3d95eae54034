//! One bare mesh: it dials the given nodes, publishes, and reports what it received and what that cost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use presence_bench::schedule::Schedule;
use presence_core::{DialError, Input, LinkId, Linked, NodeName, Output, Recipients, Urgency};
use presence_server::certificate::Authority;
use presence_server::mesh::{Mesh, MeshConfig};
use presence_server::{Config, sha256};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::args::NodeArgs;
use crate::cost;
use crate::received::{LinkStatistics, message, percentiles};
use crate::{lines, now_ms, now_ns, print};

/// Inputs that may wait for this program.
const INPUTS_MAX: usize = 4_096;
/// Time until an address is dialled again after a failure.
const REDIAL_AFTER: Duration = Duration::from_millis(250);

/// An address to dial.
#[derive(Debug)]
struct DialTarget {
    /// Dials until there is a link, and again whenever that is lost.
    keep: bool,
    /// When the first dial began, or the first since the link was lost.
    began: Instant,
    tries: u32,
    link: Option<LinkId>,
    due: Option<Instant>,
}

/// Messages of each link.
type Received = BTreeMap<LinkId, LinkStatistics>;

/// Messages that are published at an even rate.
struct Publication {
    schedule: Schedule,
    bytes: usize,
}

struct BareNode {
    mesh: Mesh,
    targets: BTreeMap<String, DialTarget>,
    /// When the next address is due.
    dial_at: Option<Instant>,
    received: Arc<Mutex<Received>>,
    publishing: Option<Publication>,
    published: u64,
    lost: u64,
}

/// Starts a mesh with this name; nodes with the same secret link.
pub(crate) async fn start(
    name: &str,
    secret: u8,
    listen: Vec<String>,
    inputs: mpsc::Sender<Input>,
) -> anyhow::Result<Mesh> {
    let name = NodeName::new(name).context("that can't be the name of a node")?;
    let config = MeshConfig {
        listen,
        advertise: Vec::new(),
        peers: Vec::new(),
        // The same after a restart, and a different one for each node.
        reset_key: sha256(name.as_str().as_bytes()),
        name,
        authority: Authority::Secret { signing: [secret; 32], accepted: None },
        delays: Vec::new(),
    };
    Mesh::start(config, inputs).await
}

/// Runs until standard input ends, or `quit`.
pub(crate) async fn run(args: NodeArgs) -> anyhow::Result<()> {
    presence_server::log(&Config::of(["--log", "info"]).map_err(anyhow::Error::msg)?)?;
    let (inputs_tx, inputs) = mpsc::channel(INPUTS_MAX);
    let mesh = start(&args.name, args.secret, args.listen, inputs_tx).await?;
    let publishing =
        args.publish.map(|rate| Publication { schedule: Schedule::new(rate, None, Instant::now()), bytes: args.bytes });
    let addresses = mesh.advertised();
    print(
        &json!({ "kind": "listening", "address": addresses.first(), "addresses": addresses, "pid": std::process::id() }),
    );
    let received = Arc::new(Mutex::new(BTreeMap::new()));
    let mut links = read(inputs, Arc::clone(&received));
    let mut node =
        BareNode { mesh, targets: BTreeMap::new(), dial_at: None, received, publishing, published: 0, lost: 0 };
    for address in args.dial {
        node.dial(address, true);
    }
    let mut commands = lines();
    loop {
        let wake = node.wakes_at();
        tokio::select! {
            input = links.recv() => node.on_input(input.context("the mesh has ended")?),
            command = commands.recv() => match command.as_deref() {
                None | Some("quit") => break,
                Some(command) => node.obey(command),
            },
            () = sleep_until(wake.unwrap_or_else(Instant::now).into()), if wake.is_some() => node.work(Instant::now()),
        }
    }
    print(&json!({ "kind": "closing", "at_ms": now_ms() }));
    node.mesh.close().await;
    print(&json!({ "kind": "closed", "at_ms": now_ms() }));
    Ok(())
}

/// Reads what the mesh delivers in a thread of its own, which is the cheapest way. Messages are counted there; other inputs
/// are passed on.
fn read(mut inputs: mpsc::Receiver<Input>, received: Arc<Mutex<Received>>) -> mpsc::Receiver<Input> {
    let (links_tx, links) = mpsc::channel(INPUTS_MAX);
    // As in a node, where the driver has the mesh's thread.
    tokio::spawn(async move {
        while let Some(input) = inputs.recv().await {
            match input {
                Input::Received { link, bytes } => lock(&received).entry(link).or_default().record(&bytes, now_ns()),
                other => drop(links_tx.send(other).await),
            }
        }
    });
    links
}

fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BareNode {
    fn wakes_at(&self) -> Option<Instant> {
        let publishes = self.publishing.as_ref().and_then(|publication| publication.schedule.next_at());
        publishes.into_iter().chain(self.dial_at).min()
    }

    /// Does what is due.
    fn work(&mut self, now: Instant) {
        if let Some(publication) = &mut self.publishing {
            for _ in 0..publication.schedule.take_due(now) {
                self.published += 1;
                let bytes = message(now_ns(), self.published, publication.bytes);
                self.mesh.carry_out(Output::Publish { to: Recipients::All, bytes, urgency: Urgency::High });
            }
            if publication.schedule.next_at().is_none() {
                print(&json!({ "kind": "published", "messages": publication.schedule.taken }));
                self.publishing = None;
            }
        }
        if self.dial_at.is_some_and(|at| at <= now) {
            let due = self.targets.iter().filter(|(_, target)| target.due.is_some_and(|due| due <= now));
            let due: Vec<String> = due.map(|(address, _)| address.clone()).collect();
            for address in due {
                self.dial_once(address);
            }
            self.dial_at = self.targets.values().filter_map(|target| target.due).min();
        }
    }

    fn obey(&mut self, command: &str) {
        let mut words = command.split_ascii_whitespace();
        match words.next() {
            Some("dial") => words.for_each(|address| self.dial(address.to_owned(), true)),
            Some("try") => words.for_each(|address| self.dial(address.to_owned(), false)),
            Some("hangup") => words.for_each(|address| self.hang_up(address)),
            Some("publish") => {
                let numbers: Vec<u32> = words.filter_map(|word| word.parse().ok()).collect();
                let [rate, bytes, seconds] = numbers[..] else { return print(&unknown(command)) };
                let schedule = Schedule::new(rate, Some(seconds), Instant::now());
                self.publishing = Some(Publication { schedule, bytes: bytes as usize });
            }
            Some("report") => print(&self.report()),
            _ => print(&unknown(command)),
        }
    }

    fn dial(&mut self, address: String, keep: bool) {
        let target = DialTarget { keep, began: Instant::now(), tries: 0, link: None, due: None };
        self.targets.insert(address.clone(), target);
        self.dial_once(address);
    }

    fn dial_once(&mut self, address: String) {
        if let Some(target) = self.targets.get_mut(&address) {
            target.due = None;
            target.tries += 1;
            self.mesh.carry_out(Output::Dial { address });
        }
    }

    fn hang_up(&mut self, address: &str) {
        if let Some(link) = self.targets.remove(address).and_then(|target| target.link) {
            self.mesh.carry_out(Output::HangUp { link });
        }
    }

    fn on_input(&mut self, input: Input) {
        match input {
            Input::Dialled { address, result } => self.dialled(&address, result),
            Input::LinkLost { link } => self.link_lost(link),
            _ => {}
        }
    }

    fn dialled(&mut self, address: &str, result: Result<Linked, DialError>) {
        let Some(target) = self.targets.get_mut(address) else {
            if let Ok(Linked { link, .. }) = result {
                self.mesh.carry_out(Output::HangUp { link });
            }
            return;
        };
        let ms = target.began.elapsed().as_secs_f64() * 1_000.0;
        let tries = target.tries;
        match result {
            Ok(Linked { link, .. }) => {
                target.link = Some(link);
                print(&json!({ "kind": "linked", "address": address, "ms": ms, "tries": tries, "at_ms": now_ms() }));
            }
            Err(error) => {
                if target.keep {
                    target.due = Some(Instant::now() + REDIAL_AFTER);
                    self.dial_at = self.targets.values().filter_map(|target| target.due).min();
                } else {
                    self.targets.remove(address);
                }
                print(&json!({ "kind": "failed", "address": address, "ms": ms, "tries": tries, "why": error.code() }));
            }
        }
    }

    fn link_lost(&mut self, link: LinkId) {
        let Some((address, target)) = self.targets.iter_mut().find(|(_, target)| target.link == Some(link)) else {
            return;
        };
        self.lost += 1;
        *target = DialTarget { keep: target.keep, began: Instant::now(), tries: 0, link: None, due: None };
        let (address, keep) = (address.clone(), target.keep);
        print(&json!({ "kind": "lost", "address": address, "at_ms": now_ms() }));
        if keep {
            self.dial_once(address);
        }
    }

    /// Reports what happened since the start. Latencies and lost links are those since the last report.
    fn report(&mut self) -> Value {
        let mut all = Vec::new();
        let mut links = Vec::new();
        let of: BTreeMap<LinkId, &str> =
            self.targets.iter().filter_map(|(address, target)| Some((target.link?, address.as_str()))).collect();
        let mut received = lock(&self.received);
        for (link, statistics) in received.iter_mut() {
            links.push(statistics.report(of.get(link).copied().unwrap_or("lost"), &mut all));
        }
        let (count, missing) =
            received.values().fold((0, 0), |sum, link| (sum.0 + link.received(), sum.1 + link.missing()));
        received.retain(|link, _| of.contains_key(link));
        drop(received);
        let counts = self.mesh.counts();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let failed: BTreeMap<&str, u64> = DialError::ALL.map(|why| (why.code(), counts.dials_failed(why))).into();
        let dropped = json!({
            "inputs": read(&counts.inputs_dropped),
            "oversized": read(&counts.oversized), "messages": read(&counts.messages_dropped),
        });
        json!({
            "kind": "report", "process": cost::report(), "links_up": of.len(), "links_lost": self.lost, "sent": self.published,
            "received": count, "missing": missing, "latency": percentiles(&mut all), "links": links,
            "dials_failed": failed, "dropped": dropped,
        })
    }
}

fn unknown(command: &str) -> Value {
    let known = "dial ADDRESS..., try ADDRESS..., hangup ADDRESS..., publish RATE BYTES SECONDS, report, quit";
    json!({ "kind": "unknown", "why": format!("{command:?} is no command: {known}") })
}
