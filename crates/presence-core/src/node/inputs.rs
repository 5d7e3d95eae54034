//! What can happen to a node, carried to the parts that it concerns.

use crate::app::change::Change;
use crate::app::drawing::Viewers;
use crate::id::{ConnectionId, Room, SubscriptionKey};
use crate::io::entry_id::EntryId;
use crate::io::output::Output;
use crate::io::query::{Found, Query};
use crate::io::{Ended, Input};
use crate::local::subscriptions::SubscribedTo;
use crate::node::Node;
use crate::pubsub;
use crate::time::Now;

impl Node {
    /// Takes one input.
    pub(super) fn take(&mut self, input: Input, now: Now) {
        let at = |connection, subscription| SubscriptionKey { connection, subscription };
        match input {
            Input::Ticked => self.tick(now),
            Input::Joined { connection, subscription, room, user, tab } => {
                let (key, at) = (self.row_key(&room, user), at(connection, subscription));
                if tab.draws {
                    self.render.show(&room, at, now.mono);
                } else {
                    self.render.open(&room, now.mono);
                }
                self.local.joined(at, &room, key, tab, &mut self.presence, now);
            }
            Input::Looked { connection, subscription, visible } => {
                self.local.looked(at(connection, subscription), visible, &mut self.presence, now.mono);
            }
            Input::Listened { connection, subscription, room, user } => {
                let (key, at) = (self.row_key(&room, user), at(connection, subscription));
                self.render.show_user(&room, user, at, now.mono);
                self.local.listened(at, room, key);
            }
            Input::Refreshed { connection, subscription } => self.show_again(at(connection, subscription), now),
            Input::Unsubscribed { connection, subscription } => {
                self.end(at(connection, subscription), Ended::Closed, now);
            }
            Input::Resigned { connection, subscription } => {
                self.end(at(connection, subscription), Ended::Resigned, now);
            }
            Input::Disconnected { connection, ended } => {
                self.local.disconnected(connection, ended, &mut self.presence, now.mono);
            }
            Input::Served { room, user } => {
                self.local.served(self.row_key(&room, user), now.mono);
                self.render.open(&room, now.mono);
            }
            Input::Clicked { connection, subscription, room, user, echo, writes } => {
                let outcome = self.clicked(&room, user, writes, now);
                self.out.push(Output::Answer { connection, subscription, echo, outcome });
            }
            Input::Ponged { connection, round_trip_ms } => self.ponged(connection, round_trip_ms),
            Input::Published { message } => self.pubsub.publish(self.me.table(), message, &mut self.out),
            Input::Dismissed { room, user } => {
                self.dismiss(&room, user);
                pubsub::send_dismissal(&room, user, &mut self.out);
            }
            Input::Queried { query, what } => self.queried(query, what, now),
            Input::FactRemoved { query, room, key, entry } => {
                let removed = self.remove_fact(&room, &key, entry, now);
                self.out.push(Output::Found { query, found: Found::Removed(removed) });
            }
            Input::Resolved { addresses } => self.discovery.resolved(addresses, now.mono),
            Input::Readdressed { advertised } => self.discovery.readdressed(advertised, now.mono, &mut self.out),
            Input::Dialled { address, result } => {
                self.discovery.dialled(&self.me, address, result, &self.membership, now.mono, &mut self.out);
            }
            Input::LinkLost { link } => self.discovery.link_lost(link, &self.membership, now.mono, &mut self.out),
            Input::Received { link, bytes } => self.received(link, &bytes, now),
            Input::Asked { question, from, bytes } => self.asked(question, from, &bytes, now),
            Input::Answered { question, bytes } => self.answered(question, bytes.as_deref(), now),
            Input::MessagesRead { question, messages } => self.messages_read(question, messages),
            Input::Drained => self.drain(now),
            Input::Emptied => self.membership.emptied(self.last_numbers(), now.mono, &mut self.out),
        }
        self.settle_peers();
    }

    fn queried(&mut self, query: u64, what: Query, now: Now) {
        let found = match what {
            Query::Messages { stream, age_ms } => {
                self.pubsub.begin_fetch(query, stream, age_ms, now.mono, &mut self.out);
                return self.advance_fetches(now);
            }
            Query::Members { room, after, most, region } => {
                Found::Members(self.presence.members_of(&room, after, most, region.as_ref(), now.mono))
            }
            Query::Busiest { prefix, most } => Found::Busiest(self.presence.busiest(&prefix, most)),
            Query::Below(subtree) => Found::Below(self.presence.below(&subtree, now.mono)),
            Query::Facts { room, after } => Found::Facts(self.facts.list(&room, after.as_deref())),
        };
        self.out.push(Output::Found { query, found });
    }

    fn show_again(&mut self, at: SubscriptionKey, now: Now) {
        match self.local.subscribed_to(at) {
            Some(SubscribedTo::Room(room, ..)) => self.render.show(room, at, now.mono),
            Some(SubscribedTo::User(room, key)) => self.render.show_user(room, key.user, at, now.mono),
            None => {}
        }
    }

    fn remove_fact(&mut self, room: &Room, key: &str, entry: Option<EntryId>, now: Now) -> usize {
        self.facts.remove(&self.me, room, key, entry, self.membership.clock(now), &mut self.out)
    }

    fn end(&mut self, at: SubscriptionKey, ended: Ended, now: Now) {
        self.local.unsubscribed(at, ended, &mut self.presence, now.mono);
    }

    fn ponged(&mut self, connection: ConnectionId, round_trip_ms: u32) {
        let Some((subscription, room)) = self.local.user_stream(connection) else { return };
        let to = Viewers::Subscription { connection, subscription, whole: false };
        let drawing = self.render.drawing(room, to, vec![Change::RoundTrip { ms: round_trip_ms }]);
        drawing.into_iter().for_each(|drawing| self.out.push(Output::Draw(drawing)));
    }
}
