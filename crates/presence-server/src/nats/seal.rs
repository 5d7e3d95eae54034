//! Sealing: without it whoever runs NATS, or shares it, could read and write what nodes say to each other.
//!
//! Every start of a node has a random number and a key of its own, derived from the mesh's key, the node's name and that number.
//! So a counter is enough as a nonce, and what was sealed in an earlier start is never taken for news.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::secret::random;
use crate::signing;

const VERSION: u8 = 1;
/// Version, start, lane and counter.
const HEADER_BYTES: usize = 18;
const SENT_BYTES: usize = 8;
/// What sealing adds to a message: the header, when it was sent, and the tag of AES-GCM.
pub(super) const SEAL_BYTES: usize = HEADER_BYTES + SENT_BYTES + 16;
/// How far a message may be overtaken by later ones of its lane.
const WINDOW: u64 = 128;

/// One start of a node: no two have the same number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct StartId(pub(super) u64);

impl StartId {
    pub(super) fn new() -> Self {
        Self(u64::from_be_bytes(random()))
    }

    /// Of 16 hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for StartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The connection that a message takes. Each has its own order, and so its own counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lane {
    /// What is published.
    Messages,
    /// Requests and their answers.
    Requests,
}

/// What stands before the sealed part, and is authenticated with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SealHeader {
    pub(super) start: StartId,
    pub(super) lane: Lane,
    pub(super) counter: u64,
}

impl SealHeader {
    /// The header of a message of this version.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let header = message.get(..HEADER_BYTES).filter(|header| header[0] == VERSION)?;
        let number = |at: usize| u64::from_be_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let lane = match header[9] {
            0 => Lane::Messages,
            1 => Lane::Requests,
            _ => return None,
        };
        Some(Self { start: StartId(number(1)), lane, counter: number(10) })
    }

    fn bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = VERSION;
        bytes[1..9].copy_from_slice(&self.start.0.to_be_bytes());
        bytes[9] = self.lane as u8;
        bytes[10..].copy_from_slice(&self.counter.to_be_bytes());
        bytes
    }

    fn nonce(self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[3] = self.lane as u8;
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

fn key_of(mesh_key: &[u8; 32], name: &str, start: StartId) -> LessSafeKey {
    let key = signing::sign(mesh_key, format!("global-presence 1 sealed {start} {name}").as_bytes());
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("a key of AES-256 has 32 bytes"))
}

/// Seals what this node says.
pub(super) struct Sealer {
    start: StartId,
    key: LessSafeKey,
    counters: [AtomicU64; 2],
}

impl Sealer {
    pub(super) fn new(mesh_key: &[u8; 32], name: &str, start: StartId) -> Self {
        Self { start, key: key_of(mesh_key, name, start), counters: Default::default() }
    }

    /// The number of the last message on that lane; 0: there was none.
    pub(super) fn last(&self, lane: Lane) -> u64 {
        self.counters[lane as usize].load(Ordering::Relaxed)
    }

    /// Seals a message for this subject, which its readers have to see there.
    pub(super) fn seal(&self, lane: Lane, subject: &str, sent_ms: u64, kind: u8, body: &[u8]) -> Vec<u8> {
        let counter = self.counters[lane as usize].fetch_add(1, Ordering::Relaxed) + 1;
        let header = SealHeader { start: self.start, lane, counter };
        let mut message = Vec::with_capacity(SEAL_BYTES + 1 + body.len());
        message.extend_from_slice(&header.bytes());
        let mut sealed = Vec::with_capacity(SEAL_BYTES + 1 + body.len());
        sealed.extend_from_slice(&sent_ms.to_be_bytes());
        sealed.push(kind);
        sealed.extend_from_slice(body);
        let bound = Aad::from([&header.bytes()[..], subject.as_bytes()].concat());
        self.key.seal_in_place_append_tag(header.nonce(), bound, &mut sealed).expect("shorter than AES-GCM's 64 GB");
        message.extend_from_slice(&sealed);
        message
    }
}

/// A message that was sealed in the name and start that it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OpenedSeal {
    /// By the sender's clock, whose zero is its start.
    pub(super) sent_ms: u64,
    pub(super) kind: u8,
    pub(super) body: Vec<u8>,
}

/// Opens what one start of another node has sealed.
pub(super) struct SealOpener(LessSafeKey);

impl SealOpener {
    pub(super) fn new(mesh_key: &[u8; 32], name: &str, start: StartId) -> Self {
        Self(key_of(mesh_key, name, start))
    }

