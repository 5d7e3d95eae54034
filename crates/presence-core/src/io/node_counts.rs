//! What a node has counted since its start, for metrics. Each number only grows.

/// What a node has counted since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeCounts {
    /// Facts that were written here, removals included: by clicks, by the API and by what an app reports.
    pub facts_written: u64,
    /// Tabs of this node's visitors.
    pub tabs: TabCounts,
    /// Links that this node opened to others.
    pub links: LinkCounts,
    /// Times that changes of another node's rows were missing for longer than they may be on their way, and were asked for.
    pub gaps: u64,
    /// Messages that another node can't hear from their author, and that this one had no time to relay.
    pub not_relayed: u64,
}

/// What happened to the tabs of one node. A tab is a connection that is in a room: one in two rooms counts twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TabCounts {
    /// Those that joined.
    pub joined: u64,
    /// Those that ended with a close frame, or by unsubscribing.
    pub closed: u64,
    /// Those that ended without one.
    pub lost: u64,
    /// Those whose browser did not answer, or took nothing.
    pub unanswered: u64,
    /// Those whose member said that it leaves.
    pub resigned: u64,
    /// Those that took the place of a tab that lingered on this node: a reload.
    pub took_here: u64,
    /// Those that took the place of a tab that lingered on another node, or is held for one that has left.
    pub took_elsewhere: u64,
    /// Those that another node said are the same tab as one there.
    pub took_moved: u64,
    /// Those that turned out to have taken the place of a tab of a node that was killed.
    pub took_of_killed: u64,
}

/// What happened to the links that a node opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkCounts {
    /// Dials that led to a link which is used.
    pub opened: u64,
    /// Links that ended although this node did not close them.
    pub lost: u64,
}
