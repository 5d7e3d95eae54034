//! Every parser of what browsers say, on recorded frames that were changed, cut or joined, and on any text: an error or a
//! value, never a panic.

use std::sync::LazyLock;

use presence_cable::action_cable::{Channel, Command, reflex_call};
use presence_cable::presence_v1::EmbedRequest;
use presence_fuzz::{Property, changed_text, token};

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

#[test]
fn a_recorded_text_that_was_changed_is_taken() {
    Property::RecordedText.holds(&changed_text(CORPUS.clone()), |text| {
        parse_all(&text);
        Ok(())
    });
}

#[test]
fn any_text_is_taken() {
    Property::AnyText.holds(&proptest::collection::vec(token(), 0..60), |tokens| {
        parse_all(&tokens.concat());
        Ok(())
    });
}

#[test]
fn the_corpus_has_frames_of_every_parser() {
    assert!(CORPUS.len() > 30);
    assert!(CORPUS.iter().any(|text| Command::parse(text).is_ok()));
    assert!(CORPUS.iter().any(|text| Channel::parse(text).is_ok()));
    assert!(CORPUS.iter().any(|text| reflex_call(text).is_ok()));
    assert!(CORPUS.iter().any(|text| EmbedRequest::parse(text).is_ok()));
}
