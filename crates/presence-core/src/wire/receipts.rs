//! Which regions have shown a write: what each node tells the node that took it, and what that one tells all.

use minicbor::{Decode, Encode};

use crate::id::Region;
use crate::time::Stamp;

/// Writes that the sender has shown, for the node that took them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct ReceiptBundle {
    #[n(0)]
    pub(crate) receipts: Vec<SentReceipt>,
}

/// One write that the sender has shown.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct SentReceipt {
    #[n(0)]
    pub(crate) room: String,
    #[n(1)]
    pub(crate) key: String,
    #[n(2)]
    pub(crate) stamp: Stamp,
    /// From when the sender had it until its pages did.
    #[n(3)]
    pub(crate) held_ms: u64,
    /// Pages of the sender show the room.
    #[n(4)]
    pub(crate) seen: bool,
}

/// What the sender knows of writes that it took.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct ReceiptReport {
    #[n(0)]
    pub(crate) writes: Vec<ReportedWrite>,
}

/// The regions that have shown a write.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct ReportedWrite {
    #[n(0)]
    pub(crate) room: String,
    #[n(1)]
    pub(crate) key: String,
    #[n(2)]
    pub(crate) stamp: Stamp,
    #[n(3)]
    pub(crate) regions: Vec<ReportedRegion>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct ReportedRegion {
    #[n(0)]
    pub(crate) region: Region,
    #[n(1)]
    pub(crate) after_ms: u32,
    #[n(2)]
    pub(crate) seen: bool,
}
