//! How a connection takes part in a room; without it an image in a frame would count like a page that is read.

/// One connection's membership of a room, as its subscription says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tab {
    /// Display data of the member, kept with the row; at most 1 KiB, else left out.
    pub info: Vec<u8>,
    /// Its page is visible.
    pub visible: bool,
    /// Pongs prove that the browser is there.
    pub proven: bool,
    /// The app draws its page. Where it does not, counts are read from views.
    pub draws: bool,
}

impl Tab {
    /// A page that the app draws, over a WebSocket.
    pub const fn page() -> Self {
        Self { info: Vec::new(), visible: true, proven: true, draws: true }
    }
}
