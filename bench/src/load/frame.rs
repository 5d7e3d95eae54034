//! WebSocket frames as a client writes and reads them.

pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// Appends a frame. Its mask is zero: legal, and costs neither side anything.
pub(crate) fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => out.push(0x80 | short),
        (_, Ok(length)) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// The first frame: its opcode, its payload, what follows. `None` where it is not whole yet.
pub(crate) fn first(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[head, length], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match length & 0x7f {
        126 => rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))?,
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        short => (u64::from(short), rest),
    };
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((head & 0xf, payload, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a server sends it: without the mask.
    fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        write(&mut frame, opcode, payload);
        let mask = frame.len() - payload.len() - 4;
        frame.drain(mask..mask + 4);
        frame[1] &= 0x7f;
        frame
    }

    #[test]
    fn frames_of_every_length_are_read_when_they_are_whole() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let frame = [unmasked(TEXT, &payload), unmasked(PING, b"1")].concat();
            let (opcode, read, rest) = first(&frame).unwrap();
            assert_eq!((opcode, read.len()), (TEXT, length));
            assert_eq!(first(rest), Some((PING, &b"1"[..], &[][..])));
            assert_eq!(first(&frame[..frame.len() - rest.len() - 1]), None);
        }
        assert_eq!(first(&[0x81]), None);
    }
}
