//! A click, as the browser sent it, and what an app answers.

use std::fmt;

/// A click as the browser sent it: untrusted input.
///
/// ```
/// use presence_core::{ReflexCall, Refusal};
///
/// /// The choice that was clicked, if there is one of that name.
/// fn choice(call: &ReflexCall) -> Result<&'static str, Refusal> {
///     let said = call.attrs.get("data-choice").map(String::as_str);
///     ["tea", "coffee"].into_iter().find(|choice| Some(*choice) == said).ok_or(Refusal::Unknown)
/// }
///
/// let call = |said: &str| ReflexCall {
///     target: "Poll#vote".to_owned(),
///     attrs: [("data-choice".to_owned(), said.to_owned())].into(),
///     ..ReflexCall::default()
/// };
/// assert_eq!(choice(&call("tea")), Ok("tea"));
/// assert_eq!(choice(&call("<script>")), Err(Refusal::Unknown));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReflexCall {
    /// `Lightbulb#toggle`, without the optional `Reflex` of `LightbulbReflex#toggle`.
    pub target: String,
    /// The element's attributes as text (`aria-pressed`, `data-colour`, ...), data attributes included.
    pub attrs: std::collections::BTreeMap<String, String>,
    /// What the translator needs to write the answer; it is returned unchanged.
    pub echo: String,
}

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
    /// The app refuses it, for this reason: a sentence for the developer of the page.
    Because(String),
}

/// A fact that a reflex writes. It carries a value, never "flip".
///
/// ```
/// use presence_core::Write;
///
/// const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// let one_for_all = Write::Set { key: "lamp", value: b"on".to_vec(), lasts_ms: Some(DAY_MS) };
/// let newest_nine = Write::Append { key: "wall", value: b"hi".to_vec(), cap: 9, lasts_ms: None };
/// let of_this_user_while_here = Write::Share { key: "cursor", value: b"120 80".to_vec() };
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Sets a register.
    Set {
        /// Which register of the room: 1 to 64 bytes.
        key: &'static str,
        /// At most 4 KiB.
        value: Vec<u8>,
        /// How long it stays after its stamp, in ms; `None`: 30 days.
        lasts_ms: Option<u64>,
    },
    /// Adds an entry to a log.
    Append {
        /// Which log of the room: 1 to 64 bytes.
        key: &'static str,
        /// At most 4 KiB.
        value: Vec<u8>,
        /// How many entries the log keeps: the newest ones, at most 1,000.
        cap: u16,
        /// How long it stays after its stamp, in ms; `None`: 30 days.
        lasts_ms: Option<u64>,
    },
    /// Shows a value to the others for as long as the user who clicked is in the room: a cursor, an item that they hold. It
    /// is never stored. The newest value is shown; at most 20 a second are sent for each user, the last one always.
    Share {
        /// The value's name: 1 to 64 bytes. A user may have at most 4 in each room.
        key: &'static str,
        /// At most 256 bytes; an empty value ends it.
        value: Vec<u8>,
    },
}

/// Why a reflex can't be carried out.
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
    /// A value is too long.
    ValueTooLong {
        /// How many bytes it may have.
        bytes_max: usize,
    },
    /// The room would have too many keys, or the node too many facts.
    TooManyFacts {
        /// How many there may be.
        most: usize,
    },
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

impl fmt::Display for ReflexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { target } => write!(f, "There is no reflex {target}."),
            Self::Failed => f.write_str("The app failed at this click. The node's log says why."),
            Self::Refused(why) => f.write_str(why),
            Self::ValueTooLong { bytes_max } => write!(f, "A value may have at most {bytes_max} bytes."),
            Self::TooManyFacts { most } => write!(f, "At most {most} facts can be kept here."),
            Self::ShareTooLong { bytes_max, key_bytes_max } => {
                write!(f, "A shared value may have at most {bytes_max} bytes, and its key {key_bytes_max}.")
            }
            Self::NotShared { keys_max } => {
                write!(f, "Only users in the room may share values, and each at most {keys_max}.")
            }
        }
    }
}
