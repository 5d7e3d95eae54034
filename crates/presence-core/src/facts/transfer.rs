//! Facts that an operator takes out of a node, and brings into one: each as its author has written it, so that the last
//! writer wins as between nodes, and bringing in the same facts twice changes nothing.

use crate::facts::Facts;
use crate::facts::fact::{FactKey, read};
use crate::facts::removal::listed_fact;
use crate::io::query::{ExportCursor, ExportedFact, ExportedFacts, ImportResult};
use crate::outputs::Outputs;
use crate::presence::row::TableKey;
use crate::time::NodeClock;

/// A page ends with the key that reaches this many facts or bytes; each key has 2,000 entries at most.
const PAGE_FACTS: usize = 1_000;
const PAGE_RECORD_BYTES: usize = 1 << 20;

impl Facts {
    /// All facts behind this place, those that were removed included, up to the end of a page.
    pub(crate) fn export(&self, after: Option<&ExportCursor>) -> ExportedFacts {
        let mut exported = ExportedFacts::default();
        let mut bytes = 0;
        let mut last: Option<&FactKey> = None;
        for (key, stored) in self.store.starting_at(after.map(|after| (&after.room, after.key.as_str()))) {
            if after.is_some_and(|after| (&after.room, &after.key) == (&key.room, &key.key)) {
                continue;
            }
            let goes_on = last.is_some_and(|last| (&last.room, &last.key) == (&key.room, &key.key));
            if let Some(last) = last
                && !goes_on
                && (exported.facts.len() >= PAGE_FACTS || bytes >= PAGE_RECORD_BYTES)
            {
                exported.next = Some(ExportCursor { room: last.room.clone(), key: last.key.clone() });
                break;
            }
            last = Some(key);
            bytes += stored.bytes.len();
            exported.facts.push(ExportedFact {
                room: key.room.clone(),
                listed: listed_fact(key, stored),
                removed: stored.fact.is_removed(),
                record: stored.bytes.clone(),
            });
        }
        exported
    }

    /// Takes records as from another node, whoever wrote them. What is new reaches the other nodes when they compare. `own` is
    /// this start of this node.
    pub(crate) fn import(
        &mut self,
        own: TableKey,
        records: &[Vec<u8>],
        clock: NodeClock,
        out: &mut Outputs,
    ) -> Vec<ImportResult> {
        records.iter().map(|record| self.import_one(own, record, clock, out)).collect()
    }

    fn import_one(&mut self, own: TableKey, record: &[u8], clock: NodeClock, out: &mut Outputs) -> ImportResult {
        let Some((key, fact)) = read(record) else { return ImportResult::Malformed };
        if fact.expires <= clock.time {
            return ImportResult::Expired;
        }
        if fact.stamp.time > clock.limit {
            return ImportResult::TooFarAhead;
        }
        if self.keeps_later_value(own, record, clock, out) || self.take(record, clock, out) {
            return ImportResult::Taken;
        }
        let known = self.store.get(&key).is_some_and(|known| known.fact.stamp >= fact.stamp);
        // What a full log displaces at once is older than all that it holds.
        let displaced = key.entry.is_some() && self.store.has_room(1, record.len());
        if known || displaced { ImportResult::Known } else { ImportResult::Full }
    }
}
