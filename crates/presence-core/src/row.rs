//! A row says what one node knows of one user in one room; a table holds the rows of one node.
//!
//! Only its own node writes a table. Everybody else keeps a copy, in which a row only takes a greater number.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::clock::Stamp;
use crate::id::{Digest, NodeHash, RoomHash, UserId};

/// One start of one node: whose table it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub(crate) struct TableKey {
    #[n(0)]
    pub(crate) node: NodeHash,
    #[n(1)]
    pub(crate) incarnation: u64,
}

/// What a row is about. With [`NOBODY`] as user it is the row that holds the room's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub(crate) struct RowKey {
    #[n(0)]
    pub(crate) room: RoomHash,
    #[n(1)]
    pub(crate) user: UserId,
}

/// The user of the rows that hold rooms' names: no hash is all zeros.
pub(crate) const NOBODY: UserId = UserId([0; 32]);

/// Tabs that a new connection has taken the place of, on another node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Took {
    /// Whose.
    #[n(0)]
    pub(crate) table: TableKey,
    /// How many.
    #[n(1)]
    pub(crate) tabs: u32,
    /// The number of the row there that showed them. Who only knows an older row can't see yet that they linger.
    #[n(2)]
    pub(crate) seen: u64,
}

/// Something that a user shows the others for as long as they are there.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Share {
    #[n(0)]
    pub(crate) key: String,
    /// A user who is on two nodes shows what is newer.
    #[n(1)]
    pub(crate) stamp: Stamp,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) value: Vec<u8>,
}

/// Absolute values: taking a row twice changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Row {
    #[n(0)]
    pub(crate) key: RowKey,
    /// Of its last change, in its node's sequence; 0 while no delta has named it.
    #[n(1)]
    pub(crate) number: u64,
    /// Open connections.
    #[n(2)]
    pub(crate) open: u32,
    /// Closed ones that still count.
    #[n(3)]
    pub(crate) lingering: u32,
    #[n(4)]
    pub(crate) took: Vec<Took>,
    /// Connections, lingering ones included, whose page is visible.
    #[n(5)]
    pub(crate) visible: u32,
    /// When the user joined: ms since 1970 by the node's clock.
    #[n(6)]
    pub(crate) since_ms: u64,
    /// Display data; the room's name in a name's row.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub(crate) info: Vec<u8>,
    /// Only in the build that stands for a later version: what older ones must skip.
    #[cfg(feature = "later-version")]
    #[n(8)]
    pub(crate) later: Option<u64>,
    /// Connections, lingering ones included, that no pong proves to be alive.
    #[cbor(n(9), default)]
    pub(crate) unproven: u32,
    #[cbor(n(10), default)]
    pub(crate) shared: Vec<Share>,
}

impl Row {
    /// A row without connections.
    pub(crate) fn new(key: RowKey, info: Vec<u8>, since_ms: u64) -> Self {
        Self {
            key,
            number: 0,
            open: 0,
            lingering: 0,
            took: Vec::new(),
            visible: 0,
            since_ms,
            info,
            #[cfg(feature = "later-version")]
            later: Some(7),
            unproven: 0,
            shared: Vec::new(),
        }
    }

    /// About how many bytes it takes on the wire.
    pub(crate) fn size(&self) -> usize {
        let shared: usize = self.shared.iter().map(|share| 48 + share.key.len() + share.value.len()).sum();
        84 + self.info.len() + 32 * self.took.len() + shared
    }
}

/// A row that is no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Removed {
    #[n(0)]
    pub(crate) key: RowKey,
    #[n(1)]
    pub(crate) number: u64,
}

/// The rows of one node, with what answers questions about them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    rows: BTreeMap<RowKey, Row>,
    by_number: BTreeMap<u64, RowKey>,
    /// Removed rows by number, with when they were removed (mono ms).
    removed: BTreeMap<u64, (RowKey, u64)>,
    removed_number: BTreeMap<RowKey, u64>,
    /// Removals numbered at or below this may be missing from `removed`.
    floor: u64,
    root: u128,
}

