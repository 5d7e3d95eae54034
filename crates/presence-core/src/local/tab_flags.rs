//! How the connections of a user take part in a room, without what is needed only once.

use crate::io::tab::Tab;

/// The properties of a tab, kept for as long as it is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct TabFlags {
    pub(crate) visible: bool,
    pub(crate) proven: bool,
    pub(crate) draws: bool,
}

impl TabFlags {
    pub(crate) fn of(tab: &Tab) -> Self {
        Self { visible: tab.visible, proven: tab.proven, draws: tab.draws }
    }

    /// Of two subscriptions of one connection to one room.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            visible: self.visible || other.visible,
            proven: self.proven || other.proven,
            draws: self.draws || other.draws,
        }
    }
}
