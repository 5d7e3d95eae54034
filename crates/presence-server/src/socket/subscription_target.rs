//! What the subscriptions of a session in Action Cable are to.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use presence_cable::HistoryRequest;
use presence_cable::action_cable::{Extras, MessageContent};
use presence_core::{Input, Room, Stream, StreamName, UserId};

use super::history_fetch::FetchedSubscription;
use super::members::JoinedMember;
use crate::hub::Connection;

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

    /// What it is sent besides the content of messages.
    pub(super) fn extras(&self) -> Extras {
        match self {
            Self::Named(named) => named.extras,
            Self::Room(_) | Self::User(_) | Self::Reflex(_) => Extras::None,
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

/// A subscription to a stream by its name.
#[derive(Clone, Debug)]
pub(super) struct NamedStream {
    pub(super) stream: StreamName,
    /// Where its members are; `None`: it can have none.
    pub(super) room: Option<Room>,
    pub(super) content: MessageContent,
    /// What it is sent besides: what its protocol has, or what it has asked for.
    pub(super) extras: Extras,
    pub(super) member: Option<JoinedMember>,
    pub(super) trust: ListenRight,
    /// It was resumed, and is live once its client has said what it knows; else it is sent what came since.
    /// Boxed: few subscriptions wait, and all have room for it.
    pub(super) waits: Option<Box<HistoryRequest>>,
    /// What it missed is being fetched from another node.
    pub(super) fetching: Option<Arc<FetchedSubscription>>,
    /// Whether an answer to a presence command is on its way.
    pub(super) answering: Arc<AtomicBool>,
}

/// How the browser got the right to listen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ListenRight {
    /// The stream is public.
    Public,
    /// The site gave the right: the user may choose their id.
    Site,
}

impl NamedStream {
    fn is_same(&self, other: &Self) -> bool {
        (&self.stream, self.content, self.trust) == (&other.stream, other.content, other.trust)
    }

    /// Ends the presence, if there is one.
    pub(super) fn leave(&mut self, connection: &Connection) -> Option<Input> {
        let JoinedMember { subscription, .. } = self.member.take()?;
        connection.unsubscribe(subscription);
        Some(Input::Resigned { connection: connection.id, subscription })
    }
}