impl Table {
    pub(crate) fn get(&self, key: &RowKey) -> Option<&Row> {
        self.rows.get(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &RowKey> {
        self.rows.keys()
    }

    /// The number of the newest thing said about this key; 0: nothing.
    pub(crate) fn number(&self, key: &RowKey) -> u64 {
        let row = self.rows.get(key).map_or(0, |row| row.number);
        row.max(self.removed_number.get(key).copied().unwrap_or(0))
    }

    /// Puts a row in the place of the one with its key.
    pub(crate) fn set(&mut self, row: Row, digest: Digest) {
        self.forget(&row.key, digest);
        if row.number > 0 {
            self.by_number.insert(row.number, row.key);
            self.root = self.root.wrapping_add(hash(&row.key, row.number, digest));
        }
        self.rows.insert(row.key, row);
    }

    /// Takes a row off and remembers that, with the number of its removal.
    pub(crate) fn remove(&mut self, removed: Removed, at_ms: u64, digest: Digest) {
        self.forget(&removed.key, digest);
        if removed.number > 0 {
            self.removed.insert(removed.number, (removed.key, at_ms));
            self.removed_number.insert(removed.key, removed.number);
        }
    }

    fn forget(&mut self, key: &RowKey, digest: Digest) {
        if let Some(old) = self.rows.remove(key)
            && old.number > 0
        {
            self.by_number.remove(&old.number);
            self.root = self.root.wrapping_sub(hash(key, old.number, digest));
        }
        if let Some(number) = self.removed_number.remove(key) {
            self.removed.remove(&number);
        }
    }

    /// Forgets removals: all but the newest `most`, and those numbered at most `upto` that are older than `before_ms`.
    pub(crate) fn prune(&mut self, most: usize, upto: u64, before_ms: u64) {
        while let Some((&number, &(key, at_ms))) = self.removed.first_key_value() {
            if self.removed.len() <= most && (number > upto || at_ms >= before_ms) {
                break;
            }
            self.removed.remove(&number);
            self.removed_number.remove(&key);
            self.floor = self.floor.max(number);
        }
    }

    /// Says that removals numbered at or below this may be missing here.
    pub(crate) fn raise_floor(&mut self, number: u64) {
        self.floor = self.floor.max(number);
    }

    /// The wrapping sum of the hashes of key and number, nothing else, so that versions which know other fields agree.
    pub(crate) fn root(&self) -> u128 {
        self.root
    }

    /// Its lower half, where many roots go into one message.
    pub(crate) fn short_root(&self) -> u64 {
        u64::try_from(self.root & u128::from(u64::MAX)).expect("64 bits")
    }

    /// What changed in (after, upto], if the removals of that range are all kept here.
    pub(crate) fn knows_removals_after(&self, after: u64) -> bool {
        after >= self.floor
    }

    /// Keys of rows whose last change is in (after, upto], by number.
    pub(crate) fn changed(&self, after: u64, upto: u64) -> impl Iterator<Item = &Row> {
        let range = (std::ops::Bound::Excluded(after), std::ops::Bound::Included(upto.max(after)));
        self.by_number.range(range).map(|(_, key)| &self.rows[key])
    }

    /// Removals in (after, upto], by number.
    pub(crate) fn removals(&self, after: u64, upto: u64) -> impl Iterator<Item = Removed> {
        let range = (std::ops::Bound::Excluded(after), std::ops::Bound::Included(upto.max(after)));
        self.removed.range(range).map(|(&number, &(key, _))| Removed { key, number })
    }
}

fn hash(key: &RowKey, number: u64, digest: Digest) -> u128 {
    let mut bytes = [0; 56];
    bytes[..16].copy_from_slice(&key.room.0);
    bytes[16..48].copy_from_slice(&key.user.0);
    bytes[48..].copy_from_slice(&number.to_be_bytes());
    u128::from_be_bytes(digest(&bytes)[..16].try_into().expect("a digest has 32 bytes"))
}
