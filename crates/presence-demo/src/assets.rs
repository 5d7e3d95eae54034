//! The files that the page refers to, made by `build.rs` and carried in the binary.

use presence_server::Asset;

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// All of them.
pub fn files() -> &'static [Asset] {
    &FILES
}
