//! Traced writes on their way to the pages of this node.

use crate::app::fact_kind::FactKind;
use crate::time::Wall;
use crate::trace::TraceContext;

/// Most traced writes that one drawing shows; further ones are counted.
const WRITES_MAX: usize = 64;

/// What one click has written, if its trace is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TracedWrite {
    /// The click in its trace.
    pub context: TraceContext,
    /// What kinds of facts it has written, in order; none where only a later version knows them.
    pub kinds: Vec<FactKind>,
    /// When this node took the first of them, from a visitor or from another node.
    pub taken: Wall,
}

/// The traced writes that are new in a drawing, a bounded list. Few drawings have any.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TracedWrites(Option<Box<TracedList>>);

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct TracedList {
    writes: Vec<TracedWrite>,
    left_out: u64,
}

impl TracedWrites {
    /// Those that are listed.
    pub fn writes(&self) -> &[TracedWrite] {
        self.0.as_ref().map_or(&[], |list| &list.writes)
    }

    /// How many are not listed, since they are too many.
    pub fn left_out(&self) -> u64 {
        self.0.as_ref().map_or(0, |list| list.left_out)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds a fact, to the others of its click if there are any.
    pub(crate) fn add(&mut self, write: TracedWrite) {
        let list = self.0.get_or_insert_default();
        if let Some(known) = list.writes.iter_mut().find(|known| known.context == write.context) {
            known.kinds.extend(write.kinds);
            known.kinds.sort_unstable();
            known.kinds.dedup();
            known.taken = known.taken.min(write.taken);
        } else if list.writes.len() < WRITES_MAX {
            list.writes.push(write);
        } else {
            list.left_out += 1;
        }
    }

    /// Adds those of a newer drawing.
    pub(crate) fn absorb(&mut self, newer: Self) {
        let Some(newer) = newer.0 else { return };
        newer.writes.into_iter().for_each(|write| self.add(write));
        self.0.get_or_insert_default().left_out += newer.left_out;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(click: u8, kind: FactKind, at_ms: u64) -> TracedWrite {
        let context = TraceContext::new([1; 16], [click; 8], true).expect("two ids");
        TracedWrite { context, kinds: vec![kind], taken: Wall(at_ms) }
    }

    #[test]
    fn the_facts_of_one_click_are_one_write_and_a_list_is_bounded() {
        let mut writes = TracedWrites::default();
        assert!(writes.is_empty());
        let (log, counter) = (write(1, FactKind::Log, 30), write(1, FactKind::Counter, 20));
        for fact in [&counter, &log, &log] {
            writes.add(fact.clone());
        }
        let both = TracedWrite { kinds: vec![FactKind::Log, FactKind::Counter], ..counter };
        assert_eq!((writes.writes(), writes.left_out()), (&[both][..], 0));
        let mut newer = TracedWrites::default();
        (2..=200).for_each(|click| newer.add(write(click, FactKind::Set, 40)));
        assert_eq!((newer.writes().len(), newer.left_out()), (WRITES_MAX, 135));
        writes.absorb(newer);
        assert_eq!((writes.writes().len(), writes.left_out()), (WRITES_MAX, 136));
    }
}
