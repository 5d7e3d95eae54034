//! Tabs that change their network: the socket that such a tab had is dead, and its node does not know it yet.

use presence_core::{ConnectionId, Ended, Input};

use super::{At, Tabs};

/// A socket whose tab goes on with another one.
pub(super) struct DeadSocket {
    tab: u64,
    pub(super) host: usize,
    connection: ConnectionId,
    /// When its node finds that it is dead.
    until: u64,
}

impl Tabs {
    /// A tab is at another host from now on; the one that it leaves finds out that much later, unless it is told.
    pub(crate) fn move_to(&mut self, id: u64, to: usize, now: u64, found_after: u64) {
        let Some(tab) = self.tabs.get_mut(&id) else { return };
        let At::Host(host) = tab.at else { return };
        self.dead.push(DeadSocket { tab: id, host, connection: tab.connection, until: now + found_after });
        tab.at = At::Away { back: now, host: Some(to) };
    }

    /// Nodes find sockets dead.
    pub(super) fn find_dead(&mut self, now: u64) -> Vec<(usize, Input)> {
        let found = self.dead.extract_if(.., |socket| socket.until <= now);
        found.map(|socket| socket.ends(Ended::Unanswered)).collect()
    }

    /// A tab joins at a host: the socket that it had there ends first, as the server has it.
    pub(super) fn take_place(&mut self, id: u64, host: usize) -> Vec<(usize, Input)> {
        let before = self.dead.extract_if(.., |socket| socket.tab == id && socket.host == host);
        before.map(|socket| socket.ends(Ended::Closed)).collect()
    }

    /// A node closes a socket.
    pub(crate) fn closed(&mut self, host: usize, connection: ConnectionId, now: u64) -> Vec<(usize, Input)> {
        let its = self.dead.extract_if(.., |socket| socket.connection == connection);
        let ended: Vec<(usize, Input)> = its.map(|socket| socket.ends(Ended::Closed)).collect();
        // A tab that is back there already has lost its new socket.
        for tab in self.tabs.values_mut().filter(|tab| tab.at == At::Host(host) && tab.connection == connection) {
            tab.at = At::Away { back: now + 1_000, host: None };
        }
        ended
    }
}

impl DeadSocket {
    fn ends(self, ended: Ended) -> (usize, Input) {
        (self.host, Input::Disconnected { connection: self.connection, ended })
    }
}
