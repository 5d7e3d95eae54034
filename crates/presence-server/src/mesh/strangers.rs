//! Handshakes at the mesh port, bounded: without it a stranger could fill this node's memory, or keep other nodes waiting.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use presence_core::DialError;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// The time from the first packet to the node's name.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);
/// How long failed handshakes cost memory: QUIC remembers them.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);
/// Handshakes under way, in all and from one address. A new one is always admitted; if there is no room, the oldest one of
/// the address with the most is aborted.
const UNDER_WAY_MAX: usize = 256;
const UNDER_WAY_MAX_OF_ONE: usize = 128;
/// How often a log line is written at most.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Learns which node an authenticated connection leads to: the end of a handshake.
pub(super) type Welcome<C> = Arc<dyn Fn(C) -> BoxFuture<'static, Result<(), DialError>> + Send + Sync>;

/// Handshakes under way by source address, and counts of failed ones. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Strangers {
    // Held for a look-up. The oldest first.
    under_way: Arc<Mutex<Vec<Handshake>>>,
    failed: Arc<Failed>,
}

struct Handshake {
    source: IpAddr,
    began: Instant,
    task: AbortHandle,
}

#[derive(Default)]
struct Failed {
    wrong_secret: AtomicU64,
    others: AtomicU64,
}

impl Strangers {
    /// Runs a handshake in a task of its own, within its time.
    pub(super) fn admit(&self, from: IpAddr, handshake: impl Future<Output = Result<(), DialError>> + Send + 'static) {
        let (source, strangers) = (source(from), self.clone());
        let mut under_way = self.under_way.lock();
        under_way.retain(|handshake| !handshake.task.is_finished() || handshake.began.elapsed() < REMEMBERED_FOR);
        if let Some(aborted) = oldest_of_most(&under_way, source) {
            under_way.remove(aborted).task.abort();
            self.failed(DialError::Refused);
        }
        let task = tokio::spawn(async move {
            let ended = timeout(HANDSHAKE_WITHIN, handshake).await.unwrap_or(Err(DialError::NoAnswer));
            ended.unwrap_or_else(|reason| strangers.failed(reason));
        });
        under_way.push(Handshake { source, began: Instant::now(), task: task.abort_handle() });
    }

    /// Whether an address has begun as many handshakes as it may, including those that failed a moment ago.
    pub(super) fn is_greedy(&self, from: IpAddr) -> bool {
        let (source, under_way) = (source(from), self.under_way.lock());
        let fresh = |handshake: &&Handshake| handshake.source == source && handshake.began.elapsed() < REMEMBERED_FOR;
        under_way.iter().filter(fresh).count() >= UNDER_WAY_MAX_OF_ONE
    }

    /// Counts a handshake that was refused, or failed.
    pub(super) fn failed(&self, reason: DialError) {
        let count = if reason == DialError::WrongSecret { &self.failed.wrong_secret } else { &self.failed.others };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Logs the counts, at most once a minute.
    pub(super) async fn tell(self) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            let wrong_secret = self.failed.wrong_secret.swap(0, Ordering::Relaxed);
            let others = self.failed.others.swap(0, Ordering::Relaxed);
            if wrong_secret == 0 && others == 0 {
                continue;
            }
            if wrong_secret > 0 {
                tracing::warn!(
                    wrong_secret,
                    others,
                    "refused a node that does not know our GP_SECRET, which must be the same on every node"
                );
            } else {
                tracing::info!(others, "handshakes at the mesh port failed");
            }
            tokio::time::sleep(TELL_EVERY).await;
        }
    }
}

/// The handshake to abort for one more from `source`, if there is no room.
fn oldest_of_most(under_way: &[Handshake], source: IpAddr) -> Option<usize> {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for handshake in under_way {
        *counts.entry(handshake.source).or_default() += 1;
    }
    let most = if counts.get(&source).is_some_and(|count| *count >= UNDER_WAY_MAX_OF_ONE) {
        counts[&source]
    } else if under_way.len() >= UNDER_WAY_MAX {
        counts.values().copied().max()?
    } else {
        return None;
    };
    under_way.iter().position(|handshake| counts[&handshake.source] == most)
}

/// One machine: an IPv4 address, or the /64 that IPv6 gives to one.
fn source(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(from) => IpAddr::V6(Ipv6Addr::from_bits(from.to_bits() & !u128::from(u64::MAX))),
        IpAddr::V4(from) => IpAddr::V4(from),
    }
}
