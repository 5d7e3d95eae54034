//! What the key of a subscription stands for, and why it may be refused.

use presence_cable::action_cable::{Channel, renamed};
use presence_core::{PageRequest, Room, Route};

use super::super::subscription_target::SubscriptionTarget;
use super::ActionCableSession;
use crate::config::Limits;
use crate::identity::{OpenedName, SignedInPage, StreamKind, sha256};
use crate::sites::{PageAddress, normalised};

/// Subscriptions per room that a page needs: the room's stream, the user's stream, the reflex channel.
const SUBSCRIPTIONS_PER_ROOM: usize = 3;
/// Subscriptions of a socket to one stream in one channel, each with a key of its own: a page may have several elements for
/// it, and every one is sent all.
const SAME_STREAM_MAX: usize = 3;
/// Longest key of a subscription in bytes: the longest signed name fits.
const IDENTIFIER_BYTES_MAX: usize = 10_240;
/// What a key may have besides the stream's name, in bytes: parameters that are ignored, but kept.
const PARAMETERS_BYTES_MAX: usize = 1_024;
/// What a subscription takes besides its prefix and the name in it, in all tables together, with a stream that no other
/// socket listens to.
const SUBSCRIPTION_BYTES: usize = 704;
/// What all subscriptions of a socket may take for each room that it may be in, besides the longest key.
const SUBSCRIPTIONS_BYTES_PER_ROOM: usize = 1_024;

/// What all subscriptions of a socket may take.
pub(in super::super) fn subscriptions_bytes_max(limits: &Limits) -> usize {
    limits.rooms_per_socket.saturating_mul(SUBSCRIPTIONS_BYTES_PER_ROOM).saturating_add(IDENTIFIER_BYTES_MAX)
}

impl ActionCableSession {
    /// What a subscription with this key would be to, or why it may not be.
    pub(super) fn target(&mut self, key: &str) -> Result<SubscriptionTarget, String> {
        let limits = &self.session.hub.limits;
        if key.len() > IDENTIFIER_BYTES_MAX {
            return Err("its key is too long".to_owned());
        }
        if self.session.subscriptions.len() >= limits.rooms_per_socket.saturating_mul(SUBSCRIPTIONS_PER_ROOM) {
            return Err("the socket has too many subscriptions".to_owned());
        }
        let channel = Channel::parse(key).map_err(|error| error.to_string())?;
        if key.len().saturating_sub(channel.name().len()) > PARAMETERS_BYTES_MAX {
            return Err(format!("its parameters are longer than {PARAMETERS_BYTES_MAX} bytes"));
        }
        let (Channel::Stream { name: signed } | Channel::Reflex { room: signed }) = &channel else {
            return self.named(&channel).map(|named| SubscriptionTarget::Named(Box::new(named)));
        };
        let name = self.context.names.open(signed).ok_or("its name is not signed by us")?;
        self.check_right(&name)?;
        let target = match (name.stream, &channel) {
            (StreamKind::User(_), Channel::Reflex { .. }) => return Err("clicks need a room".to_owned()),
            (StreamKind::Room(room), Channel::Reflex { .. }) => SubscriptionTarget::Reflex(room),
            (StreamKind::Room(room), _) if self.is_full_for(&room) => {
                return Err(format!("the socket is already in {} rooms", limits.rooms_per_socket));
            }
            (StreamKind::Room(room), _) => SubscriptionTarget::Room(room),
            (StreamKind::User(room), _) => SubscriptionTarget::User(room),
        };
        self.user = self.user.or(name.guest);
        Ok(target)
    }

    /// The message that tells a page of the name that takes the place of this one, if that was signed with a secret that will be
    /// dropped.
    pub(super) fn renewal(&self, key: &str, target: &SubscriptionTarget) -> Option<String> {
        let (SubscriptionTarget::Room(_) | SubscriptionTarget::User(_)) = target else { return None };
        let Ok(Channel::Stream { name }) = Channel::parse(key) else { return None };
        let renewed = self.context.names.renewed(&name)?;
        Some(renamed(&name, &renewed))
    }

    /// Refuses a room's page that was served to another user who had signed in, or whose route the app has closed to this one
    /// since.
    fn check_right(&self, name: &OpenedName) -> Result<(), String> {
        let Some(SignedInPage { user, address }) = &name.page else { return Ok(()) };
        let (StreamKind::Room(room) | StreamKind::User(room)) = &name.stream;
        let signed = self.signed.as_deref();
        let same = self.user.known().is_some_and(|known| known.public(room, sha256).long() == *user);
        if signed.is_none() || !same {
            return Err("its page was served to a user who had signed in, and this is another one".to_owned());
        }
        let PageAddress { path, query } = PageAddress::of(address);
        let request = PageRequest { site: &self.context.site, path, query: &query, headers: &[], signed };
        let open = match self.context.app.route(&request) {
            Ok(Route::Page(open)) => normalised(open),
            _ => None,
        };
        if open.as_ref() == Some(room) { Ok(()) } else { Err("its user may no longer see the page".to_owned()) }
    }

    /// Refuses what the socket listens to already, with several keys, and what would take too much memory.
    pub(super) fn check_new(&self, prefix: &str, target: SubscriptionTarget) -> Result<SubscriptionTarget, String> {
        let known = &self.session.subscriptions;
        if known.iter().filter(|known| known.to.is_same(&target)).count() >= SAME_STREAM_MAX {
            return Err(format!("the socket already listens to this stream with {SAME_STREAM_MAX} keys"));
        }
        let bytes = |prefix: &str, to: &SubscriptionTarget| SUBSCRIPTION_BYTES + prefix.len() + to.name().len();
        let bytes =
            bytes(prefix, &target) + known.iter().map(|known| bytes(known.prefix.as_str(), &known.to)).sum::<usize>();
        if bytes > subscriptions_bytes_max(&self.session.hub.limits) {
            return Err("the socket's subscriptions take too many bytes".to_owned());
        }
        Ok(target)
    }

    /// Whether the socket is in as many rooms as it may be, this one not among them.
    pub(super) fn is_full_for(&self, room: &Room) -> bool {
        let rooms = self.session.subscriptions.iter().filter_map(|known| match &known.to {
            SubscriptionTarget::Room(known) => Some(known.as_str()),
            SubscriptionTarget::Named(named) => named.member.as_ref().map(|_| named.stream.as_str()),
            SubscriptionTarget::User(_) | SubscriptionTarget::Reflex(_) => None,
        });
        let rooms: std::collections::BTreeSet<_> = rooms.collect();
        rooms.len() >= self.session.hub.limits.rooms_per_socket && !rooms.contains(room.as_str())
    }
}
