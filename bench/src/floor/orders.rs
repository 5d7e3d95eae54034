//! Frames of the floor: those that it is sent, as orders, and those that it sends.

/// What a client wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Everybody is to be sent this.
    Broadcast(Vec<u8>),
    /// The client is to be counted.
    Join,
    /// So many text messages a second are to be sent, in turn.
    Texts(u32),
    /// So many pings a second are to be sent, in turn.
    Pings(u32),
}

/// A frame as a server sends it, whole; `head` is its first byte.
pub(crate) fn framed(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![head];
    match u8::try_from(payload.len()) {
        Ok(short @ 0..=125) => frame.push(short),
        _ => {
            let length = u16::try_from(payload.len()).expect("no message of a benchmark has 64 KiB");
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// The orders in what was read. A message of a benchmark is small and comes whole, so the rest is not kept.
pub(crate) fn orders(mut bytes: &[u8]) -> Vec<Order> {
    let mut found = Vec::new();
    while let Some((opcode, payload, rest)) = frame(bytes) {
        bytes = rest;
        if opcode == 1 {
            found.extend(order(&payload));
        }
    }
    found
}

fn frame(bytes: &[u8]) -> Option<(u8, Vec<u8>, &[u8])> {
    let (&[head, length], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match length & 0x7f {
        126 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        short => (usize::from(short), rest),
    };
    let (mask, rest) = rest.split_first_chunk::<4>()?;
    let (payload, rest) = rest.split_at_checked(length)?;
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Some((head & 0xf, payload, rest))
}

fn order(text: &[u8]) -> Option<Order> {
    let (first, rest) = text.split_first()?;
    let number = || std::str::from_utf8(rest).ok()?.parse().ok();
    match first {
        b'B' => Some(Order::Broadcast(rest.to_vec())),
        b'J' => Some(Order::Join),
        b'P' => number().map(Order::Texts),
        b'Q' => number().map(Order::Pings),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_from_masked_frames_and_what_is_no_order_is_left_out() {
        let mut bytes = vec![0x81, 0x83, 1, 2, 3, 4, b'B' ^ 1, b'h' ^ 2, b'i' ^ 3];
        bytes.extend_from_slice(&[
            0x8a, 0x81, 0, 0, 0, 0, b'J', 0x81, 0x81, 0, 0, 0, 0, b'J', 0x81, 0x82, 0, 0, 0, 0, b'P', b'7',
        ]);
        bytes.extend_from_slice(&[0x81, 0x85, 0]);
        assert_eq!(orders(&bytes), [Order::Broadcast(b"hi".to_vec()), Order::Join, Order::Texts(7)]);
    }

    #[test]
    fn a_longer_frame_has_a_longer_length() {
        assert_eq!(framed(0x81, b"hi"), [0x81, 2, b'h', b'i']);
        assert_eq!(framed(0x81, &[b'x'; 200])[..4], [0x81, 126, 0, 200]);
    }
}
