//! What the subscriptions of a session in Action Cable are to.

use presence_core::{Room, Stream, UserId};

use super::pubsub::NamedStream;

/// What a subscription is to.
#[derive(Clone, Debug)]
pub(super) enum SubscriptionTarget {
    /// The room's stream: the socket is in the room.
    Room(Room),
    /// The stream of the socket's user there.
    User(Room),
    /// Clicks on the room's page.
    Reflex(Room),
    /// What is published under a name.
    Named(Box<NamedStream>),
}

impl SubscriptionTarget {
    pub(super) fn room_mut(&mut self) -> Option<&mut Room> {
        match self {
            Self::Room(room) | Self::User(room) | Self::Reflex(room) => Some(room),
            Self::Named(_) => None,
        }
    }

    pub(super) fn room(&self) -> Option<&Room> {
        match self {
            Self::Room(room) | Self::User(room) | Self::Reflex(room) => Some(room),
            Self::Named(_) => None,
        }
    }

    /// The name of the room or stream.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Room(room) | Self::User(room) | Self::Reflex(room) => room.as_str(),
            Self::Named(named) => named.stream.as_str(),
        }
    }

    /// Whether a subscription to the other would be sent the same, in the same way.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Room(one), Self::Room(other))
            | (Self::User(one), Self::User(other))
            | (Self::Reflex(one), Self::Reflex(other)) => one == other,
            (Self::Named(one), Self::Named(other)) => one.is_same(other),
            _ => false,
        }
    }

    /// The stream of the page's changes that it listens to.
    pub(super) fn page(&self, user: UserId) -> Option<Stream> {
        match self {
            Self::Room(room) => Some(Stream::Room(room.clone())),
            Self::User(room) => Some(Stream::User(room.clone(), user)),
            Self::Reflex(_) | Self::Named(_) => None,
        }
    }
}
