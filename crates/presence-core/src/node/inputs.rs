//! What can happen to a node, carried to the parts that it concerns.

use crate::app::change::Change;
use crate::app::drawing::Viewers;
use crate::id::{ConnectionId, NodeHash, Room, SubscriptionKey, UserId};
use crate::io::output::{ClickAnswer, Output};
use crate::io::query::{Found, Query};
use crate::io::tab::Tab;
use crate::io::{Ended, Input};
use crate::local::subscriptions::SubscribedTo;
use crate::node::{Node, TICK_MS};
use crate::pubsub;
use crate::time::{Mono, Now};

impl Node {
    /// Takes one input.
    pub(super) fn take(&mut self, input: Input, now: Now) {
        let at = |connection, subscription| SubscriptionKey { connection, subscription };
        match input {
            Input::Ticked => self.tick(now),
            Input::Joined { connection, subscription, room, user, tab } => {
                self.joined(at(connection, subscription), &room, user, tab, now);
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
            Input::Clicked { connection, subscription, room, user, echo, writes, trace } => {
                let (outcome, counted) = self.clicked(&room, user, writes, trace.as_ref(), now);
                self.answer(ClickAnswer { connection, subscription, echo }, outcome, counted);
            }
            Input::Drawn { room, version } => self.receipts.shown(&self.me, &room, version, true, now.mono),
            Input::OwnChanged { room } => self.render.own_changed(&room, now.mono),
            Input::OwnDrawn { room } => self.render.own_drawn(&room, now.mono),
            Input::Shared { room, user, key, value } => self.shared(&room, user, key, value, now),
            Input::Ponged { connection, round_trip_ms } => self.ponged(connection, round_trip_ms),
            Input::Published { message } => self.pubsub.publish(self.me.table(), message, &mut self.out),
            Input::StatusTold { body } => pubsub::send_status(body, &mut self.out),
            Input::Dismissed { room, user } => {
                self.dismiss(&room, user);
                pubsub::send_dismissal(&room, user, &mut self.out);
            }
            Input::Queried { query, what } => self.queried(query, what, now),
            Input::FactRemoved { query, room, key, entry, trace } => {
                let removed = self.remove_fact(&room, &key, entry.as_deref(), trace.as_ref(), now);
                self.out.push(Output::Found { query, found: Found::Removed(removed) });
            }
            Input::FactsImported { query, records } => self.import_facts(query, &records, now),
            Input::FactsWritten { query, room, writes } => self.write_facts(query, &room, writes, now),
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

    fn joined(&mut self, at: SubscriptionKey, room: &Room, user: UserId, tab: Tab, now: Now) {
        if tab.draws {
            self.render.show(room, at, now.mono);
            if let Some(others) = &tab.related {
                self.render.relate(room, others.clone(), now.mono);
            }
        } else {
            self.render.open(room, now.mono);
        }
        let key = self.row_key(room, user);
        self.local.joined(at, room, key, tab, &mut self.presence, now);
        self.ask_about_moves(now);
    }

    /// The next tick comes within 200 ms.
    pub(super) fn ticked(&mut self, now: Mono) {
        (self.ticked_at, self.tick_due) = (now, now + TICK_MS);
        self.membership.ticked(now);
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
            Query::AllFacts { after } => Found::AllFacts(self.facts.export(after.as_ref())),
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

    fn end(&mut self, at: SubscriptionKey, ended: Ended, now: Now) {
        self.local.unsubscribed(at, ended, &mut self.presence, now.mono);
    }

    /// What was compared with another node says nothing of another start of it.
    pub(super) fn forget_exchanges(&mut self, node: NodeHash) {
        self.facts.forget_peer(node);
        self.pubsub.forget_peer(node);
    }

    fn ponged(&mut self, connection: ConnectionId, round_trip_ms: u32) {
        let Some((subscription, room)) = self.local.user_stream(connection) else { return };
        let to = Viewers::Subscription { connection, subscription, whole: false };
        let drawing = self.render.drawing(room, to, vec![Change::RoundTrip { ms: round_trip_ms }]);
        drawing.into_iter().for_each(|drawing| self.out.push(Output::Draw(drawing)));
    }
}
