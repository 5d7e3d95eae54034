//! How a connection takes part in a room; without it an image in a frame would count like a page that is read.

use crate::id::{Room, TabId};

/// One connection's membership of a room, as its subscription says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tab {
    /// Which tab it is, if its page has said so: what another node still has open of it no longer counts, and is closed.
    pub id: Option<TabId>,
    /// Display data of the member, kept with the row; at most 1 KiB, else left out.
    pub info: Vec<u8>,
    /// Its page is visible.
    pub visible: bool,
    /// Pongs prove that the browser is there.
    pub proven: bool,
    /// The app draws its page. Where it does not, counts are read from views.
    pub draws: bool,
    /// The rooms that [`App::related`](crate::App::related) names for the room; `None` leaves those that are known.
    pub related: Option<Vec<Room>>,
}

impl Tab {
    /// A page that the app draws, over a WebSocket.
    pub const fn page() -> Self {
        Self { id: None, info: Vec::new(), visible: true, proven: true, draws: true, related: None }
    }
}
