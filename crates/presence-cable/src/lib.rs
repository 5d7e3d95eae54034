//! Translates: Action Cable (plain and extended), StimulusReflex, CableReady and `presence-v1` JSON to and from core's
//! words.
//!
//! Nothing here decides or carries. A browser's frame becomes a [`Command`]; what a subscription asks for becomes a
//! [`Channel`]; a click becomes core's `ReflexCall`. Core's fragments and outcomes become *bodies*, the second half of
//! a message frame: the first half is the [`Identifier`] of the subscription it goes to, so that a body is encoded
//! once for everybody.

mod command;
mod embed;
mod error;
mod extended;
mod identifier;
mod message;
mod reflex;

pub use command::{Command, HistoryRequest, Position, Present};
pub use embed::{
    EMBED_PING, EmbedIdentity, EmbedSaid, PROTOCOL_EMBED, embed_counts, embed_error, embed_left, embed_room,
    embed_welcome, same_counts,
};
pub use error::CableError;
pub use extended::{
    PRESENCE_ERROR, PROTOCOL_EXTENDED, Record, arrived, left, positioned, present, published, restored, welcome,
};
pub use identifier::{Channel, Identifier};
pub use message::{CABLE_READY_VERSION, PROTOCOL, PROTOCOL_UNSUPPORTED, WELCOME, disconnect, morphs, ping};
pub use reflex::{Answer, answer, reflex_call};
