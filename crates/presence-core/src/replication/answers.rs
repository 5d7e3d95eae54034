//! Answers to requests for rows, of this node's table or of a replica.

use crate::identity::Identity;
use crate::membership::Membership;
use crate::presence::Presence;
use crate::presence::table_rows::TableRows;
use crate::replication::Replication;
use crate::time::Mono;
use crate::wire::{PAGE_BYTES, RowsAnswer, RowsRequest};

/// About how many bytes a removed row takes on the wire.
const REMOVAL_BYTES: usize = 70;

impl Replication {
    /// Answers a request for rows. The sequence is that of this node's own table.
    pub(crate) fn answer(
        &self,
        me: &Identity,
        request: RowsRequest,
        own_sequence: u64,
        presence: &Presence,
        membership: &Membership,
        now: Mono,
    ) -> RowsAnswer {
        let table = request.table;
        let unknown = RowsAnswer { unknown: true, ..RowsAnswer::default() };
        if membership.has_run_out(table) {
            return RowsAnswer { held_ms: Some(0), crashed: membership.has_crashed(table), ..RowsAnswer::default() };
        }
        let own = table == me.table();
        let replica = self.replicas.get(&table);
        let contiguous_upto = match replica {
            _ if own => own_sequence,
            // What it took above a gap has replaced what the table held at the gap: an answer could not equal the table as it was
            // at any number.
            Some(replica) if replica.is_ahead() && !membership.is_held(table) => return unknown,
            Some(replica) if replica.known || membership.is_held(table) => replica.contiguous_upto,
            _ => return unknown,
        };
        let Some(rows) = presence.table(table) else { return unknown };
        let upto = request.upto.min(contiguous_upto);
        let all = !request.page && (request.after == 0 || !rows.knows_removals_after(request.after));
        let after = if all { 0 } else { request.after };
        let own_end = membership.own_tabs_held_until().filter(|_| own);
        let held_ms = own_end.or_else(|| membership.held_until(table)).map(|until| until.since(now));
        let mut answer = RowsAnswer {
            all,
            upto,
            held_ms,
            ends: own_end.map(|_| contiguous_upto).or_else(|| replica.and_then(|replica| replica.ends)),
            region: Some(rows.region().clone()),
            crashed: membership.has_crashed(table),
            ..RowsAnswer::default()
        };
        // No delta will bring what is known of a node that has left but numbered above a gap.
        let mut end = if held_ms.is_some() { request.upto } else { upto };
        if !request.page {
            answer.cuts = cuts(rows, after, end);
            end = answer.cuts.first().copied().unwrap_or(end);
        }
        answer.rows = rows.changed(after, end).collect();
        // Where all rows are named, what is not named below `upto` is gone.
        answer.removed = rows.removals(if all { upto.min(end) } else { after }, end).collect();
        answer
    }
}

/// Where pages of about the allowed size end; the last one at `upto`.
fn cuts(rows: TableRows<'_>, after: u64, upto: u64) -> Vec<u64> {
    let mut removals = rows.removals(after, upto).map(|removed| removed.number).peekable();
    let (mut cuts, mut bytes) = (Vec::new(), 0);
    let mut add = |number: u64, size: usize| {
        bytes += size;
        if bytes > PAGE_BYTES {
            cuts.push(number);
            bytes = 0;
        }
    };
    for (number, size) in rows.sizes(after, upto) {
        while let Some(removal) = removals.next_if(|removal| *removal < number) {
            add(removal, REMOVAL_BYTES);
        }
        add(number, size);
    }
    removals.for_each(|removal| add(removal, REMOVAL_BYTES));
    if cuts.last() != Some(&upto) {
        cuts.push(upto);
    }
    cuts
}
