//! What this node's users show the others: told at most every 50 ms, the last change always.

use std::collections::BTreeSet;

use crate::local::LocalVisitors;
use crate::presence::Presence;
use crate::presence::row::{RowKey, Share};
use crate::time::Mono;

/// What a user shows changes at most this often for the others; the last change always arrives.
const SHARE_GAP_MS: u64 = 50;
/// Most keys under which one user shows something in one room.
pub(crate) const SHARES_MAX: usize = 4;

impl LocalVisitors {
    /// Whether a user may show the others something under these keys, too.
    pub(crate) fn may_share<'a>(&'a self, key: &RowKey, more: impl Iterator<Item = &'a str>) -> bool {
        let Some(row) = self.rows.get(key).filter(|_| !self.drained) else { return false };
        let shown = row.rare().shared.iter().map(|share| share.key.as_str());
        shown.chain(more).collect::<BTreeSet<&str>>().len() <= SHARES_MAX
    }

    /// A user shows the others something else under this key; empty: nothing. Whether they may.
    pub(crate) fn share(&mut self, key: RowKey, share: Share, presence: &mut Presence, now: Mono) -> bool {
        let Some(row) = self.rows.get_mut(&key).filter(|_| !self.drained) else { return false };
        let known = row.rare().shared.iter().position(|known| known.key == share.key);
        if known.is_none() && share.value.is_empty() {
            return true;
        }
        let rare = row.rare_mut();
        match known {
            Some(at) if share.value.is_empty() => drop(rare.shared.remove(at)),
            Some(at) => rare.shared[at] = share,
            None if rare.shared.len() < SHARES_MAX => rare.shared.push(share),
            None => return false,
        }
        self.unshared.insert((rare.shared_at + SHARE_GAP_MS, key));
        self.say_shared(presence, now);
        true
    }

    /// When the others may next be told what is shown now.
    pub(crate) fn share_due(&self) -> Option<Mono> {
        self.unshared.first().map(|(due, _)| *due)
    }

    pub(super) fn say_shared(&mut self, presence: &mut Presence, now: Mono) {
        while let Some(&(due, key)) = self.unshared.first().filter(|(due, _)| *due <= now) {
            self.unshared.remove(&(due, key));
            if let Some(row) = self.rows.get_mut(&key).filter(|_| !self.drained) {
                row.rare_mut().shared_at = now;
                self.write(key, presence, now);
            }
        }
    }
}
