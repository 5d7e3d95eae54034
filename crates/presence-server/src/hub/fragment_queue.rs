//! FragmentQueue that wait to be drawn on the pages of a stream; folded, or a busy room would queue without end.

use std::sync::Arc;

use presence_cable::morphs;
use presence_core::{Fragment, fold};

use super::audience::{Flush, FlushQueue};

/// Delivery many flushes may wait behind the one that is being written before they are folded into one.
const WAITING_MAX: usize = 8;

/// What core ordered to be drawn, in order.
#[derive(Debug, Default)]
pub(super) struct FragmentQueue {
    waiting: Vec<Arc<[Fragment]>>,
    /// The place of the last of them among all that was ordered.
    ordinal: u64,
}

impl FlushQueue for FragmentQueue {
    type New = (Arc<[Fragment]>, u64);
    type Batch = (Vec<Arc<[Fragment]>>, u64);

    fn add(&mut self, (new, ordinal): Self::New) {
        if self.waiting.len() == WAITING_MAX {
            let folded = folded(&std::mem::take(&mut self.waiting));
            self.waiting.push(folded);
        }
        self.waiting.push(new);
        self.ordinal = ordinal;
    }

    fn take(&mut self) -> Option<Self::Batch> {
        (!self.waiting.is_empty()).then(|| (std::mem::take(&mut self.waiting), self.ordinal))
    }

    fn encode((waiting, ordinal): Self::Batch) -> Flush {
        let body = match &*waiting {
            [fragments] => morphs(fragments),
            several => morphs(&folded(several)),
        };
        Flush::drawing(body.into(), ordinal)
    }
}

fn folded(several: &[Arc<[Fragment]>]) -> Arc<[Fragment]> {
    fold(several.iter().flat_map(|fragments| fragments.iter().cloned()).collect()).into()
}
