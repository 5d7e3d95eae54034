//! How QUIC is configured, and why; docs/decisions/0013-node-links-over-quic.md has the figures.

use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::BbrConfig;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{AckFrequencyConfig, EndpointConfig, IdleTimeout, TransportConfig, VarInt};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac::{self, HMAC_SHA256};

use super::super::MESSAGE_BYTES_MAX;
use crate::certificate::tls::Trust;

/// Below core's lease of 4.5 s: a link that is dead is opened again before its node is doubted.
const IDLE: Duration = Duration::from_millis(3_000);
/// Also the time after which a node that was restarted, or whose address has changed, is noticed.
const KEEP_ALIVE: Duration = Duration::from_millis(900);
/// The first guess of a round trip: half of an ocean. QUIC's own guess of 333 ms makes lost first packets cost a second.
const INITIAL_ROUND_TRIP: Duration = Duration::from_millis(100);
/// Packets are acknowledged after this many, or after this time. One by one they would cost a sixth more CPU.
const ACKNOWLEDGED_AFTER: u32 = 10;
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_millis(20);
/// Messages that may be on their way to one reader: a thousand a second over an ocean. Each costs some memory at once.
const MESSAGES_UNDER_WAY: u32 = 320;
/// Questions of one reader that may be open.
const QUESTIONS_UNDER_WAY: u32 = 16;
/// What one connection may have sent and not have acknowledged: it bounds memory, and how stale a narrow link's messages are.
const SEND_WINDOW: u64 = 1 << 20;
const RECEIVE_WINDOW: u32 = 4 << 20;
/// What is common to the endpoints of a node: keys that survive its restart, so that the others believe its resets at
/// once instead of waiting for silence.
pub(super) fn endpoint(reset_key: &[u8; 32], name: &str, port: u16) -> EndpointConfig {
    let keyed = hmac::Key::new(HMAC_SHA256, reset_key);
    let derived = |purpose: &str| hmac::sign(&keyed, format!("{purpose} {name} {port}").as_bytes());
    let identifiers = u64::from_be_bytes(derived("ids").as_ref()[..8].try_into().expect("SHA-256 has 32 bytes"));
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(HMAC_SHA256, derived("resets").as_ref())));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(identifiers)));
    // Thirty readers of a restarted node need a reset each.
    config.min_reset_interval(Duration::from_millis(1));
    config
}

/// For the nodes that dial us: they ask and read.
pub(super) fn server(trust: &Trust) -> anyhow::Result<quinn::ServerConfig> {
    let tls = QuicServerConfig::try_from(Arc::clone(&trust.server))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(transport(0, QUESTIONS_UNDER_WAY)));
    config.migration(true).max_incoming(256).incoming_buffer_size(64 << 10).incoming_buffer_size_total(4 << 20);
    Ok(config)
}

/// For the nodes that we dial: they publish and answer.
pub(super) fn client(trust: &Trust) -> anyhow::Result<quinn::ClientConfig> {
    let tls = QuicClientConfig::try_from(Arc::clone(&trust.client))?;
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport(MESSAGES_UNDER_WAY, 0)));
    Ok(config)
}

/// What is not granted here can't be done to us: a reader may publish nothing, a speaker may ask nothing.
fn transport(messages: u32, questions: u32) -> TransportConfig {
    let mut acknowledgements = AckFrequencyConfig::default();
    acknowledgements.ack_eliciting_threshold(VarInt::from_u32(ACKNOWLEDGED_AFTER));
    acknowledgements.max_ack_delay(Some(ACKNOWLEDGED_WITHIN));
    let mut config = TransportConfig::default();
    config
        .max_concurrent_uni_streams(VarInt::from_u32(messages))
        .max_concurrent_bidi_streams(VarInt::from_u32(questions))
        .max_idle_timeout(Some(IdleTimeout::try_from(IDLE).expect("three seconds are a timeout")))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(INITIAL_ROUND_TRIP)
        .stream_receive_window(VarInt::from_u32(MESSAGE_BYTES_MAX as u32))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .send_window(SEND_WINDOW)
        // One message after the other, as they were published.
        .send_fairness(false)
        .datagram_receive_buffer_size(None)
        .ack_frequency_config(Some(acknowledgements))
        // At 5 % loss the default (Cubic) leaves 17 KB/s and messages that are 27 s late.
        .congestion_controller_factory(Arc::new(BbrConfig::default()));
    config
}
