//! Commands to the baseline server: text messages of one letter and its argument.

use presence_bench::websocket::{TEXT, first};

/// What a client wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClientCommand {
    /// Sends this text to every client.
    Broadcast(Vec<u8>),
    /// Counts the client.
    Join,
    /// Sends this many text messages a second, to one client after the other.
    Texts(u32),
    /// Sends this many pings a second, to one client after the other.
    Pings(u32),
}

/// The commands in what was read. A message of a benchmark is small and arrives whole, so an incomplete one is dropped.
pub(crate) fn commands(mut bytes: &[u8]) -> Vec<ClientCommand> {
    let mut found = Vec::new();
    while let Some((frame, rest)) = first(bytes) {
        bytes = rest;
        if frame.opcode == TEXT {
            found.extend(command(&frame.unmasked()));
        }
    }
    found
}

fn command(text: &[u8]) -> Option<ClientCommand> {
    let (first, rest) = text.split_first()?;
    let number = || std::str::from_utf8(rest).ok()?.parse().ok();
    match first {
        b'B' => Some(ClientCommand::Broadcast(rest.to_vec())),
        b'J' => Some(ClientCommand::Join),
        b'P' => number().map(ClientCommand::Texts),
        b'Q' => number().map(ClientCommand::Pings),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_masked_frames_and_everything_else_is_ignored() {
        let mut bytes = vec![0x81, 0x83, 1, 2, 3, 4, b'B' ^ 1, b'h' ^ 2, b'i' ^ 3];
        bytes.extend_from_slice(&[
            0x8a, 0x81, 0, 0, 0, 0, b'J', 0x81, 0x81, 0, 0, 0, 0, b'J', 0x81, 0x82, 0, 0, 0, 0, b'P', b'7',
        ]);
        bytes.extend_from_slice(&[0x81, 0x85, 0]);
        let expected = [ClientCommand::Broadcast(b"hi".to_vec()), ClientCommand::Join, ClientCommand::Texts(7)];
        assert_eq!(commands(&bytes), expected);
    }
}
