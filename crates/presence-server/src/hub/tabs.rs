//! Which socket each tab has that names itself. A tab that changes its network is back before its old socket is known to be
//! dead: the new one takes the place of the old one, which would count for half a minute.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;
use presence_core::{ConnectionId, Input, UserId};

use super::Hub;
use super::connection::Connection;
use crate::close_reason::CloseReason;

/// How long a tab's name for itself is: long enough that no two tabs of one user draw the same, and bounded.
const NAME_BYTES: std::ops::RangeInclusive<usize> = 8..=64;

/// The sockets of tabs that name themselves. Of each name a hash is kept that no one can foresee.
#[derive(Default)]
pub(super) struct TabSockets {
    hasher: RandomState,
    by_tab: Mutex<HashMap<NonZeroU64, ConnectionId>>,
}

impl Hub {
    /// A tab of this user goes on with this connection: one that it had before ends.
    pub(crate) fn take_place(&self, connection: &Arc<Connection>, user: &UserId, tab: &str) {
        if !NAME_BYTES.contains(&tab.len()) || connection.tab.load(Relaxed) != 0 {
            return;
        }
        // A name is its user's own: no one else ends a socket with it.
        let key = NonZeroU64::new(self.tabs.hasher.hash_one((user, tab))).unwrap_or(NonZeroU64::MIN);
        connection.tab.store(key.get(), Relaxed);
        let before = self.tabs.by_tab.lock().insert(key, connection.id);
        if let Some(before) = before.and_then(|before| self.connection(before)) {
            // The driver learns of it before the new socket joins, so that the tab counts once all the time. If its queue is
            // full, it learns of it from the old socket's task.
            let ended = CloseReason::Resumed.ended();
            drop(before.inputs().try_send(Input::Disconnected { connection: before.id, ended }));
            before.close(CloseReason::Resumed, self.now_ms());
        }
    }

    /// A connection has ended.
    pub(super) fn forget_tab(&self, connection: &Connection) {
        let Some(key) = NonZeroU64::new(connection.tab.load(Relaxed)) else { return };
        let mut tabs = self.tabs.by_tab.lock();
        if tabs.get(&key) == Some(&connection.id) {
            tabs.remove(&key);
        }
        if tabs.is_empty() {
            tabs.shrink_to_fit();
        }
    }
}
