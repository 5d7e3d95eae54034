//! What an app answers to a click, and why it may write nothing.

use std::fmt;

/// How a reflex ended, for its sender only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was carried out; its result is drawn like any other change (`morph-nothing`).
    Done,
    /// The socket sent too many messages (`morph-halted`).
    Halted,
    /// It can't be carried out, for this reason (`morph-error`).
    Failed(ReflexError),
}

/// Why a reflex writes nothing.
///
/// ```
/// # use presence_core::Refusal;
/// let refusal = Refusal::Because("The poll has ended.".to_owned());
/// # assert_ne!(refusal, Refusal::Unknown);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No reflex has that name.
    Unknown,
    /// The app refuses it, for this reason: a sentence for the visitor. Their page shows it where it has an element with
    /// `data-presence-error`, and gets it with the event `stimulus-reflex:error`.
    Because(String),
}

/// Why a reflex can't be carried out: a sentence for the visitor, and a code for scripts.
///
/// ```
/// let error = presence_core::ReflexError::ValueTooLong { bytes_max: 4_096 };
/// assert_eq!((error.to_string().as_str(), error.code()), ("A value may have at most 4096 bytes.", "value_too_long"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReflexError {
    /// No reflex has that name.
    Unknown {
        /// The name.
        target: String,
    },
    /// The app failed; the log says why.
    Failed,
    /// The app refused it, for this reason.
    Refused(String),
    /// Its form has too many values.
    FormTooLong {
        /// How many there may be.
        fields_max: usize,
    },
    /// A value is too long.
    ValueTooLong {
        /// How many bytes it may have.
        bytes_max: usize,
    },
    /// A name is empty, too long or has a control character.
    BadName {
        /// How many bytes it may have.
        bytes_max: usize,
    },
    /// The room would have too many registers, logs, counters, sets and entries of maps.
    RoomFull {
        /// How many there may be.
        most: usize,
    },
    /// A set would have too many users.
    SetFull {
        /// How many there may be.
        most: usize,
    },
    /// The node would have too many facts.
    NodeFull {
        /// How many there may be.
        most: usize,
    },
    /// The writes of one click have too many bytes together.
    TooMuch {
        /// How many there may be.
        bytes_max: usize,
    },
    /// A value was to stay until a moment that is over.
    Over,
    /// What was added to a counter counts, but is lost if this node is killed now: neither a disk nor another node has it.
    Unconfirmed,
    /// A shared value or its key is too long.
    ShareTooLong {
        /// How many bytes it may have.
        bytes_max: usize,
        /// How many bytes its key may have.
        key_bytes_max: usize,
    },
    /// The user is not in the room, or shares under too many keys.
    NotShared {
        /// How many keys there may be.
        keys_max: usize,
    },
}

impl ReflexError {
    /// A word for it that programs can compare: what the event on the page has as `code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown",
            Self::Failed => "failed",
            Self::Refused(_) => "refused",
            Self::FormTooLong { .. } => "form_too_long",
            Self::ValueTooLong { .. } => "value_too_long",
            Self::BadName { .. } => "bad_name",
            Self::RoomFull { .. } => "room_full",
            Self::SetFull { .. } => "set_full",
            Self::NodeFull { .. } => "node_full",
            Self::TooMuch { .. } => "too_much",
            Self::Over => "over",
            Self::Unconfirmed => "unconfirmed",
            Self::ShareTooLong { .. } => "share_too_long",
            Self::NotShared { .. } => "not_shared",
        }
    }
}

impl fmt::Display for ReflexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { target } => write!(f, "There is no reflex {target}."),
            Self::Failed => f.write_str("The app failed at this click. The node's log says why."),
            Self::Refused(why) => f.write_str(why),
            Self::FormTooLong { fields_max } => write!(f, "A form may have at most {fields_max} values."),
            Self::ValueTooLong { bytes_max } => write!(f, "A value may have at most {bytes_max} bytes."),
            Self::BadName { bytes_max } => {
                write!(f, "A name here has 1 to {bytes_max} bytes and no control characters.")
            }
            Self::RoomFull { most } => write!(f, "A room has at most {most} facts (--facts-per-room)."),
            Self::SetFull { most } => write!(f, "A set has at most {most} users (--users-per-set)."),
            Self::NodeFull { most } => write!(f, "A node keeps at most {most} facts."),
            Self::TooMuch { bytes_max } => {
                write!(f, "The writes of one click have at most {bytes_max} bytes together.")
            }
            Self::Unconfirmed => f.write_str("It is counted, but is lost if this node is killed now."),
            Self::Over => f.write_str("The value was to stay until a moment that is over."),
            Self::ShareTooLong { bytes_max, key_bytes_max } => {
                write!(f, "A shared value may have at most {bytes_max} bytes, and its key {key_bytes_max}.")
            }
            Self::NotShared { keys_max } => {
                write!(f, "Only users in the room may share values, and each at most {keys_max}.")
            }
        }
    }
}
