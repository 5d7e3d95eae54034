//! Fragments that wait to be drawn on the pages of a stream; folded, or a busy room would queue without end.

use std::sync::Arc;

use bytes::Bytes;
use presence_cable::Encoder;
use presence_core::{Fragment, fold};

use super::SOCKETS_PER_TURN;
use super::audience::FlushQueue;
use super::flush::Flush;

/// How many drawings may wait behind the flush that is being written before they are folded into one.
const WAITING_MAX: usize = 8;

/// What core ordered to be drawn, in order.
#[derive(Debug, Default)]
pub(super) struct FragmentQueue {
    waiting: Vec<Arc<[Fragment]>>,
    /// The ordinal of the last of them.
    ordinal: u64,
    /// How many drawings they were before some of them were folded.
    drawings: usize,
}

/// Fragments that are drawn together.
#[derive(Debug)]
pub(super) struct QueuedDrawing {
    pub(super) fragments: Arc<[Fragment]>,
    /// Its place among all drawings that were sent.
    pub(super) ordinal: u64,
}

impl FlushQueue for FragmentQueue {
    type Item = QueuedDrawing;
    type Batch = Vec<Arc<[Fragment]>>;
    /// Those who draw do nothing else, and are kept from other rooms for one turn.
    const AT_ONCE_MAX: usize = SOCKETS_PER_TURN;

    fn push(&mut self, drawing: QueuedDrawing) {
        if self.waiting.len() == WAITING_MAX {
            let folded = folded(&std::mem::take(&mut self.waiting));
            self.waiting.push(folded);
        }
        self.waiting.push(drawing.fragments);
        self.drawings += 1;
        self.ordinal = drawing.ordinal;
    }

    fn take(&mut self) -> Option<Flush<Self::Batch>> {
        let folded = std::mem::take(&mut self.drawings).checked_sub(1)?;
        Some(Flush { folded, ..Flush::drawing(std::mem::take(&mut self.waiting), self.ordinal) })
    }

    fn encode(batch: &Self::Batch, encoder: &dyn Encoder) -> Vec<Bytes> {
        let body = match &**batch {
            [fragments] => encoder.fragments(fragments),
            several => encoder.fragments(&folded(several)),
        };
        body.map(Bytes::from).into_iter().collect()
    }
}

fn folded(several: &[Arc<[Fragment]>]) -> Arc<[Fragment]> {
    fold(several.iter().flat_map(|fragments| fragments.iter().cloned()).collect()).into()
}
