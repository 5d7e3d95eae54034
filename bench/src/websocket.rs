//! WebSocket frames, as both sides write and read them.

/// Opcode of a text message.
pub const TEXT: u8 = 1;
/// Opcode of the frame that ends a connection.
pub const CLOSE: u8 = 8;
/// Opcode of a ping.
pub const PING: u8 = 9;
/// Opcode of the answer to a ping.
pub const PONG: u8 = 10;

/// The side that writes a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameSender {
    /// Frames are masked. The mask is zero: that is legal, and costs neither side anything.
    Client,
    /// Frames are not masked.
    Server,
}

/// A frame that was read.
#[derive(PartialEq, Eq, Debug)]
pub struct WebSocketFrame<'a> {
    /// The kind of frame.
    pub opcode: u8,
    /// The payload as it was sent.
    pub payload: &'a [u8],
    mask: Option<[u8; 4]>,
}

impl WebSocketFrame<'_> {
    /// The payload without its mask.
    pub fn unmasked(&self) -> Vec<u8> {
        let mask = self.mask.unwrap_or_default();
        self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
    }
}

/// Appends a frame.
pub fn write(out: &mut Vec<u8>, sender: FrameSender, opcode: u8, payload: &[u8]) {
    let masked = if sender == FrameSender::Client { 0x80 } else { 0 };
    out.push(0x80 | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => out.push(masked | short),
        (_, Ok(length)) => {
            out.push(masked | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    if sender == FrameSender::Client {
        out.extend_from_slice(&[0; 4]);
    }
    out.extend_from_slice(payload);
}

/// Reads the first frame and returns it with the bytes after it, or `None` while it is incomplete.
pub fn first(bytes: &[u8]) -> Option<(WebSocketFrame<'_>, &[u8])> {
    let (&[head, length], rest) = bytes.split_first_chunk()?;
    let masked = length & 0x80 != 0;
    let (length, rest) = match length & 0x7f {
        126 => rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))?,
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        short => (u64::from(short), rest),
    };
    let (mask, rest) =
        if masked { rest.split_first_chunk().map(|(mask, rest)| (Some(*mask), rest))? } else { (None, rest) };
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((WebSocketFrame { opcode: head & 0xf, payload, mask }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_read_once_they_are_complete() {
        for (sender, length) in [FrameSender::Client, FrameSender::Server]
            .into_iter()
            .flat_map(|sender| [0, 125, 126, 65_535, 65_536].map(|length| (sender, length)))
        {
            let mut bytes = Vec::new();
            write(&mut bytes, sender, TEXT, &vec![b'x'; length]);
            let end = bytes.len();
            write(&mut bytes, sender, PING, b"1");
            let (frame, rest) = first(&bytes).unwrap();
            assert_eq!((frame.opcode, frame.unmasked()), (TEXT, vec![b'x'; length]));
            let (ping, rest) = first(rest).unwrap();
            assert_eq!((ping.opcode, ping.payload, rest.len()), (PING, &b"1"[..], 0));
            assert_eq!(first(&bytes[..end - 1]), None);
        }
        assert_eq!(first(&[0x81]), None);
    }

    #[test]
    fn a_server_writes_lengths_and_no_mask() {
        let written = |payload: &[u8]| {
            let mut frame = Vec::new();
            write(&mut frame, FrameSender::Server, TEXT, payload);
            frame
        };
        assert_eq!(written(b"hi"), [0x81, 2, b'h', b'i']);
        assert_eq!(written(&[b'x'; 200])[..4], [0x81, 126, 0, 200]);
    }
}
