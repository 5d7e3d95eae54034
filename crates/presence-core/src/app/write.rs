//! What a reflex writes: values of five kinds that outlive the visit, and values that users share while they are here.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::app::fact_kind::FactKind;
use crate::app::reflex::Refusal;

/// A fact that a reflex writes. It carries a value, never "flip". All writes of one click are carried out, or none.
///
/// Names have 1 to 64 bytes and no control characters. The name of a map has at most 62 bytes together with the key of each
/// of its entries, the name of a counter or a set at most 30. One value has at most 4 KiB.
///
/// ```
/// use std::time::Duration;
///
/// use presence_core::{Refusal, Write};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Bid {
///     cents: u64,
/// }
///
/// fn bid(cents: u64, closes_ms: u64) -> Result<Vec<Write>, Refusal> {
///     Ok(vec![
///         Write::set("bid", &Bid { cents })?.until_ms(closes_ms),
///         Write::append("bids", &cents, 100)?.lasting(Duration::from_secs(86_400)),
///         Write::put("lots", "teapot", &"open")?,
///         Write::add("bids so far", 1),
///         Write::join("bidders"),
///         Write::remove("draft"),
///     ])
/// }
/// assert_eq!(bid(500, 1_800_000_000_000).unwrap().len(), 6);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Sets a register: one value, the last one that was written.
    Set {
        /// Which register of the room.
        key: Cow<'static, str>,
        /// Its value.
        value: Vec<u8>,
        /// How long it stays.
        lasts: Lifetime,
    },
    /// Adds an entry to a log.
    Append {
        /// Which log of the room.
        log: Cow<'static, str>,
        /// The entry.
        value: Vec<u8>,
        /// How many entries the log keeps: the newest ones, at most 1,000.
        cap: u16,
        /// How long the entry stays.
        lasts: Lifetime,
    },
    /// Sets an entry of a map. Of two values for one entry the last one that was written stays.
    Put {
        /// Which map of the room.
        map: Cow<'static, str>,
        /// The entry's key. A view lists entries in the order of their keys.
        entry: Cow<'static, str>,
        /// Its value.
        value: Vec<u8>,
        /// How long the entry stays.
        lasts: Lifetime,
    },
    /// Adds to a counter. No increment is lost or counted twice, whatever happens between regions.
    Add {
        /// Which counter of the room.
        counter: Cow<'static, str>,
        /// How much; less than 0 to subtract.
        amount: i64,
    },
    /// Puts the user who clicked into a set. A user is in it once, however often they click.
    Join {
        /// Which set of the room.
        set: Cow<'static, str>,
        /// How long they stay in it.
        lasts: Lifetime,
    },
    /// Takes the user who clicked out of a set.
    Leave {
        /// Which set of the room.
        set: Cow<'static, str>,
    },
    /// Removes everything of a name, of whatever kind: a register, a log, a map, a counter, a set. Or one entry of it.
    Remove {
        /// Which name of the room.
        name: Cow<'static, str>,
        /// Only this: the key of a map's entry, the [`Entry::id`](crate::Entry::id) of a log's entry, or the public id of a
        /// user in a set.
        entry: Option<Cow<'static, str>>,
    },
    /// Asks every region to tell when its pages show what this click writes, or have none to show it: see
    /// [`RoomView::receipts`](crate::RoomView::receipts). It writes nothing itself, and counters have no receipts.
    Receipts,
    /// Shows a value to the others for as long as the user who clicked is in the room: a cursor, an item that they hold. It
    /// is never stored. The newest value is shown; at most 20 a second are sent for each user, the last one always.
    Share {
        /// The value's name: 1 to 64 bytes. A user may have at most 4 in each room.
        key: Cow<'static, str>,
        /// At most 256 bytes; an empty value ends it.
        value: Vec<u8>,
    },
}

/// How long a fact stays.
///
/// ```
/// use presence_core::{Lifetime, Write};
///
/// assert_eq!(Write::join("likes"), Write::Join { set: "likes".into(), lasts: Lifetime::Usual });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lifetime {
    /// 30 days after it was written.
    #[default]
    Usual,
    /// This many ms after it was written, at most 400 days.
    For(u64),
    /// Until this moment, ms since 1970, at most 400 days after it was written: a deadline, which is the same in all regions.
    Until(u64),
}

/// A value that can't be written as JSON.
///
/// ```
/// use std::collections::BTreeMap;
///
/// let keys_are_no_text = BTreeMap::from([((1, 2), 3)]);
/// assert!(presence_core::Write::set("board", &keys_are_no_text).is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotJson(String);

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The value can't be written as JSON: {}.", self.0)
    }
}

impl std::error::Error for NotJson {}

impl From<NotJson> for Refusal {
    fn from(error: NotJson) -> Self {
        Self::Because(error.to_string())
    }
}

