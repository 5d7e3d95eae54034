//! Which socket each tab has that names itself. A tab that changes its network is back before its old socket is known to be
//! dead: the new one takes the place of the old one, which would count for half a minute.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use presence_core::{ConnectionId, Input, TabId, UserId};

use super::Hub;
use super::connection::Connection;
use crate::close_reason::CloseReason;
use crate::identity::sha256;

/// How long a tab's name for itself is: long enough that no two tabs of one user draw the same, and bounded.
const NAME_BYTES: std::ops::RangeInclusive<usize> = 8..=64;

/// The sockets of tabs that name themselves.
#[derive(Default)]
pub(super) struct TabSockets(Mutex<HashMap<TabId, ConnectionId>>);

impl Connection {
    /// Which tab it belongs to, if its page has said so.
    pub(crate) fn tab(&self) -> Option<TabId> {
        self.tab.get().copied()
    }
}

impl Hub {
    /// A tab of this user goes on with this connection: one that it had before ends.
    pub(crate) fn take_place(&self, connection: &Arc<Connection>, user: &UserId, tab: &str) {
        // A name is its user's own: no one else ends a socket with it.
        let tab = Some(tab).filter(|tab| NAME_BYTES.contains(&tab.len())).map(|tab| TabId::of(user, tab, sha256));
        let Some(tab) = tab.filter(|tab| connection.tab.set(*tab).is_ok()) else { return };
        let before = self.tabs.0.lock().insert(tab, connection.id);
        if let Some(before) = before.and_then(|before| self.connection(before)) {
            // The driver learns of it before the new socket joins, so that the tab counts once all the time. If its queue is
            // full, it learns of it from the old socket's task.
            let ended = CloseReason::Resumed.ended();
            drop(before.inputs().try_send(Input::Disconnected { connection: before.id, ended }));
            before.close(CloseReason::Resumed, self.now_ms());
        }
    }

    /// The tab of a connection goes on at another node, which has told this one.
    pub(super) fn close_moved(&self, connection: ConnectionId) {
        if let Some(connection) = self.connection(connection) {
            connection.close(CloseReason::Resumed, self.now_ms());
        }
    }

    /// A connection has ended.
    pub(super) fn forget_tab(&self, connection: &Connection) {
        let Some(tab) = connection.tab() else { return };
        let mut tabs = self.tabs.0.lock();
        if tabs.get(&tab) == Some(&connection.id) {
            tabs.remove(&tab);
        }
        if tabs.is_empty() {
            tabs.shrink_to_fit();
        }
    }
}
