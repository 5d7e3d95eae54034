//! What the server does, by behaviour; one binary, so that it is linked once.

#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

mod mesh;
