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

    #[test]
    fn each_element_that_shares_something_is_smaller_still() {
        for asset in SHARING {
            let bytes = asset.gzip.expect("it is smaller when compressed").len();
            assert!(bytes <= 3_072, "{} has {bytes} bytes compressed, at most 3,072 are promised", asset.path);
        }
    }
}
