//! Names of things, one type each, so that a user can never be passed where a room is meant.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// SHA-256, handed in from outside: core has no dependency that could compute it.
pub type Digest = fn(&[u8]) -> [u8; 32];

/// A region's short code, such as `yyz`: 1 to 16 bytes of lower-case letters, digits and `-`.
///
/// ```
/// use presence_core::Region;
///
/// assert_eq!(Region::new("yyz").unwrap().as_str(), "yyz");
/// assert_eq!(Region::new("Toronto, Canada"), None);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region {
    // In place, since a region's code stands in whatever is counted by region. What follows the code is zero, so that
    // codes are ordered as text is.
    code: [u8; 16],
    len: u8,
}

impl Region {
    /// The region of this code, or `None` where it is empty, longer than 16 bytes or has another character.
    pub fn new(code: &str) -> Option<Self> {
        let fits = code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let mut bytes = [0; 16];
        bytes.get_mut(..code.len()).filter(|_| fits && !code.is_empty())?.copy_from_slice(code.as_bytes());
        Some(Self { code: bytes, len: u8::try_from(code.len()).ok()? })
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.code[..usize::from(self.len)]).expect("a code is ASCII")
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Region").field(&self.as_str()).finish()
    }
}

impl<C> Encode<C> for Region {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        encoder.str(self.as_str())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Region {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::new(decoder.str()?).ok_or_else(|| decode::Error::message("a region's code"))
    }
}

/// A node's name, unique in the mesh: 1 to 64 bytes, printable, no space.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct NodeName(#[n(0)] String);

impl NodeName {
    /// The name, or `None` where it is empty, longer than 64 bytes, or holds a space or a control character.
    pub fn new(name: &str) -> Option<Self> {
        let fits = (1..=64).contains(&name.len()) && !name.chars().any(|c| c.is_whitespace() || c.is_control());
        fits.then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first 8 bytes of the hash of a node's name: how nodes are named in lists, so that a heartbeat stays small.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct NodeHash(#[n(0)] pub u64);

impl NodeHash {
    /// Of this name.
    pub fn of(name: &NodeName, digest: Digest) -> Self {
        let bytes = digest(name.as_str().as_bytes());
        Self(u64::from_be_bytes(bytes[..8].try_into().expect("a digest has 32 bytes")))
    }
}

impl fmt::Display for NodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a page joins: a name of 1 to 1,024 bytes. Cheap to clone.
///
/// ```
/// use presence_core::Room;
///
/// let site = Room::new("shop").unwrap();
/// assert_eq!(Room::new(&format!("{site}/teapot")).unwrap().as_str(), "shop/teapot");
/// assert_eq!(Room::new(""), None);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Room(Arc<str>);

impl Room {
    /// Longest name in bytes.
    pub const NAME_BYTES_MAX: usize = 1_024;

    /// The room of this name, or `None` where the name is empty or too long.
    pub fn new(name: &str) -> Option<Self> {
        (1..=Self::NAME_BYTES_MAX).contains(&name.len()).then(|| Self(name.into()))
    }

    /// The room at this path below this one: `shop/teapot` for `/teapot` below `shop`, and `shop` itself for `/`. `None` where its
    /// name would be too long.
    pub fn below(&self, path: &str) -> Option<Self> {
        match path.trim_matches('/') {
            "" => Some(self.clone()),
            path => Self::new(&format!("{self}/{path}")),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash that stands for the name in rows.
    pub fn hash(&self, digest: Digest) -> RoomHash {
        let bytes = digest(self.0.as_bytes());
        RoomHash(bytes[..16].try_into().expect("a digest has 32 bytes"))
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 128 bits of the hash of a room's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct RoomHash(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

/// A user: all their connections share it. Made by the server, never shown.
///
/// ```
/// # use presence_core::{Room, UserId};
/// # fn sha256(bytes: &[u8]) -> [u8; 32] { let mut hash = [0; 32]; hash[..8].copy_from_slice(&bytes[..8]); hash }
/// let user = UserId([7; 32]);
/// let seen_in = |room| user.public(&Room::new(room).unwrap(), sha256);
/// assert_ne!(seen_in("shop/teapot"), seen_in("poll/lunch"), "no one can be followed from room to room");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct UserId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl UserId {
    /// What others see of this user in that room; no one can be followed by it from room to room.
    pub fn public(&self, room: &Room, digest: Digest) -> PublicId {
        let mut bytes = Vec::with_capacity(room.as_str().len() + 32);
        bytes.extend_from_slice(room.as_str().as_bytes());
        bytes.extend_from_slice(&self.0);
        PublicId(digest(&bytes))
    }
}

/// A user as one room's other visitors see them.
///
/// ```
/// assert_eq!(presence_core::PublicId([0x1a; 32]).short(), "1A1A1A1A");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PublicId(pub [u8; 32]);

impl PublicId {
    /// The eight hexadecimal digits that a page shows: `1A2B3C4D`.
    pub fn short(&self) -> String {
        hexadecimal(&self.0[..4], b"0123456789ABCDEF")
    }

    /// All of it in lower-case hexadecimal digits.
    pub fn long(&self) -> String {
        hexadecimal(&self.0, b"0123456789abcdef")
    }
}

fn hexadecimal(bytes: &[u8], digits: &[u8; 16]) -> String {
    let pairs = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    pairs.map(|digit| char::from(digits[usize::from(digit)])).collect()
}

/// 128 bits of a fact key's hash: how keys are named between nodes.
pub(crate) type KeyHash = [u8; 16];

/// One WebSocket of this node, for as long as the process runs; never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// One tab of a browser, the same for all of its sockets, on whichever node: a hash of its user and of the name that it gives
/// itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct TabId(#[n(0)] NonZeroU64);

impl TabId {
    /// Of the tab with that name of a user: no other user's tab has it.
    pub fn of(user: &UserId, name: &str, digest: Digest) -> Self {
        let bytes = digest(&[&user.0, name.as_bytes()].concat());
        let number = u64::from_be_bytes(bytes[..8].try_into().expect("a digest has 32 bytes"));
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }
}

/// One subscription of a connection, numbered by the socket; never used again on that connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubscriptionId(pub u32);

/// One subscription among those of all connections of this node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct SubscriptionKey {
    pub(crate) connection: ConnectionId,
    pub(crate) subscription: SubscriptionId,
}

/// A link to another node, numbered by the mesh; a number is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);

/// What messages are published to: a name of 1 to 1,024 bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Longest name in bytes.
    pub const BYTES_MAX: usize = 1_024;

    /// The stream of this name, or `None` where the name is empty or too long.
    pub fn new(name: &str) -> Option<Self> {
        (1..=Self::BYTES_MAX).contains(&name.len()).then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A named audience on this node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stream {
    /// Everybody in the room.
    Room(Room),
    /// All tabs that one user has in the room.
    User(Room, UserId),
    /// Whoever listens to what is published under that name.
    Named(StreamName),
}
