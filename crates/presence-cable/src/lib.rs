//! Translates client protocols to and from core's types: Action Cable (plain and extended) with StimulusReflex and
//! CableReady in [`action_cable`], the protocol of embeds in [`presence_v1`].
//!
//! Nothing here decides or carries. What a client sends is parsed by its protocol's module; what the server sends is
//! written by that protocol's [`Encoder`].

pub mod action_cable;
mod encoder;
mod error;
pub mod presence_v1;

pub use encoder::{
    EarlierAnswer, Encoder, HistoryRequest, PingAfter, Position, PresenceEvent, Record, ReplayEnd, same_counts,
};
pub use error::CableError;

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is always JSON")
}
