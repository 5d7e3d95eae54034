//! The browsers' side, bundled by `build.rs` into every program: without it each app would bundle its own.

use std::borrow::Cow;

use bytes::Bytes;

use crate::Asset;

include!(concat!(env!("OUT_DIR"), "/client.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_embedding_pages_stays_small() {
        let bytes = PRESENCE.gzip.expect("it is smaller when compressed").len();
        assert!(bytes <= 5_120, "presence.js has {bytes} bytes compressed, at most 5,120 are promised");
    }
}
