//! Handshakes at the mesh port, bounded: without this file a stranger could fill our memory, or keep other nodes waiting.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use presence_core::DialError;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// From the first packet to the node's name.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);
/// Those that have failed cost memory for a while: QUIC remembers them.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);
/// Handshakes under way, of all and of one address. A new one is always admitted; where there is no room, the address with
/// the most of them gives up its oldest.
const UNDER_WAY_MAX: usize = 256;
const UNDER_WAY_MAX_OF_ONE: usize = 128;
/// One line a minute, however often somebody knocks.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Finds out whose an authenticated connection is: the end of a handshake.
pub(super) type Welcome<C> = Arc<dyn Fn(C) -> BoxFuture<'static, Result<(), DialError>> + Send + Sync>;

/// Handshakes under way by source address, and how those that failed have ended. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Strangers {
    // A std lock: held for a look-up. The oldest first.
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
    /// Runs a handshake beside everything else, within its time.
    pub(super) fn admit(&self, from: IpAddr, handshake: impl Future<Output = Result<(), DialError>> + Send + 'static) {
        let (source, strangers) = (source(from), self.clone());
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|handshake| !handshake.task.is_finished() || handshake.began.elapsed() < REMEMBERED_FOR);
        if let Some(gives_up) = crowded(&under_way, source) {
            under_way.remove(gives_up).task.abort();
            self.failed(DialError::Refused);
        }
        let task = tokio::spawn(async move {
            let ended = timeout(HANDSHAKE_WITHIN, handshake).await.unwrap_or(Err(DialError::NoAnswer));
            ended.unwrap_or_else(|reason| strangers.failed(reason));
        });
        under_way.push(Handshake { source, began: Instant::now(), task: task.abort_handle() });
    }

    /// Whether an address has begun as many handshakes as it may, those that failed a moment ago included.
    pub(super) fn is_greedy(&self, from: IpAddr) -> bool {
        let (source, under_way) = (source(from), self.under_way.lock().unwrap_or_else(PoisonError::into_inner));
        let fresh = |handshake: &&Handshake| handshake.source == source && handshake.began.elapsed() < REMEMBERED_FOR;
        under_way.iter().filter(fresh).count() >= UNDER_WAY_MAX_OF_ONE
    }

    /// Counts one that was turned away, or failed.
    pub(super) fn failed(&self, reason: DialError) {
        let count = if reason == DialError::WrongSecret { &self.failed.wrong_secret } else { &self.failed.others };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the operator, at most once a minute.
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
                tracing::info!(others, "handshakes at the mesh port came to nothing");
            }
            tokio::time::sleep(TELL_EVERY).await;
        }
    }
}

/// Which handshake makes room for one more from `source`, where there is no room.
fn crowded(under_way: &[Handshake], source: IpAddr) -> Option<usize> {
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
