//! One bare mesh: it links to the nodes that it is told, publishes, and reports what it heard and what that cost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use presence_core::{DialError, Input, LinkId, Linked, NodeHash, NodeName, Output, Urgency};
use presence_server::certificate::Authority;
use presence_server::mesh::{Mesh, MeshConfig};
use presence_server::{Config, sha256};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::args::NodeArgs;
use crate::heard::{Heard, message, percentiles};
use crate::own;
use crate::publishing::Publishing;
use crate::{lines, now_ms, now_ns, say};

/// Inputs that wait for this program.
const INPUTS_MAX: usize = 4_096;
/// When an address is dialled again after a failure.
const AGAIN: Duration = Duration::from_millis(250);

/// An address that was to be dialled.
#[derive(Debug)]
struct Target {
    /// It is dialled until there is a link, and whenever that is lost.
    kept: bool,
    /// When the first dial was ordered, or the first since the link was lost.
    ordered: Instant,
    tries: u32,
    link: Option<LinkId>,
    due: Option<Instant>,
}

/// What each link delivered.
type AllHeard = BTreeMap<LinkId, Heard>;

struct Bare {
    mesh: Mesh,
    targets: BTreeMap<String, Target>,
    /// When the first of them is to be dialled again.
    dial_at: Option<Instant>,
    heard: Arc<Mutex<AllHeard>>,
    publishing: Option<Publishing>,
    published: u64,
    lost: u64,
}

/// Starts a mesh of this name; nodes of the same secret link.
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
        hash: NodeHash::of(&name, sha256),
        // The same after a restart, and another one for each node.
        reset_key: sha256(name.as_str().as_bytes()),
        name,
        authority: Authority::Secret { current: [secret; 32], previous: None },
        delays: Vec::new(),
    };
    Mesh::start(config, inputs).await
}

/// Runs until standard input ends, or `quit`.
pub(crate) async fn run(args: NodeArgs) -> anyhow::Result<()> {
    presence_server::log(&Config::of(["--log", "info"]).map_err(anyhow::Error::msg)?)?;
    let (inputs_tx, inputs) = mpsc::channel(INPUTS_MAX);
    let mesh = start(&args.name, args.secret, args.listen, inputs_tx).await?;
    let publishing = args.publish.map(|rate| Publishing::new(rate, args.bytes, None, Instant::now()));
    let addresses = mesh.advertised();
    say(
        &json!({ "kind": "listening", "address": addresses.first(), "addresses": addresses, "pid": std::process::id() }),
    );
    let heard = Arc::new(Mutex::new(BTreeMap::new()));
    let mut links = read(inputs, Arc::clone(&heard));
    let mut bare = Bare { mesh, targets: BTreeMap::new(), dial_at: None, heard, publishing, published: 0, lost: 0 };
    for address in args.dial {
        bare.dial(address, true);
    }
    let mut orders = lines();
    loop {
        let wake = bare.wakes_at();
        tokio::select! {
            input = links.recv() => bare.take(input.context("the mesh has ended")?),
            order = orders.recv() => match order.as_deref() {
                None | Some("quit") => break,
                Some(order) => bare.obey(order),
            },
            () = sleep_until(wake.unwrap_or_else(Instant::now).into()), if wake.is_some() => bare.work(Instant::now()),
        }
    }
    say(&json!({ "kind": "closing", "at_ms": now_ms() }));
    bare.mesh.close().await;
    say(&json!({ "kind": "closed", "at_ms": now_ms() }));
    Ok(())
}

/// Reads what the mesh delivers, in a thread of its own: that is the cheapest way there is. Messages are counted there, what
/// happens to links is handed on.
fn read(mut inputs: mpsc::Receiver<Input>, heard: Arc<Mutex<AllHeard>>) -> mpsc::Receiver<Input> {
    let (links_tx, links) = mpsc::channel(INPUTS_MAX);
    std::thread::spawn(move || {
        while let Some(input) = inputs.blocking_recv() {
            match input {
                Input::Received { link, bytes } => lock(&heard).entry(link).or_default().take(&bytes, now_ns()),
                other => drop(links_tx.blocking_send(other)),
            }
        }
    });
    links
}

