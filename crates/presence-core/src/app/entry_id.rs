//! The name of an entry of a log.

use std::fmt;

use minicbor::{Decode, Encode};

use crate::id::NodeHash;
use crate::time::Incarnation;

/// Names an entry of a log for good: stamping it again replaces it.
///
/// ```
/// use presence_core::EntryId;
///
/// let text = "00000000000000ff-1800000000000-7";
/// assert_eq!(EntryId::parse(text).map(|entry| entry.to_string()).as_deref(), Some(text));
/// assert_eq!(EntryId::parse("7"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
pub struct EntryId {
    #[n(0)]
    pub(crate) node: NodeHash,
    #[n(1)]
    pub(crate) incarnation: Incarnation,
    #[n(2)]
    pub(crate) count: u64,
}

impl EntryId {
    /// Reads what `Display` writes: node, incarnation and number.
    pub fn parse(text: &str) -> Option<Self> {
        let [node, incarnation, count] = text.splitn(3, '-').collect::<Vec<_>>().try_into().ok()?;
        let node = NodeHash(u64::from_str_radix(node, 16).ok()?);
        Some(Self { node, incarnation: Incarnation::parse(incarnation)?, count: count.parse().ok()? })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.node, self.incarnation, self.count)
    }
}
