//! The browsers' side, made by `build.rs` and carried in every program: without it each app would bundle its own.

use std::borrow::Cow;

use bytes::Bytes;

use crate::Asset;

include!(concat!(env!("OUT_DIR"), "/client.rs"));
