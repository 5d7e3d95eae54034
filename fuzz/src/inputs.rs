//! Inputs that are nearly valid: valid ones with a part replaced, cut off, or followed by a part of another.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Pieces that mean something to parsers of JSON, of addresses and of headers.
const TOKENS: [&str; 30] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "-1e999",
    "18446744073709551616",
    "é",
    "%",
    "%2F",
    "%ff",
    "//",
    "..",
    "?",
    "&",
    "=",
    ";",
    ".",
    "--",
    "-",
    " ",
    "\u{301}",
    "999999999999",
    "[::1]",
];

/// A piece of text that means something, or any character.
pub fn token() -> impl Strategy<Value = String> {
    prop_oneof![select(TOKENS.to_vec()).prop_map(str::to_owned), any::<char>().prop_map(String::from)]
}

/// One of these texts with a part replaced, or its beginning with the end of another.
pub fn changed_text(corpus: Vec<String>) -> impl Strategy<Value = String> {
    let ends = (any::<Index>(), 0_usize..40, proptest::collection::vec(token(), 0..4));
    (select(corpus.clone()), select(corpus), ends, any::<bool>()).prop_map(
        |(text, other, (from, length, put), join)| {
            let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let start = from.index(boundaries.len());
            let end = (start + length).min(boundaries.len() - 1);
            let rest = if join { other.as_str() } else { &text[boundaries[end]..] };
            format!("{}{}{rest}", &text[..boundaries[start]], put.concat())
        },
    )
}

/// One of these with a part replaced, or its beginning with the end of another.
pub fn changed_bytes(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let ends = (any::<Index>(), 0_usize..8, proptest::collection::vec(any::<u8>(), 0..8));
    (select(corpus.clone()), select(corpus), ends, any::<bool>()).prop_map(
        |(bytes, other, (from, length, put), join)| {
            let start = from.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            let rest = if join { &other[start.min(other.len())..] } else { &bytes[end..] };
            [&bytes[..start], &put, rest].concat()
        },
    )
}
