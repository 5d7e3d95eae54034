//! Why a socket ended: the log's field, the metric's label, the close code and what core is told.

use presence_core::Ended;

/// Why a socket ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum CloseReason {
    /// The browser said goodbye.
    Closed,
    /// The connection broke without a close frame.
    Lost,
    /// Our ping was not answered in time.
    Unanswered,
    /// The browser took nothing of what waited for it.
    Stalled,
    /// The browser took so little that even what must not be dropped found no room.
    Overflowed,
    /// Bytes against the WebSocket protocol.
    Protocol,
    /// Text that is not UTF-8.
    Text,
    /// Binary data.
    Binary,
    /// A message that is too long.
    Size,
    /// The browser goes on with its session, or its tab, on another socket: it noticed before us that this one was cut.
    Resumed,
    /// This node drains.
    Drained,
}

impl CloseReason {
    /// All reasons, in the order of their numbers.
    pub(crate) const ALL: [Self; 11] = [
        Self::Closed,
        Self::Lost,
        Self::Unanswered,
        Self::Stalled,
        Self::Overflowed,
        Self::Protocol,
        Self::Text,
        Self::Binary,
        Self::Size,
        Self::Resumed,
        Self::Drained,
    ];

    /// The word in logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Lost => "lost",
            Self::Unanswered => "unanswered",
            Self::Stalled => "stalled",
            Self::Overflowed => "overflowed",
            Self::Protocol => "protocol",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Size => "size",
            Self::Resumed => "resumed",
            Self::Drained => "drained",
        }
    }

    /// The code of the close frame that says so; `None` if the browser would not read it.
    pub(crate) fn code(self) -> Option<u16> {
        match self {
            Self::Closed => Some(1000),
            Self::Drained => Some(1001),
            Self::Protocol => Some(1002),
            Self::Binary => Some(1003),
            Self::Text => Some(1007),
            Self::Size => Some(1009),
            Self::Lost | Self::Unanswered | Self::Stalled | Self::Overflowed | Self::Resumed => None,
        }
    }

    /// How long the tab still counts. The client of a socket that we closed comes back, as after a loss.
    pub(crate) fn ended(self) -> Ended {
        match self {
            Self::Closed | Self::Resumed => Ended::Closed,
            Self::Unanswered | Self::Stalled => Ended::Unanswered,
            Self::Lost | Self::Overflowed | Self::Protocol | Self::Text | Self::Binary | Self::Size | Self::Drained => {
                Ended::Lost
            }
        }
    }
}
