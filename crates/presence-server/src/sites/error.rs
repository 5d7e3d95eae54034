//! Why a visitor may not be in a room.

use std::fmt;

use axum::http::StatusCode;
use presence_core::Room;

use crate::problem::Problem;

/// Why a visitor may not be in a room, or is not counted there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum RoomError {
    NameTooLong,
    /// The room of the server's own page.
    Reserved,
    /// The room is private, and there is no token.
    TokenMissing,
    TokenInvalid(TokenError),
    TokenExpired,
    /// The token is for another room.
    TokenForOtherRoom {
        token: String,
        room: Room,
    },
    /// The site has as many rooms as it may.
    TooManyRooms {
        max: usize,
    },
    /// The visitor's address is in as many of the site's rooms as one address may.
    RoomsOfAddress {
        share: usize,
    },
    /// More joins of the visitor's address wait than can be counted soon.
    JoinsOfAddress {
        per_second: u32,
    },
    /// The room counts as many users of the visitor's address as it may.
    UsersOfAddress {
        share: usize,
    },
    /// More joins wait than can be counted soon.
    TooManyJoins {
        per_second: u32,
    },
    /// The room counts as many users as it may.
    Full {
        max: usize,
    },
}

/// What is wrong with a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TokenError {
    NotAToken,
    NotSignedByThisSite,
    NotSignedByAnySite,
    NotBase64,
    NotJson,
    UserLength,
    InfoLength,
    InfoNotJson,
    ExpNotSeconds,
}

/// Why a visitor may not be in a room, or is not counted there, as metrics say it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RoomRefusal {
    Name,
    Token,
    RoomsPerSite,
    RoomsPerAddress,
    JoinsPerSite,
    JoinsPerAddress,
    UsersPerRoom,
    UsersPerAddress,
}

impl RoomRefusal {
    /// In the order of their numbers.
    pub(crate) const ALL: [Self; 8] = [
        Self::Name,
        Self::Token,
        Self::RoomsPerSite,
        Self::RoomsPerAddress,
        Self::JoinsPerSite,
        Self::JoinsPerAddress,
        Self::UsersPerRoom,
        Self::UsersPerAddress,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Token => "token",
            Self::RoomsPerSite => "rooms_per_site",
            Self::RoomsPerAddress => "rooms_per_address",
            Self::JoinsPerSite => "joins_per_site",
            Self::JoinsPerAddress => "joins_per_address",
            Self::UsersPerRoom => "users_per_room",
            Self::UsersPerAddress => "users_per_address",
        }
    }
}

impl RoomError {
    pub(crate) fn refusal(&self) -> RoomRefusal {
        match self {
            Self::NameTooLong | Self::Reserved => RoomRefusal::Name,
            Self::TokenMissing | Self::TokenInvalid(_) | Self::TokenExpired | Self::TokenForOtherRoom { .. } => {
                RoomRefusal::Token
            }
            Self::TooManyRooms { .. } => RoomRefusal::RoomsPerSite,
            Self::RoomsOfAddress { .. } => RoomRefusal::RoomsPerAddress,
            Self::TooManyJoins { .. } => RoomRefusal::JoinsPerSite,
            Self::JoinsOfAddress { .. } => RoomRefusal::JoinsPerAddress,
            Self::Full { .. } => RoomRefusal::UsersPerRoom,
            Self::UsersOfAddress { .. } => RoomRefusal::UsersPerAddress,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NameTooLong => StatusCode::BAD_REQUEST,
            Self::Reserved
            | Self::TokenMissing
            | Self::TokenInvalid(_)
            | Self::TokenExpired
            | Self::TokenForOtherRoom { .. } => StatusCode::FORBIDDEN,
            Self::TooManyRooms { .. }
            | Self::TooManyJoins { .. }
            | Self::Full { .. }
            | Self::RoomsOfAddress { .. }
            | Self::JoinsOfAddress { .. }
            | Self::UsersOfAddress { .. } => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl fmt::Display for RoomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTooLong => {
                write!(f, "A room's name has at most {} bytes, its host included.", Room::NAME_BYTES_MAX)
            }
            Self::Reserved => f.write_str("This room belongs to the server's own page."),
            Self::TokenMissing => f.write_str("This room is private: send a token that its site has signed."),
            Self::TokenInvalid(error) => error.fmt(f),
            Self::TokenExpired => f.write_str("This token has expired: request a new one from the site."),
            Self::TokenForOtherRoom { token, room } => {
                write!(f, "This token is for the room {token:?}, not for {:?}.", room.as_str())
            }
            Self::TooManyRooms { max } => {
                write!(f, "The pages of this site are already in {max} rooms, the limit for one site.")
            }
            Self::RoomsOfAddress { share } => {
                write!(f, "Your network is already in {share} rooms of this site, the limit for one network.")
            }
            Self::JoinsOfAddress { per_second } => {
                write!(
                    f,
                    "More than {per_second} visitors a second from your network join this site's rooms. Try again later."
                )
            }
            Self::UsersOfAddress { share } => {
                write!(
                    f,
                    "This room counts {share} users of your network, which is its limit for one: you see its numbers without \
                     being counted."
                )
            }
            Self::TooManyJoins { per_second } => {
                write!(f, "More than {per_second} visitors a second join this site's rooms. Try again later.")
            }
            Self::Full { max } => {
                write!(
                    f,
                    "This room counts {max} users, which is its limit: you see its numbers without being counted."
                )
            }
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAToken => "This is not a token: one has two parts, with a dot between them.",
            Self::NotSignedByThisSite => "This token was not signed with the site's key.",
            Self::NotSignedByAnySite => "This token was not signed with the key of a site.",
            Self::NotBase64 => "The first part of this token is not Base64.",
            Self::NotJson => "This token is not JSON with a room and exp, in seconds since 1970.",
            Self::UserLength => "A token's user has 1 to 256 bytes.",
            Self::InfoLength => "A token's info has at most 1,024 bytes of JSON.",
            Self::InfoNotJson => "A token's info is JSON.",
            Self::ExpNotSeconds => {
                "A token's exp is in seconds since 1970, not in milliseconds, and at most 100 years away."
            }
        })
    }
}

impl From<TokenError> for RoomError {
    fn from(error: TokenError) -> Self {
        Self::TokenInvalid(error)
    }
}

impl From<RoomError> for Problem {
    fn from(error: RoomError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}