    /// `None`: another key, another subject, or changed on its way.
    pub(super) fn open(&self, subject: &str, message: &[u8]) -> Option<OpenedSeal> {
        let header = SealHeader::read(message)?;
        let mut sealed = message[HEADER_BYTES..].to_vec();
        let bound = Aad::from([&header.bytes()[..], subject.as_bytes()].concat());
        let opened = self.0.open_in_place(header.nonce(), bound, &mut sealed).ok()?;
        let (sent, rest) = opened.split_first_chunk::<SENT_BYTES>()?;
        let (kind, body) = rest.split_first()?;
        Some(OpenedSeal { sent_ms: u64::from_be_bytes(*sent), kind: *kind, body: body.to_vec() })
    }
}

/// Which messages of one lane were taken already.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplayWindow {
    highest: u64,
    /// Bit n: `highest - n` was taken.
    taken: u128,
}

impl ReplayWindow {
    /// Refuses all up to this number.
    pub(super) fn after(number: u64) -> Self {
        Self { highest: number, taken: u128::MAX }
    }

    /// Whether this number is taken for the first time. It is not a second time.
    pub(super) fn take(&mut self, number: u64) -> bool {
        if number > self.highest {
            let ahead = number - self.highest;
            self.taken = u32::try_from(ahead).ok().and_then(|ahead| self.taken.checked_shl(ahead)).unwrap_or(0) | 1;
            self.highest = number;
            return true;
        }
        let behind = self.highest - number;
        let bit = 1_u128 << behind.min(WINDOW - 1);
        let fresh = behind < WINDOW && self.taken & bit == 0;
        self.taken |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn a_sealed_message_opens_with_its_key_its_name_and_its_subject_only() {
        let start = StartId(5);
        let sealer = Sealer::new(&KEY, "ams-1", start);
        let sealed = sealer.seal(Lane::Messages, "gp.m.all.ams-1", 1_234, 1, b"a click");
        assert_eq!(sealed.len(), SEAL_BYTES + 1 + b"a click".len());
        assert!(!sealed.windows(7).any(|part| part == b"a click"));
        let opened = SealOpener::new(&KEY, "ams-1", start).open("gp.m.all.ams-1", &sealed);
        assert_eq!(opened, Some(OpenedSeal { sent_ms: 1_234, kind: 1, body: b"a click".to_vec() }));
        for (key, name, start, subject) in [
            ([8; 32], "ams-1", start, "gp.m.all.ams-1"),
            (KEY, "ams-2", start, "gp.m.all.ams-1"),
            (KEY, "ams-1", StartId(6), "gp.m.all.ams-1"),
            (KEY, "ams-1", start, "gp.m.all.ams-2"),
        ] {
            assert_eq!(SealOpener::new(&key, name, start).open(subject, &sealed), None);
        }
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(SealOpener::new(&KEY, "ams-1", start).open("gp.m.all.ams-1", &changed), None, "{place}");
        }
        for length in 0..sealed.len() {
            assert_eq!(SealOpener::new(&KEY, "ams-1", start).open("gp.m.all.ams-1", &sealed[..length]), None);
        }
    }

    #[test]
    fn each_lane_counts_its_own_messages() {
        let sealer = Sealer::new(&KEY, "ams-1", StartId(5));
        let counter = |lane| SealHeader::read(&sealer.seal(lane, "s", 0, 0, b"")).map(|header| header.counter);
        assert_eq!(
            (counter(Lane::Messages), counter(Lane::Messages), counter(Lane::Requests)),
            (Some(1), Some(2), Some(1))
        );
        assert_eq!((sealer.last(Lane::Messages), sealer.last(Lane::Requests)), (2, 1));
    }

    #[test]
    fn a_message_is_taken_once_also_where_it_was_overtaken() {
        let mut window = ReplayWindow::after(10);
        assert!(!window.take(10) && !window.take(3), "what is older than the window's begin");
        assert!(window.take(12) && window.take(11));
        assert!(!window.take(12) && !window.take(11));
        assert!(window.take(12 + WINDOW));
        assert!(!window.take(12), "too old to know");
        assert!(window.take(13 + 1) && !window.take(13 + 1));
        assert!(window.take(u64::MAX) && !window.take(u64::MAX) && !window.take(12 + WINDOW));
    }

    #[test]
    fn a_start_s_number_is_written_and_read() {
        let start = StartId(0xab);
        assert_eq!(StartId::parse(&start.to_string()), Some(start));
        assert_eq!((StartId::parse("ab"), StartId::parse("+0000000000000ab")), (None, None));
    }
}