fn lock(heard: &Mutex<AllHeard>) -> MutexGuard<'_, AllHeard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bare {
    fn wakes_at(&self) -> Option<Instant> {
        let publishes = self.publishing.as_ref().and_then(Publishing::next_at);
        publishes.into_iter().chain(self.dial_at).min()
    }

    /// Does what is due.
    fn work(&mut self, now: Instant) {
        if let Some(publishing) = &mut self.publishing {
            for _ in 0..publishing.take_due(now) {
                self.published += 1;
                let bytes = message(now_ns(), self.published, publishing.bytes);
                self.mesh.carry_out(Output::Publish { to: None, bytes, urgency: Urgency::High });
            }
            if publishing.next_at().is_none() {
                say(&json!({ "kind": "published", "messages": publishing.sent }));
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

    fn obey(&mut self, order: &str) {
        let mut words = order.split_ascii_whitespace();
        match words.next() {
            Some("dial") => words.for_each(|address| self.dial(address.to_owned(), true)),
            Some("try") => words.for_each(|address| self.dial(address.to_owned(), false)),
            Some("hangup") => words.for_each(|address| self.hang_up(address)),
            Some("publish") => {
                let numbers: Vec<u32> = words.filter_map(|word| word.parse().ok()).collect();
                let [rate, bytes, seconds] = numbers[..] else { return say(&wrong(order)) };
                self.publishing = Some(Publishing::new(rate, bytes as usize, Some(seconds), Instant::now()));
            }
            Some("report") => say(&self.report()),
            _ => say(&wrong(order)),
        }
    }

    fn dial(&mut self, address: String, kept: bool) {
        let target = Target { kept, ordered: Instant::now(), tries: 0, link: None, due: None };
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

    fn take(&mut self, input: Input) {
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
        let ms = target.ordered.elapsed().as_secs_f64() * 1_000.0;
        let tries = target.tries;
        match result {
            Ok(Linked { link, .. }) => {
                target.link = Some(link);
                say(&json!({ "kind": "linked", "address": address, "ms": ms, "tries": tries, "at_ms": now_ms() }));
            }
            Err(error) => {
                if target.kept {
                    target.due = Some(Instant::now() + AGAIN);
                    self.dial_at = self.targets.values().filter_map(|target| target.due).min();
                } else {
                    self.targets.remove(address);
                }
                say(&json!({ "kind": "failed", "address": address, "ms": ms, "tries": tries, "why": error.code() }));
            }
        }
    }

    fn link_lost(&mut self, link: LinkId) {
        let Some((address, target)) = self.targets.iter_mut().find(|(_, target)| target.link == Some(link)) else {
            return;
        };
        self.lost += 1;
        *target = Target { kept: target.kept, ordered: Instant::now(), tries: 0, link: None, due: None };
        let (address, kept) = (address.clone(), target.kept);
        say(&json!({ "kind": "lost", "address": address, "at_ms": now_ms() }));
        if kept {
            self.dial_once(address);
        }
    }

    /// What happened since the start; latencies and links that are lost since the last report only.
    fn report(&mut self) -> Value {
        let mut all = Vec::new();
        let mut links = Vec::new();
        let of: BTreeMap<LinkId, &str> =
            self.targets.iter().filter_map(|(address, target)| Some((target.link?, address.as_str()))).collect();
        let mut heard = lock(&self.heard);
        for (link, heard) in heard.iter_mut() {
            links.push(heard.report(of.get(link).copied().unwrap_or("lost"), &mut all));
        }
        let (received, missing) =
            heard.values().fold((0, 0), |sum, heard| (sum.0 + heard.received(), sum.1 + heard.missing()));
        heard.retain(|link, _| of.contains_key(link));
        drop(heard);
        let counts = self.mesh.counts();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let failed: BTreeMap<&str, u64> = DialError::ALL.map(|why| (why.code(), counts.dials_failed(why))).into();
        let dropped = json!({
            "orders": read(&counts.orders_dropped), "inputs": read(&counts.inputs_dropped),
            "oversized": read(&counts.oversized), "messages": read(&counts.messages_dropped),
        });
        json!({
            "kind": "report", "process": own::report(), "links_up": of.len(), "links_lost": self.lost, "sent": self.published,
            "received": received, "missing": missing, "heard": percentiles(&mut all), "links": links,
            "dials_failed": failed, "dropped": dropped,
        })
    }
}

fn wrong(order: &str) -> Value {
    let known = "dial ADDRESS..., try ADDRESS..., hangup ADDRESS..., publish RATE BYTES SECONDS, report, quit";
    json!({ "kind": "wrong", "why": format!("{order:?} is no order: {known}") })
}
