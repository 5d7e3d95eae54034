//! Initial packets of QUIC, sealed with keys that follow from the packet's own first bytes (RFC 9001, 5.2). Anyone can make
//! them, so an attacker can pretend to be a new client.

use anyhow::{Context as _, ensure};
use ring::aead::quic::{AES_128, HeaderProtectionKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

use presence_bench::random::Random;

/// The salt of version 1.
const SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f,
    0x0a,
];
/// Size of every Initial of a client.
const PACKET_BYTES: usize = 1_200;
const TAG_BYTES: usize = 16;
/// A long header, Initial, with a packet number of four bytes.
const FIRST_BYTE: u8 = 0xc3;

/// The first message of a client, which can be sent again with other connection ids.
pub(crate) struct InitialPacket {
    destination_bytes: usize,
    /// The client's own id, which its message contains too.
    source: Vec<u8>,
    payload: Vec<u8>,
}

struct InitialKeys {
    packet: LessSafeKey,
    iv: [u8; 12],
    header: HeaderProtectionKey,
}

struct OutputLength(usize);

impl KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(secret: &Prk, label: &str, out: &mut [u8]) -> anyhow::Result<()> {
    let label = format!("tls13 {label}");
    let length = u16::try_from(out.len())?.to_be_bytes();
    let info = [&length[..], &[u8::try_from(label.len())?], label.as_bytes(), &[0]];
    secret.expand(&info, OutputLength(out.len())).and_then(|okm| okm.fill(out)).ok().context("HKDF fails")
}

impl InitialKeys {
    /// The keys of a client that sends to this connection id.
    fn of(destination: &[u8]) -> anyhow::Result<Self> {
        let initial = Salt::new(HKDF_SHA256, &SALT).extract(destination);
        let mut secret = [0; 32];
        expand(&initial, "client in", &mut secret)?;
        let client = Prk::new_less_safe(HKDF_SHA256, &secret);
        let (mut key, mut iv, mut header) = ([0; 16], [0; 12], [0; 16]);
        expand(&client, "quic key", &mut key)?;
        expand(&client, "quic iv", &mut iv)?;
        expand(&client, "quic hp", &mut header)?;
        Ok(Self {
            packet: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok().context("no key")?),
            iv,
            header: HeaderProtectionKey::new(&AES_128, &header).ok().context("no key")?,
        })
    }

    fn nonce(&self, number: u32) -> Nonce {
        let mut nonce = self.iv;
        nonce[8..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, part)| *byte ^= part);
        Nonce::assume_unique_for_key(nonce)
    }

    fn mask(&self, packet: &[u8], number_at: usize) -> anyhow::Result<[u8; 5]> {
        let sample = packet.get(number_at + 4..number_at + 20).context("the packet is too short")?;
        self.header.new_mask(sample).ok().context("no mask")
    }
}

impl InitialPacket {
    /// Opens a client's packet.
    pub(crate) fn open(packet: &[u8]) -> anyhow::Result<Self> {
        let mut packet = packet.to_vec();
        ensure!(packet.first().is_some_and(|first| first & 0xf0 == 0xc0), "that is no Initial packet");
        let mut at = 5;
        let destination = field(&packet, &mut at)?.to_vec();
        let source = field(&packet, &mut at)?.to_vec();
        let token = varint(&packet, &mut at)?;
        at += token;
        let length = varint(&packet, &mut at)?;
        let keys = InitialKeys::of(&destination)?;
        let mask = keys.mask(&packet, at)?;
        packet[0] ^= mask[0] & 0x0f;
        let number_bytes = usize::from(packet[0] & 3) + 1;
        let mut number = 0;
        for place in 0..number_bytes {
            packet[at + place] ^= mask[1 + place];
            number = number << 8 | u32::from(packet[at + place]);
        }
        let body_at = at + number_bytes;
        let (header, body) = packet.split_at_mut(body_at);
        let body = body.get_mut(..length - number_bytes).context("the packet is cut")?;
        let payload = keys.packet.open_in_place(keys.nonce(number), Aad::from(&*header), body);
        let payload = payload.ok().context("the packet is not sealed as an Initial is")?.to_vec();
        Ok(Self { destination_bytes: destination.len(), source, payload })
    }

