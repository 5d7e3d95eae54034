//! The protocols that clients of this node speak, each a number with an encoder: all that the hub knows of them.

use presence_cable::Encoder;

use super::frame::Frame;

/// The number of a registered protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ProtocolId(u8);

/// Every registered protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Protocols(&'static [&'static dyn Encoder]);

/// The protocols that are spoken in one audience.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct ProtocolSet(u32);

impl ProtocolId {
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl Protocols {
    /// At most 32 protocols, so that a [`ProtocolSet`] has room for each.
    pub(super) fn new(encoders: &'static [&'static dyn Encoder]) -> Self {
        assert!(encoders.len() <= 32, "{} protocols are registered, at most 32", encoders.len());
        Self(encoders)
    }

    pub(super) fn len(self) -> usize {
        self.0.len()
    }

    /// The number of this encoder, which must be registered.
    pub(super) fn find(self, encoder: &dyn Encoder) -> ProtocolId {
        let index = self.0.iter().position(|known| known.name() == encoder.name());
        ProtocolId(
            index.and_then(|index| u8::try_from(index).ok()).expect("every protocol that is spoken is registered"),
        )
    }

    pub(super) fn encoder(self, protocol: ProtocolId) -> &'static dyn Encoder {
        self.0[protocol.index()]
    }

    /// Those that have presence.
    pub(super) fn hearing_presence(self) -> ProtocolSet {
        let hearing = (0_u8..).zip(self.0).filter(|(_, encoder)| encoder.hears_presence());
        ProtocolSet(hearing.fold(0, |set, (index, _)| set | 1 << index))
    }

    /// The ping of each, at this second.
    pub(super) fn pings(self, unix_seconds: u64) -> Vec<Frame> {
        self.0.iter().map(|encoder| Frame::text(&encoder.ping(unix_seconds))).collect()
    }
}

impl ProtocolSet {
    pub(super) fn insert(&mut self, protocol: ProtocolId) {
        self.0 |= 1 << protocol.0;
    }

    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}
