//! Published messages: what anybody who may sends to all who listen to a stream, in every region. They pass once and
//! are not kept here.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::id::{NodeHash, PublicId, Room, StreamName};
use crate::io::message::Message;
use crate::io::output::Output;
use crate::local::row_key;
use crate::membership::Path;
use crate::node::Node;
use crate::time::Now;
use crate::wire::{Broadcast, Dismissed, Published, Sender};

/// So many numbers of an author's messages are remembered, to know what comes twice: directly and passed on.
const RECENT_MAX: usize = 4_096;

/// The numbers of messages that were taken lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecentNumbers(BTreeSet<u64>);

impl RecentNumbers {
    /// Whether this one is new. One older than all that are remembered is not.
    fn take(&mut self, number: u64) -> bool {
        let full = self.0.len() >= RECENT_MAX;
        if full && self.0.first().is_some_and(|oldest| number < *oldest) {
            return false;
        }
        let fresh = self.0.insert(number);
        if self.0.len() > RECENT_MAX {
            self.0.pop_first();
        }
        fresh
    }
}

impl Node {
    /// Delivers here at once, and sends to all others.
    pub(crate) fn publish(&mut self, message: Message) {
        if message.body.len() > Message::BODY_BYTES_MAX {
            return;
        }
        self.published += 1;
        let said = Published {
            number: self.published,
            stream: message.stream.as_str().to_owned(),
            body: message.body.clone(),
            kept: message.kept,
            whispered: message.whispered,
        };
        self.outputs.push(Output::Deliver { message: Arc::new(message) });
        self.say(&Broadcast::Published(said));
    }

    /// A message of another node, directly or passed on.
    pub(crate) fn heard_published(&mut self, sender: &Sender, said: Published, path: Path, now: Now) {
        let hash = NodeHash::of(&sender.name, self.settings.digest);
        let known = self.peers.get_mut(&hash).filter(|peer| peer.incarnation == sender.incarnation);
        let Some(peer) = known.filter(|_| said.body.len() <= Message::BODY_BYTES_MAX) else { return };
        let fresh = peer.messages.take(said.number);
        self.hear(hash, path, now);
        if let Some(stream) = StreamName::new(&said.stream).filter(|_| fresh) {
            let Published { body, kept, whispered, .. } = said;
            let message = Message { stream, body, kept, whispered, from: None };
            self.outputs.push(Output::Deliver { message: Arc::new(message) });
        }
    }

    /// Makes a user leave a room here, and asks all others to do the same.
    pub(crate) fn dismiss(&mut self, room: &Room, user: PublicId) {
        self.dismiss_here(room, user);
        self.say(&Broadcast::Dismissed(Dismissed { room: room.as_str().to_owned(), user: user.0 }));
    }

    /// Another node was asked to make a user leave.
    pub(crate) fn heard_dismissed(&mut self, sender: &Sender, said: &Dismissed, path: Path, now: Now) {
        let hash = NodeHash::of(&sender.name, self.settings.digest);
        let known = self.peers.get(&hash).is_some_and(|peer| peer.incarnation == sender.incarnation);
        if let Some(room) = Room::new(&said.room).filter(|_| known) {
            self.hear(hash, path, now);
            self.dismiss_here(&room, PublicId(said.user));
        }
    }

    fn dismiss_here(&mut self, room: &Room, public: PublicId) {
        let digest = self.settings.digest;
        let hash = room.hash(digest);
        let known = self.rolls.user(&hash, &public);
        let user = known.or_else(|| self.own.users_of(hash).find(|user| user.public(room, digest) == public));
        let Some(user) = user else { return };
        for (connection, subscription) in self.own.subscriptions_of(&row_key(hash, user)) {
            self.outputs.push(Output::Dismiss { connection, subscription });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_twice_is_taken_once() {
        let mut recent = RecentNumbers::default();
        assert!(recent.take(2));
        assert!(recent.take(1));
        assert!(!recent.take(2));
        assert!((3..=4_096).all(|number| recent.take(number)));
        assert!(recent.take(4_097));
        assert!(!recent.take(1), "forgotten, and older than all that are remembered");
        assert!(!recent.take(4_097));
    }
}