    /// Seals the same message as that of another client, which sends to a new id.
    pub(crate) fn seal(&self, random: &mut Random) -> anyhow::Result<Vec<u8>> {
        let mut destination = vec![0; self.destination_bytes];
        random.fill(&mut destination);
        let (mut packet, number_at) = header(&destination, &self.source, 4 + self.payload.len() + TAG_BYTES)?;
        packet.extend_from_slice(&[0; 4]);
        let keys = InitialKeys::of(&destination)?;
        let mut body = self.payload.clone();
        let sealed = keys.packet.seal_in_place_append_tag(keys.nonce(0), Aad::from(&packet), &mut body);
        sealed.ok().context("the packet can't be sealed")?;
        packet.append(&mut body);
        let mask = keys.mask(&packet, number_at)?;
        packet[0] ^= mask[0] & 0x0f;
        packet[number_at..number_at + 4].iter_mut().zip(&mask[1..]).for_each(|(byte, part)| *byte ^= part);
        Ok(packet)
    }
}

/// Makes a packet with an Initial's header and random content.
pub(crate) fn noise(random: &mut Random) -> anyhow::Result<Vec<u8>> {
    let mut destination = vec![0; 8 + (random.number() % 13) as usize];
    random.fill(&mut destination);
    let mut source = [0; 8];
    random.fill(&mut source);
    // First byte, version, two lengths, no token, two bytes of length.
    let rest = PACKET_BYTES - (1 + 4 + 1 + destination.len() + 1 + source.len() + 1 + 2);
    let (mut packet, _) = header(&destination, &source, rest)?;
    let from = packet.len();
    packet.resize(PACKET_BYTES, 0);
    random.fill(&mut packet[from..]);
    Ok(packet)
}

/// Makes everything before the packet number and returns where that begins; `length` is that of the rest.
fn header(destination: &[u8], source: &[u8], length: usize) -> anyhow::Result<(Vec<u8>, usize)> {
    let mut packet = vec![FIRST_BYTE, 0, 0, 0, 1];
    for id in [destination, source] {
        packet.push(u8::try_from(id.len())?);
        packet.extend_from_slice(id);
    }
    packet.push(0);
    packet.extend_from_slice(&(0x4000 | u16::try_from(length)?).to_be_bytes());
    let at = packet.len();
    Ok((packet, at))
}

/// Reads bytes after their length, which is one byte.
fn field<'a>(packet: &'a [u8], at: &mut usize) -> anyhow::Result<&'a [u8]> {
    let length = usize::from(*packet.get(*at).context("the packet is cut")?);
    let field = packet.get(*at + 1..*at + 1 + length).context("the packet is cut")?;
    *at += 1 + length;
    Ok(field)
}

fn varint(packet: &[u8], at: &mut usize) -> anyhow::Result<usize> {
    let first = *packet.get(*at).context("the packet is cut")?;
    let bytes = 1 << (first >> 6);
    let field = packet.get(*at..*at + bytes).context("the packet is cut")?;
    *at += bytes;
    Ok(field[1..].iter().fold(usize::from(first & 0x3f), |number, byte| number << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_example_in_rfc_9001() {
        let keys = InitialKeys::of(&[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08]).unwrap();
        assert_eq!(keys.iv, [0xfa, 0x04, 0x4b, 0x2f, 0x42, 0xa3, 0xfd, 0x3b, 0x46, 0xfb, 0x25, 0x5c]);
        let sample = [0xd1, 0xb1, 0xc9, 0x8d, 0xd7, 0x68, 0x9f, 0xb8, 0xec, 0x11, 0xd2, 0x42, 0xb1, 0x23, 0xdc, 0x9b];
        assert_eq!(keys.header.new_mask(&sample).unwrap(), [0x43, 0x7b, 0x9a, 0xec, 0x36]);
    }

    #[test]
    fn sealed_packets_can_be_opened_and_look_like_different_clients() {
        let initial = InitialPacket { destination_bytes: 20, source: vec![7; 8], payload: vec![6; 1_142] };
        let mut random = Random::of(1);
        let packets = [initial.seal(&mut random).unwrap(), initial.seal(&mut random).unwrap()];
        assert_ne!(packets[0][6..26], packets[1][6..26]);
        for packet in packets {
            assert_eq!(packet.len(), PACKET_BYTES);
            let opened = InitialPacket::open(&packet).unwrap();
            assert_eq!((opened.source, opened.payload), (initial.source.clone(), initial.payload.clone()));
        }
    }

    #[test]
    fn noise_has_a_header_and_cannot_be_opened() {
        let mut random = Random::of(2);
        for _ in 0..50 {
            let packet = noise(&mut random).unwrap();
            assert_eq!(packet.len(), PACKET_BYTES);
            assert!(InitialPacket::open(&packet).is_err_and(|error| error.to_string().contains("not sealed")));
        }
    }
}
