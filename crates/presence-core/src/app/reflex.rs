//! A click as it comes, and what an app makes of it.

use std::fmt;

/// A click as the browser sent it: untrusted input.
///
/// ```
/// use presence_core::{ReflexCall, Refusal};
///
/// /// The choice that was clicked, where there is such a one.
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
    /// Handed back untouched with the answer: what the translator needs to write it.
    pub echo: String,
}

/// How a reflex ended, for its sender only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was carried out; changes draw what came of it (`morph-nothing`).
    Done,
    /// Too fast, or not now (`morph-halted`).
    Halted,
    /// It can't be carried out, and why (`morph-error`).
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
    /// Refused for this reason, a sentence for the developer of the page.
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
        /// How long it stays after its stamp, in ms; 30 days unless said.
        lasts_ms: Option<u64>,
    },
    /// Adds an entry to a log.
    Append {
        /// Which log of the room: 1 to 64 bytes.
        key: &'static str,
        /// At most 4 KiB.
        value: Vec<u8>,
        /// How many entries the log keeps, the newest.
        cap: u16,
        /// How long it stays after its stamp, in ms; 30 days unless said.
        lasts_ms: Option<u64>,
    },
    /// Shows something of the user who clicked for as long as they are in the room: a cursor, what they hold. Never
    /// stored; the newest one counts; at most 20 a second of each user are shown, the last one always.
    Share {
        /// Under which name: 1 to 64 bytes, at most 4 of them for each user and room.
        key: &'static str,
        /// At most 256 bytes; empty: nothing any more.
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
    /// The app could not say what it means: its own log has the reason.
    Failed,
    /// The app refused it for this reason.
    Refused(String),
    /// A value is too long.
    ValueTooLong {
        /// What it may have.
        bytes_max: usize,
    },
    /// The room would hold too many facts.
    TooManyFacts {
        /// How many it may hold.
        most: usize,
    },
    /// What is shared, or its key, is too long.
    ShareTooLong {
        /// What it may have.
        bytes_max: usize,
        /// What its key may have.
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
            Self::Failed => f.write_str("The app failed at this click. Its operator finds the reason in the log."),
            Self::Refused(why) => f.write_str(why),
            Self::ValueTooLong { bytes_max } => write!(f, "A value may have {bytes_max} bytes at most."),
            Self::TooManyFacts { most } => write!(f, "A room may hold {most} facts at most."),
            Self::ShareTooLong { bytes_max, key_bytes_max } => {
                write!(f, "What is shared may have {bytes_max} bytes at most, and its key {key_bytes_max}.")
            }
            Self::NotShared { keys_max } => {
                write!(f, "Only a user who is present in the room may share, and under at most {keys_max} keys.")
            }
        }
    }
}
