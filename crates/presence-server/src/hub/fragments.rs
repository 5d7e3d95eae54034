//! Fragments that wait to be drawn on the pages of a stream; folded, or a busy room would queue without end.

use std::sync::Arc;

use presence_cable::morphs;
use presence_core::{Fragment, fold};

use super::audience::{Letter, Waiting};

/// How many flushes may wait behind the one that is being written before they are folded into one.
const WAITING_MAX: usize = 8;

/// What core ordered to be drawn, in order.
#[derive(Debug, Default)]
pub(super) struct Fragments(Vec<Arc<[Fragment]>>);

impl Waiting for Fragments {
    type New = Arc<[Fragment]>;
    type Batch = Vec<Arc<[Fragment]>>;

    fn add(&mut self, new: Self::New) {
        if self.0.len() == WAITING_MAX {
            let folded = folded(&std::mem::take(&mut self.0));
            self.0.push(folded);
        }
        self.0.push(new);
    }

    fn take(&mut self) -> Option<Self::Batch> {
        (!self.0.is_empty()).then(|| std::mem::take(&mut self.0))
    }

    fn seal(batch: Self::Batch) -> Letter {
        let body = match &*batch {
            [fragments] => morphs(fragments),
            several => morphs(&folded(several)),
        };
        Letter::drawing(body.into())
    }
}

fn folded(several: &[Arc<[Fragment]>]) -> Arc<[Fragment]> {
    fold(several.iter().flat_map(|fragments| fragments.iter().cloned()).collect()).into()
}
