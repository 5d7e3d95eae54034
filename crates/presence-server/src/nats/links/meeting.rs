//! How starts of nodes find each other, and how one is known to be over.

use std::sync::Arc;
use std::time::Instant;

use presence_core::Input;

use super::{CONFIRM, HERE, LEAVES, NatsLinks};
use crate::nats::seal::{Lane, OpenedSeal, SealHeader, StartId};
use crate::nats::starts::Verdict;
use crate::nats::subjects::SubjectParts;

impl NatsLinks {
    /// A connection was opened.
    pub(in crate::nats) fn opened(&self) {
        self.state.lock().opened_at = Some(Instant::now());
        self.greet();
    }

    /// Tells the other nodes that this one is there.
    pub(super) fn greet(&self) {
        self.state.lock().greeted_at = Some(Instant::now());
        self.send(Lane::Messages, self.subjects.greeting(), None, HERE, &[]);
    }

    pub(super) fn greeted(self: &Arc<Self>, parts: SubjectParts<'_>, header: SealHeader, opened: &OpenedSeal) {
        match (self.judge(header, opened.sent_ms), opened.kind) {
            (Verdict::Unconfirmed, HERE) => self.look_at(header.start),
            (Verdict::News, LEAVES) => {
                tracing::debug!("{} leaves", parts.from);
                self.lost(header.start);
            }
            _ => {}
        }
    }

    /// Asks a start that was heard to confirm itself, unless it was asked a moment ago.
    pub(super) fn look_at(self: &Arc<Self>, start: StartId) {
        let name = self.state.lock().starts.is_to_be_asked(start);
        if let Some(name) = name {
            let links = Arc::clone(self);
            tokio::spawn(async move { links.meet(&name, start).await });
        }
    }

    /// Has a start confirm itself, and tells core where it is. Earlier starts of that node are over unless they answer, too.
    pub(super) async fn meet(&self, name: &str, start: StartId) -> bool {
        if self.request(name, start, CONFIRM, &[]).await.is_none() {
            return false;
        }
        let earlier = self.state.lock().starts.others_of(name, start);
        for other in earlier {
            if self.request(name, other, CONFIRM, &[]).await.is_none() {
                self.lost(other);
            }
        }
        self.tell_addresses();
        true
    }

    /// A start is over: its link is lost.
    pub(super) fn lost(&self, start: StartId) {
        let link = self.state.lock().starts.remove(start);
        if let Some(link) = link {
            tracing::debug!(link.id = link.0, "lost a link");
            self.inbound.deliver(Input::LinkLost { link });
        }
    }

    pub(super) fn tell_addresses(&self) {
        let mut state = self.state.lock();
        let addresses = state.starts.addresses();
        if addresses != state.addresses {
            state.addresses.clone_from(&addresses);
            drop(state);
            self.inbound.deliver(Input::Resolved { addresses });
        }
    }
}
