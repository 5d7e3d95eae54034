//! Decodes WebSocket frames from bytes as they arrive.

use std::borrow::Cow;
use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// Longest payload of a ping, pong or close frame, by the protocol.
const CONTROL_BYTES_MAX: u64 = 125;
/// Longest header: what may be kept besides a frame's payload.
pub(crate) const HEADER_BYTES_MAX: usize = 14;

/// What was decoded from a browser's bytes.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Decoded<'a> {
    /// A whole message.
    Text(Cow<'a, str>),
    /// A ping, to be answered with the same bytes.
    Ping(&'a [u8]),
    /// The answer to a ping.
    Pong(&'a [u8]),
    /// A close frame, with its code.
    Close(Option<u16>),
    /// A part of a message; the rest is to come.
    Part,
    /// Less than a frame: more bytes are needed.
    Nothing,
}

/// Why a browser's bytes are refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FrameError {
    /// Against the protocol: 1002.
    Protocol,
    /// Text that is not UTF-8: 1007.
    Text,
    /// Binary data, which no protocol here has: 1003.
    Binary,
    /// A message that is too long: 1009.
    Size,
}

/// The decoder of one connection. It keeps nothing, unless a message comes in parts.
#[derive(Debug, Default)]
pub(crate) struct FrameDecoder {
    parts: Option<Vec<u8>>,
}

impl FrameDecoder {
    /// Decodes what `bytes` begin with; returns its length, too. The payload is unmasked in place, so decoded bytes must not
    /// be passed again. A message of more than `limit` bytes is refused at its header.
    pub(crate) fn decode<'a>(&mut self, bytes: &'a mut [u8], limit: usize) -> Result<(usize, Decoded<'a>), FrameError> {
        let Some((header, length, begin)) = header(bytes)? else { return Ok((0, Decoded::Nothing)) };
        // Browsers must mask, and no extension was agreed upon.
        let mask = header.mask.ok_or(FrameError::Protocol)?;
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(FrameError::Protocol);
        }
        self.check(&header, length, limit)?;
        let end = begin + usize::try_from(length).map_err(|_| FrameError::Size)?;
        let Some(payload) = bytes.get_mut(begin..end) else { return Ok((0, Decoded::Nothing)) };
        unmask(payload, mask);
        let taken = match header.opcode {
            OpCode::Control(Control::Ping) => Decoded::Ping(payload),
            OpCode::Control(Control::Pong) => Decoded::Pong(payload),
            OpCode::Control(_) => Decoded::Close(close_code(payload)?),
            OpCode::Data(_) => self.data(payload, header.is_final)?,
        };
        Ok((end, taken))
    }

    fn check(&self, header: &FrameHeader, length: u64, limit: usize) -> Result<(), FrameError> {
        let before = match (header.opcode, &self.parts) {
            (OpCode::Control(_), _) if length > CONTROL_BYTES_MAX || !header.is_final => {
                return Err(FrameError::Protocol);
            }
            (OpCode::Control(_), _) => return Ok(()),
            (OpCode::Data(Data::Binary), None) => return Err(FrameError::Binary),
            (OpCode::Data(Data::Text), None) => 0,
            (OpCode::Data(Data::Continue), Some(parts)) => parts.len(),
            (OpCode::Data(_), _) => return Err(FrameError::Protocol),
        };
        if length > (limit - before) as u64 { Err(FrameError::Size) } else { Ok(()) }
    }

    fn data<'a>(&mut self, payload: &'a [u8], last: bool) -> Result<Decoded<'a>, FrameError> {
        if last && self.parts.is_none() {
            let text = std::str::from_utf8(payload).map_err(|_| FrameError::Text)?;
            return Ok(Decoded::Text(Cow::Borrowed(text)));
        }
        let mut parts = self.parts.take().unwrap_or_default();
        parts.extend_from_slice(payload);
        if last {
            let text = String::from_utf8(parts).map_err(|_| FrameError::Text)?;
            return Ok(Decoded::Text(Cow::Owned(text)));
        }
        self.parts = Some(parts);
        Ok(Decoded::Part)
    }
}

