//! Why there is no link: the engine says it only in its log, in words for its own developers. Without this file a wrong
//! secret would look like a node that is down.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::address::Address;

/// Who dials.
const DIALLING: &str = "zenoh::net::runtime::orchestrator";
/// Who is dialled.
const ACCEPTING: [&str; 2] = ["zenoh_link_commons::quic::unicast", "zenoh_link_tls::unicast"];

/// Reasons that nobody has asked for yet; a dial takes its own within milliseconds.
const REASONS_MAX: usize = 1_024;
/// One line a minute, however often somebody knocks.
const TELL_EVERY: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Last reason by the address that was dialled. A process has one log, so there is one of these.
// A std lock: held for a look-up.
static REASONS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
/// Dials of others that ended because the secrets differ.
static REFUSED: AtomicU64 = AtomicU64::new(0);
/// Dials of ours that ended so.
static STRANGERS: Mutex<BTreeSet<Address>> = Mutex::new(BTreeSet::new());
const STRANGERS_MAX: usize = 32;

/// What reads the reasons out of the engine's events; to be put beside the layer that prints, with or without which
/// it works the same. It hides nothing from other layers: see [`LOG_DIRECTIVES`](super::LOG_DIRECTIVES).
pub fn layer<S>() -> impl Layer<S> + Send + Sync + 'static
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let listens_to =
        Targets::new().with_target(DIALLING, Level::DEBUG).with_targets(ACCEPTING.map(|t| (t, Level::WARN)));
    Reasons.with_filter(listens_to)
}

struct Reasons;

impl<S: Subscriber> Layer<S> for Reasons {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        if event.metadata().target() == DIALLING {
            remember(&message.0);
        } else if distrust(&message.0) {
            REFUSED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

/// `Unable to connect to quic/192.0.2.7:7447! <reason>`, with "configured peer" before the address at later tries.
fn remember(message: &str) {
    let rest = message.strip_prefix("Unable to connect to ").map(|r| r.strip_prefix("configured peer ").unwrap_or(r));
    let Some((address, reason)) = rest.and_then(|rest| rest.split_once("! ")) else { return };
    let mut reasons = REASONS.lock().expect("nothing panics under this lock");
    if reasons.len() < REASONS_MAX || reasons.contains_key(address) {
        reasons.insert(address.to_owned(), reason.to_owned());
    }
}

fn distrust(reason: &str) -> bool {
    // As rustls says it of the other's certificate, and as it hears it of ours (alert 48).
    ["UnknownIssuer", "UnknownCA", "BadSignature"].iter().any(|word| reason.contains(word))
}

/// A sentence for the operator about the dial that has just failed.
pub(super) fn of_failed_dial(address: &Address, error: &anyhow::Error) -> String {
    let reason = REASONS.lock().expect("nothing panics under this lock").remove(&address.to_string());
    let reason = reason.unwrap_or_else(|| format!("{error:#}"));
    if distrust(&reason) {
        let mut strangers = STRANGERS.lock().expect("nothing panics under this lock");
        if strangers.len() < STRANGERS_MAX {
            strangers.insert(address.clone());
        }
        "it does not know our GP_SECRET, which must be the same on every node.".to_owned()
    } else if reason.contains("NotValidForName") || reason.contains("not valid for name") {
        "its certificate does not hold that address: tell that node by --mesh-advertise.".to_owned()
    } else if ["refused", "elapsed", "timed out", "Unable to connect"].iter().any(|word| reason.contains(word)) {
        "nobody answers there.".to_owned()
    } else {
        format!("{reason}.")
    }
}

/// Says, each at most once a minute, who does not know our secret: where we dialled, and that somebody dialled us.
pub(super) async fn tell_of_strangers() {
    let mut tell_after = Instant::now();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if Instant::now() < tell_after {
            continue;
        }
        let refused = REFUSED.swap(0, Ordering::Relaxed);
        let strangers = std::mem::take(&mut *STRANGERS.lock().expect("nothing panics under this lock"));
        if refused == 0 && strangers.is_empty() {
            continue;
        }
        tell_after = Instant::now() + TELL_EVERY;
        if refused > 0 {
            tracing::warn!(
                "a node that does not know our GP_SECRET was refused at our mesh port ({refused} times); \
                 it must be the same on every node"
            );
        }
        for address in strangers {
            tracing::warn!("{address} does not know our GP_SECRET; it must be the same on every node");
        }
    }
}
