//! Faults that a test can inject, to show that the simulator finds them. No build that ships has any.

/// One mistake that could be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Of two writes the earlier one wins.
    OldestWins,
    /// A clock takes no notice of stamps that it sees.
    BlindClock,
    /// A hole in the sequence is taken for nothing missed.
    HolesSkipped,
    /// Removed rows of others stay.
    RemovalsIgnored,
    /// What has lingered long enough goes on lingering.
    EndlessLinger,
    /// What is held goes on being held.
    EndlessHold,
    /// A restarted node's old rows stay.
    OldIncarnationStays,
    /// A killed node's rows are dropped when it is back.
    CrashDropsRows,
    /// What a user took of another node's tabs is forgotten when the user leaves.
    TookForgotten,
    /// A tab's socket stays although the tab has joined at another node.
    OldSocketStays,
    /// What was taken is forgotten before the row that shows it is known.
    TookUnseen,
    /// A connection that ended before its join was handled still joins.
    GhostJoins,
    /// All entries of a log have one id.
    OneEntry,
    /// Facts are never compared.
    NothingHeals,
    /// A register that another region has set is not drawn.
    UndrawnRegister,
    /// What was stamped by a clock that ran ahead is not restamped.
    NotRestamped,
    /// What is held of a node that left is not compared with what others hold.
    DepartedNotCompared,
    /// Whatever another node says about this node's last start is believed.
    AnyIncarnationAdopted,
    /// A request is answered in whatever name it is.
    AnyNameAsks,
    /// What is relayed needs no signature.
    RelayedUnsigned,
    /// Whatever comes over a link is its node's, with whatever key it is signed.
    AnyKey,
    /// "All that I know but these" is said to nodes that know others, and is taken for all that the reader knows.
    UnknownIsHeard,
    /// Any node may say of any other that it has left.
    HearsayOfLeaving,
    /// Every clock is believed, however wrong and through whomever.
    AnyClock,
    /// Facts are kept however many they are and however long they last.
    FactsUnbounded,
    /// All addresses that another node names are dialled at once.
    AllToldDialled,
    /// Rows of other nodes are taken as large as they come.
    RowsUncut,
    /// Every start of a node that left is held.
    AllStartsHeld,
    /// A click on a counter is answered before what it adds is kept.
    AnswersEarly,
    /// A user is in a set once for each click.
    ClicksJoin,
    /// Who leaves a set stays in it.
    LeaveIgnored,
    /// Each write of a click has a stamp of its own.
    ClickSplit,
    /// Of a click that is refused a part is written.
    HalfAClick,
    /// Tombstones end at once.
    TombstonesEnd,
    /// An entry of a map that another region has removed is not drawn.
    UndrawnMap,
    /// A register whose time is over is not drawn.
    ExpiryUndrawn,
}

/// Those that storms find.
#[cfg(feature = "planted")]
pub const ALL_FAULTS: [Fault; 25] = [
    Fault::OldestWins,
    Fault::BlindClock,
    Fault::HolesSkipped,
    Fault::RemovalsIgnored,
    Fault::EndlessLinger,
    Fault::EndlessHold,
    Fault::OldIncarnationStays,
    Fault::CrashDropsRows,
    Fault::TookForgotten,
    Fault::OldSocketStays,
    Fault::TookUnseen,
    Fault::GhostJoins,
    Fault::OneEntry,
    Fault::NothingHeals,
    Fault::UndrawnRegister,
    Fault::NotRestamped,
    Fault::DepartedNotCompared,
    Fault::AnswersEarly,
    Fault::ClicksJoin,
    Fault::LeaveIgnored,
    Fault::ClickSplit,
    Fault::HalfAClick,
    Fault::TombstonesEnd,
    Fault::UndrawnMap,
    Fault::ExpiryUndrawn,
];

#[cfg(feature = "planted")]
impl Fault {
    /// The one of [`ALL_FAULTS`] that has this name.
    pub fn named(name: &str) -> Option<Self> {
        ALL_FAULTS.into_iter().find(|fault| format!("{fault:?}") == name)
    }
}

/// Those that a member which misbehaves could use.
#[cfg(feature = "planted")]
pub const MEMBER_FAULTS: [Fault; 6] = [
    Fault::RowsUncut,
    Fault::AnyNameAsks,
    Fault::RelayedUnsigned,
    Fault::AnyKey,
    Fault::HearsayOfLeaving,
    Fault::FactsUnbounded,
];

#[cfg(feature = "planted")]
thread_local! {
    static INJECTED: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault in all nodes of this thread, or takes it out.
#[cfg(feature = "planted")]
pub fn inject(fault: Option<Fault>) {
    INJECTED.set(fault);
}

/// Whether this fault is injected: never, in a build that ships.
#[cfg(feature = "planted")]
pub(crate) fn injected(fault: Fault) -> bool {
    INJECTED.get() == Some(fault)
}

/// Whether this fault is injected: never, in a build that ships.
#[cfg(not(feature = "planted"))]
pub(crate) const fn injected(_: Fault) -> bool {
    false
}
