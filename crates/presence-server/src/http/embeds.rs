//! What the pages of sites show without a socket: an image, a frame, an event stream.

pub(super) mod badge;
pub(super) mod event_stream;
pub(super) mod frame;
mod streamed;
