//! A slab: many small things of one kind, each found by a number of 32 bits. Without it every index would hold keys.

use std::ops::{Index, IndexMut};

/// Where a thing is kept.
pub(crate) type Slot = u32;

/// How many things are allocated at a time: growing copies nothing, however many there are, and wastes little.
const CHUNK: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<T>>,
    /// Slots whose thing was taken out: the next ones that are filled.
    free: Vec<Slot>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new() }
    }
}

impl<T: Default> Slab<T> {
    /// Keeps a thing.
    pub(crate) fn insert(&mut self, thing: T) -> Slot {
        if let Some(slot) = self.free.pop() {
            self[slot] = thing;
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let last = self.chunks.len() - 1;
        self.chunks[last].push(thing);
        Slot::try_from(last * CHUNK + self.chunks[last].len() - 1).expect("rows are bounded far below 2^32")
    }

    /// Takes a thing out.
    pub(crate) fn remove(&mut self, slot: Slot) -> T {
        self.free.push(slot);
        std::mem::take(&mut self[slot])
    }
}

fn place(slot: Slot) -> (usize, usize) {
    let index = usize::try_from(slot).expect("32 bits");
    (index / CHUNK, index % CHUNK)
}

impl<T> Index<Slot> for Slab<T> {
    type Output = T;

    fn index(&self, slot: Slot) -> &T {
        let (chunk, at) = place(slot);
        &self.chunks[chunk][at]
    }
}

impl<T> IndexMut<Slot> for Slab<T> {
    fn index_mut(&mut self, slot: Slot) -> &mut T {
        let (chunk, at) = place(slot);
        &mut self.chunks[chunk][at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out_makes_room_and_moves_nothing() {
        let mut slab = Slab::default();
        let slots: Vec<Slot> = (0..3_000_u32).map(|number| slab.insert(number)).collect();
        assert_eq!(slab.remove(slots[7]), 7);
        assert_eq!(slab.insert(9_999), slots[7]);
        assert_eq!((slab[slots[7]], slab[slots[2_999]]), (9_999, 2_999));
    }
}