/// The header that `bytes` begin with, the payload's length and where it begins; `None` if the header is incomplete.
fn header(bytes: &[u8]) -> Result<Option<(FrameHeader, u64, usize)>, FrameError> {
    let mut cursor = Cursor::new(bytes);
    let header = FrameHeader::parse(&mut cursor).map_err(|_| FrameError::Protocol)?;
    let begin = usize::try_from(cursor.position()).expect("a header is short");
    Ok(header.map(|(header, length)| (header, length, begin)))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let mut words = payload.chunks_exact_mut(4);
    for word in &mut words {
        let plain = u32::from_ne_bytes(word.try_into().expect("four bytes")) ^ u32::from_ne_bytes(mask);
        word.copy_from_slice(&plain.to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(mask) {
        *byte ^= key;
    }
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, FrameError> {
    match payload {
        [] => Ok(None),
        [_] => Err(FrameError::Protocol),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !CloseCode::from(code).is_allowed() {
                return Err(FrameError::Protocol);
            }
            std::str::from_utf8(reason).map_err(|_| FrameError::Text)?;
            Ok(Some(code))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    mod fuzz;

    const LIMIT: usize = 1_000;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x12, 0x9a, 0xff, 0x01];
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
            long => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(long).unwrap().to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        frame
    }

    /// What the whole of `bytes` says, given in pieces cut at `cuts`.
    fn read(bytes: &[u8], cuts: &[usize]) -> Result<Vec<String>, FrameError> {
        let mut frames = FrameDecoder::default();
        let (mut kept, mut said, mut begin) = (Vec::new(), Vec::new(), 0);
        for end in cuts.iter().copied().chain([bytes.len()]) {
            kept.extend_from_slice(&bytes[begin..end]);
            begin = end;
            let mut at = 0;
            loop {
                let (length, taken) = frames.decode(&mut kept[at..], LIMIT)?;
                if taken == Decoded::Nothing {
                    break;
                }
                said.push(format!("{taken:?}"));
                at += length;
            }
            kept.drain(..at);
        }
        said.push(format!("{} left", kept.len()));
        Ok(said)
    }

    fn conversation() -> Vec<u8> {
        let long = "é".repeat(200);
        [
            frame(0x81, b"whole"),
            frame(0x01, b"in "),
            frame(0x89, b"are you there"),
            frame(0x00, b""),
            frame(0x80, b"parts"),
            frame(0x8a, b""),
            frame(0x81, long.as_bytes()),
            frame(0x88, &[3, 233, b'b', b'y', b'e']),
            frame(0x88, &[]),
        ]
        .concat()
    }

    #[test]
    fn frames_come_out_the_same_wherever_the_bytes_are_cut() {
        let bytes = conversation();
        let whole = read(&bytes, &[]).unwrap();
        assert_eq!(whole.len(), 10);
        assert_eq!(whole[0], "Text(\"whole\")");
        assert_eq!(whole[4], "Text(\"in parts\")");
        assert_eq!(whole[7..], ["Close(Some(1001))", "Close(None)", "0 left"]);
        for cut in 0..=bytes.len() {
            assert_eq!(read(&bytes, &[cut]).unwrap(), whole, "cut at {cut}");
        }
        assert_eq!(read(&bytes, &(0..bytes.len()).collect::<Vec<_>>()).unwrap(), whole, "cut everywhere");
    }

    #[test]
    fn the_longest_message_passes_and_one_byte_more_is_refused_at_its_header() {
        assert!(read(&frame(0x81, &[b'x'; LIMIT]), &[]).is_ok());
        assert_eq!(read(&frame(0x81, &[b'x'; LIMIT + 1])[..8], &[]), Err(FrameError::Size));
        let parts = [frame(0x01, &[b'x'; 600]), frame(0x80, &[b'x'; 401])].concat();
        assert_eq!(read(&parts, &[]), Err(FrameError::Size));
        assert_eq!(read(&[0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0], &[]), Err(FrameError::Size));
    }

    #[test]
    fn what_is_against_the_protocol_is_refused() {
        for (bytes, fault) in [
            (vec![0x81, 0x01, b'x'], FrameError::Protocol), // not masked
            (frame(0xc1, b"x"), FrameError::Protocol),      // an extension's bit
            (frame(0x83, b"x"), FrameError::Protocol),      // an unknown opcode
            (frame(0x80, b"x"), FrameError::Protocol),      // the end of nothing
            ([frame(0x01, b"x"), frame(0x81, b"y")].concat(), FrameError::Protocol), // a message in a message
            ([frame(0x01, b"x"), frame(0x82, b"y")].concat(), FrameError::Protocol),
            (frame(0x09, b"x"), FrameError::Protocol),      // a ping in parts
            (frame(0x89, &[0; 126]), FrameError::Protocol), // a long ping
            (frame(0x88, &[3]), FrameError::Protocol),      // half a code
            (frame(0x88, &[3, 237]), FrameError::Protocol), // 1005 is never sent
            (frame(0x88, &[3, 232, 0xff]), FrameError::Text),
            (frame(0x82, b"x"), FrameError::Binary),
            (frame(0x81, &[0xff]), FrameError::Text),
            ([frame(0x01, &[0xc3]), frame(0x80, &[0x28])].concat(), FrameError::Text),
        ] {
            assert_eq!(read(&bytes, &[]), Err(fault), "{bytes:x?}");
        }
    }

    #[test]
    fn a_character_may_be_cut_between_two_parts() {
        let bytes = [frame(0x01, &[0xc3]), frame(0x80, &[0xa9])].concat();
        assert_eq!(read(&bytes, &[]).unwrap()[1], "Text(\"é\")");
    }
}
