//! Tables that change no longer, and until when each counts.

use std::collections::BTreeMap;

use crate::id::NodeHash;
use crate::presence::row::{TableKey, Weight};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Incarnation, Mono};

/// Of one node this many starts are held at a time: a node that is started again and again leaves few visitors each time.
const HELD_OF_ONE_MAX: usize = 8;
/// Of how many tables it is remembered that they have run out.
pub(super) const RUN_OUT_MAX: usize = 1_024;

/// Why a node changes its table no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Departure {
    /// It left on purpose.
    Drained,
    /// It was killed, or froze, and another start of it is heard.
    Crashed,
}

impl Departure {
    pub(super) fn crashed(crashed: bool) -> Self {
        if crashed { Self::Crashed } else { Self::Drained }
    }

    /// How the rows count meanwhile.
    pub(super) fn weight(self) -> Weight {
        match self {
            Self::Drained => Weight::Held,
            Self::Crashed => Weight::Expected,
        }
    }
}

/// A table that changes no longer, and until when that matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub(super) until: Mono,
    pub(super) departure: Departure,
    /// Only other nodes have said so: its own word outweighs it.
    pub(super) hearsay: bool,
}

impl Hold {
    /// The lesser time counts. Where one node knows that it left on purpose, it was no crash.
    fn merge(&mut self, other: Self) {
        match (self.departure, other.departure) {
            (Departure::Crashed, Departure::Drained) => *self = other,
            (Departure::Drained, Departure::Crashed) => {}
            _ => {
                self.until = self.until.min(other.until);
                self.hearsay &= other.hearsay;
            }
        }
    }
}

/// The tables of nodes that left or were killed.
#[derive(Debug, Default)]
pub(crate) struct DepartedTables {
    /// Those whose tabs count, and until when.
    pub(super) held: BTreeMap<TableKey, Hold>,
    /// Those that have run out, and until when that is remembered.
    pub(super) run_out: BTreeMap<TableKey, Hold>,
    pub(super) turn: usize,
}

impl DepartedTables {
    pub(super) fn is_held(&self, table: TableKey) -> bool {
        self.held.contains_key(&table)
    }

    pub(super) fn has_run_out(&self, table: TableKey) -> bool {
        self.run_out.contains_key(&table)
    }

    /// Whether what is said of a table comes too late, since it has run out. One that was taken for killed may be known elsewhere
    /// to have left on purpose, later.
    pub(super) fn is_over(&self, table: TableKey, said: Departure) -> bool {
        let outweighs = |known: Departure| (known, said) == (Departure::Crashed, Departure::Drained);
        self.run_out.get(&table).is_some_and(|hold| !outweighs(hold.departure))
    }

    /// Whether a table is held, or has run out.
    pub(super) fn departure(&self, table: TableKey) -> Option<Departure> {
        self.held.get(&table).or_else(|| self.run_out.get(&table)).map(|hold| hold.departure)
    }

    /// A node said itself that it leaves, and may not come back with this table.
    pub(super) fn has_left_for_good(&self, table: TableKey) -> bool {
        self.run_out.get(&table).is_some_and(|hold| hold.departure == Departure::Drained && !hold.hearsay)
    }

    /// The node of a table whose hold has run out says something itself: if only others said that it left, it has not.
    pub(super) fn refute(&mut self, table: TableKey) {
        let hearsay = |hold: &Hold| hold.departure == Departure::Drained && hold.hearsay;
        if self.run_out.get(&table).is_some_and(hearsay) {
            self.release(table);
        }
    }

    /// The node of a table that was taken for killed says something itself: it goes on.
    pub(super) fn goes_on(&mut self, table: TableKey) {
        if self.departure(table) == Some(Departure::Crashed) {
            self.release(table);
        }
    }

    /// A table is neither held any more, nor has it run out.
    pub(super) fn release(&mut self, table: TableKey) {
        self.held.remove(&table);
        self.run_out.remove(&table);
    }

    /// This process was suspended: held tabs run out everywhere at the same moment, whichever node slept.
    pub(super) fn shorten(&mut self, ms: u64) {
        self.held.values_mut().for_each(|hold| hold.until = hold.until - ms);
    }

    pub(super) fn hold(&mut self, table: TableKey, hold: Hold) {
        self.run_out.remove(&table);
        self.held.entry(table).or_insert(hold).merge(hold);
        if self.of(table.node).count() > HELD_OF_ONE_MAX && !injected(Fault::AllStartsHeld) {
            // Its tabs run out at the next tick, as if they had been held for their time.
            let oldest = self.of(table.node).next().expect("there are several");
            self.held.entry(oldest).and_modify(|hold| hold.until = Mono::default());
        }
    }

    /// The tables of one node that are held and have not run out, the oldest first.
    pub(super) fn of(&self, node: NodeHash) -> impl Iterator<Item = TableKey> {
        let first = TableKey { node, incarnation: Incarnation::NONE };
        let last = TableKey { node, incarnation: Incarnation::MAX };
        self.held.range(first..=last).filter(|(_, hold)| hold.until > Mono::default()).map(|(table, _)| *table)
    }

    /// Remembers that a table has run out. Of many the one that would be forgotten first makes room.
    pub(super) fn ran_out(&mut self, table: TableKey, hold: Hold) {
        self.run_out.insert(table, hold);
        if self.run_out.len() > RUN_OUT_MAX {
            let first = self.run_out.iter().min_by_key(|(_, hold)| hold.until).map(|(table, _)| *table);
            first.map(|first| self.run_out.remove(&first));
        }
    }
}