impl From<serde_json::Error> for NotJson {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, NotJson> {
    Ok(serde_json::to_vec(value)?)
}

impl Write {
    /// Sets a register to a value, kept as JSON: see [`RoomView::get`](crate::RoomView::get).
    ///
    /// # Errors
    ///
    /// If the value can't be written as JSON.
    pub fn set(key: impl Into<Cow<'static, str>>, value: &impl Serialize) -> Result<Self, NotJson> {
        Ok(Self::set_bytes(key, json(value)?))
    }

    /// Adds an entry to a log, kept as JSON. `cap` is how many entries the log keeps, at most 1,000.
    ///
    /// # Errors
    ///
    /// If the value can't be written as JSON.
    pub fn append(log: impl Into<Cow<'static, str>>, value: &impl Serialize, cap: u16) -> Result<Self, NotJson> {
        Ok(Self::append_bytes(log, json(value)?, cap))
    }

    /// Sets an entry of a map to a value, kept as JSON: see [`RoomView::map`](crate::RoomView::map).
    ///
    /// # Errors
    ///
    /// If the value can't be written as JSON.
    pub fn put(
        map: impl Into<Cow<'static, str>>,
        entry: impl Into<Cow<'static, str>>,
        value: &impl Serialize,
    ) -> Result<Self, NotJson> {
        Ok(Self::put_bytes(map, entry, json(value)?))
    }

    /// Sets a register to these bytes.
    pub fn set_bytes(key: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        Self::Set { key: key.into(), value: value.into(), lasts: Lifetime::Usual }
    }

    /// Adds these bytes to a log.
    pub fn append_bytes(log: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>, cap: u16) -> Self {
        Self::Append { log: log.into(), value: value.into(), cap, lasts: Lifetime::Usual }
    }

    /// Sets an entry of a map to these bytes.
    pub fn put_bytes(
        map: impl Into<Cow<'static, str>>,
        entry: impl Into<Cow<'static, str>>,
        value: impl Into<Vec<u8>>,
    ) -> Self {
        Self::Put { map: map.into(), entry: entry.into(), value: value.into(), lasts: Lifetime::Usual }
    }

    /// Adds to a counter.
    pub fn add(counter: impl Into<Cow<'static, str>>, amount: i64) -> Self {
        Self::Add { counter: counter.into(), amount }
    }

    /// Puts the user who clicked into a set.
    pub fn join(set: impl Into<Cow<'static, str>>) -> Self {
        Self::Join { set: set.into(), lasts: Lifetime::Usual }
    }

    /// Takes the user who clicked out of a set.
    pub fn leave(set: impl Into<Cow<'static, str>>) -> Self {
        Self::Leave { set: set.into() }
    }

    /// Removes everything of a name, of whatever kind.
    pub fn remove(name: impl Into<Cow<'static, str>>) -> Self {
        Self::Remove { name: name.into(), entry: None }
    }

    /// Removes one entry of a map or a log, or one user of a set.
    pub fn remove_entry(name: impl Into<Cow<'static, str>>, entry: impl Into<Cow<'static, str>>) -> Self {
        Self::Remove { name: name.into(), entry: Some(entry.into()) }
    }

    /// Shows a value to the others for as long as the user who clicked is in the room.
    pub fn share(key: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        Self::Share { key: key.into(), value: value.into() }
    }

    /// The same write, which stays for this long. Counters, removals and shared values have no time: they are unchanged.
    #[must_use]
    pub fn lasting(self, time: Duration) -> Self {
        self.with(Lifetime::For(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The same write, which stays until this moment: ms since 1970. A register is then drawn as
    /// [`Change::Expired`](crate::Change::Expired), in all regions. Counters, removals and shared values have no time: they
    /// are unchanged.
    #[must_use]
    pub fn until_ms(self, ms: u64) -> Self {
        self.with(Lifetime::Until(ms))
    }

    /// What kind of fact it writes; `None` where it removes facts, or writes none.
    pub fn fact_kind(&self) -> Option<FactKind> {
        match self {
            Self::Set { .. } => Some(FactKind::Register),
            Self::Append { .. } => Some(FactKind::Log),
            Self::Put { .. } => Some(FactKind::Map),
            Self::Add { .. } => Some(FactKind::Counter),
            Self::Join { .. } | Self::Leave { .. } => Some(FactKind::Set),
            Self::Remove { .. } | Self::Share { .. } | Self::Receipts => None,
        }
    }

    fn with(mut self, lifetime: Lifetime) -> Self {
        match &mut self {
            Self::Set { lasts, .. }
            | Self::Append { lasts, .. }
            | Self::Put { lasts, .. }
            | Self::Join { lasts, .. } => {
                *lasts = lifetime;
            }
            Self::Add { .. } | Self::Leave { .. } | Self::Remove { .. } | Self::Share { .. } | Self::Receipts => {}
        }
        self
    }
}
