//! Whose socket it is.

use presence_core::UserId;

use crate::identity::{Guest, SignedNames};

/// The user of a socket.
#[derive(Clone, Copy)]
pub(in super::super) enum SocketUser {
    /// None yet. The first signed name with a guest in it decides, else it is this guest.
    Undecided(Guest),
    /// From now on this one.
    Known(UserId),
}

impl SocketUser {
    /// The user of a cookie, else the guest of an earlier session, else a new guest.
    pub(super) fn new(cookie: Option<UserId>, guest: Option<Guest>) -> Self {
        cookie.map_or_else(|| Self::Undecided(guest.unwrap_or_else(Guest::random)), Self::Known)
    }

    pub(super) fn known(self) -> Option<UserId> {
        match self {
            Self::Known(user) => Some(user),
            Self::Undecided(_) => None,
        }
    }

    /// The guest that it would be.
    pub(super) fn undecided(&self) -> Option<&Guest> {
        match self {
            Self::Undecided(guest) => Some(guest),
            Self::Known(_) => None,
        }
    }

    /// The same, unless it is undecided and this says who it is.
    pub(super) fn or(self, user: Option<UserId>) -> Self {
        self.known().or(user).map_or(self, Self::Known)
    }

    /// Decides.
    pub(super) fn decide(&mut self, names: &SignedNames) -> UserId {
        let user = match self {
            Self::Known(user) => *user,
            Self::Undecided(guest) => names.guest(guest),
        };
        *self = Self::Known(user);
        user
    }
}
