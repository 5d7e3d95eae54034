//! Every parser of what browsers say, on recorded frames that were changed, cut or joined, and on any text: an error or a
//! value, never a panic. `make fuzz` tries a thousand times as many.

use std::sync::LazyLock;

use presence_cable::action_cable::{Channel, Command, reflex_call};
use presence_cable::presence_v1::EmbedRequest;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What was recorded, and what is in it: frames, identifiers, data of clicks.
static CORPUS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut texts = vec![
        r#"{"type":"hello","id":"a","visible":true}"#.to_owned(),
        r#"{"type":"join","room":"/lamp","token":"a.b"}"#.to_owned(),
        r#"{"type":"leave","room":"/lamp"}"#.to_owned(),
        r#"{"type":"visible","visible":false}"#.to_owned(),
    ];
    for (_, event) in super::recorded().into_iter().filter(|(_, event)| event["dir"] == "c2s") {
        let frame = &event["frame"];
        texts.push(frame.to_string());
        texts.extend(["identifier", "data"].into_iter().filter_map(|key| frame[key].as_str()).map(str::to_owned));
    }
    texts.sort();
    texts.dedup();
    texts
});

fn parse_all(text: &str) {
    drop(Command::parse(text));
    drop(Channel::parse(text));
    drop(reflex_call(text));
    drop(EmbedRequest::parse(text));
}

/// Bytes that mean something to a parser of JSON.
fn token() -> impl Strategy<Value = String> {
    let tokens =
        ["{", "}", "[", "]", "\"", ":", ",", "\\", "\\u0000", "\\ud800", "null", "-1e999", "18446744073709551616", "é"];
    prop_oneof![select(tokens.to_vec()).prop_map(str::to_owned), any::<char>().prop_map(String::from)]
}

proptest! {
    #[test]
    fn a_recorded_text_that_was_changed_is_taken(
        which in any::<Index>(), other in any::<Index>(), from in any::<Index>(), length in 0_usize..40, put in token(), join in any::<bool>(),
    ) {
        let text = which.get(&CORPUS);
        let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let start = from.index(boundaries.len());
        let end = (start + length).min(boundaries.len() - 1);
        let (before, after) = (&text[..boundaries[start]], &text[boundaries[end]..]);
        parse_all(&format!("{before}{put}{after}"));
        parse_all(before);
        if join {
            parse_all(&format!("{before}{}", other.get(&CORPUS)));
        }
    }

    #[test]
    fn any_text_is_taken(tokens in proptest::collection::vec(token(), 0..60)) {
        parse_all(&tokens.concat());
    }
}

#[test]
fn the_corpus_has_frames_of_every_parser() {
    assert!(CORPUS.len() > 30);
    assert!(CORPUS.iter().any(|text| Command::parse(text).is_ok()));
    assert!(CORPUS.iter().any(|text| Channel::parse(text).is_ok()));
    assert!(CORPUS.iter().any(|text| reflex_call(text).is_ok()));
    assert!(CORPUS.iter().any(|text| EmbedRequest::parse(text).is_ok()));
}
