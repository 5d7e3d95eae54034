//! What users of embeds share while they are there: cursors, reactions, and who they are.

use std::collections::BTreeMap;
use std::fmt::Write;

use presence_core::{PublicId, RoomView};

use super::room_in;
use crate::quoted;

/// The keys of embeds begin with this, so that no page writes what an app of the node shares in the same room.
const NAMESPACE: &str = "embed/";
/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 32;
/// A page is sent the values of this many users at most under each key.
const USERS_MAX: usize = 50;
/// How many digits of a user's id tell the users of a room apart.
const ID_DIGITS: usize = 16;
/// The key under which the server, and no page, says who a signed user is.
const PERSON: &str = "person";

/// Why a page may not share under a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ShareError {
    /// It is not a word.
    #[error("A key has 1 to 32 small letters.")]
    NoKey,
    /// Only the site's tokens say who somebody is.
    #[error("Only a token says who a visitor is.")]
    Person,
}

/// The key under which the node keeps what a page shares.
///
/// # Errors
/// The key is none of a page's.
pub fn share_key(key: &str) -> Result<String, ShareError> {
    if !(1..=KEY_BYTES_MAX).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(ShareError::NoKey);
    }
    if key == PERSON { Err(ShareError::Person) } else { Ok(format!("{NAMESPACE}{key}")) }
}

/// The key under which the node keeps who a signed user is.
pub fn person_key() -> String {
    format!("{NAMESPACE}{PERSON}")
}

/// The frame that tells a page which of a room's users it is. The prefix is that of the room's counts.
pub fn sharing(prefix: &str, user: &PublicId) -> String {
    format!(r#"{{"type":"sharing",{},"you":"{}"}}"#, room_in(prefix), id(user))
}

/// The prefix of every `shared` of a room, as the page named it.
pub fn shares_prefix(name: &str) -> String {
    format!(r#"{{"type":"shared","room":{}"#, quoted(name))
}

/// A user, and what they show now; `None`: nothing any longer.
type ChangedShare<'a> = (&'a PublicId, Option<&'a [u8]>);

/// The body of `shared`: what is different from an older view, or all of it; `None` where nothing is.
pub(super) fn shares(before: Option<&RoomView>, after: &RoomView) -> Option<String> {
    let (old, new) = (before.map(values).unwrap_or_default(), values(after));
    let mut changed: BTreeMap<&str, Vec<ChangedShare<'_>>> = BTreeMap::new();
    for (at, value) in &new {
        if old.get(at) != Some(value) {
            changed.entry(at.0).or_default().push((at.1, Some(value)));
        }
    }
    for at in old.keys().filter(|at| !new.contains_key(*at)) {
        changed.entry(at.0).or_default().push((at.1, None));
    }
    if before.is_some() && changed.is_empty() {
        return None;
    }
    let mut body = format!(r#","whole":{},"values":{{"#, before.is_none());
    for (index, (key, users)) in changed.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(body, r#"{comma}{}:{{"#, quoted(key)).expect("writing to a string can't fail");
        for (index, (user, value)) in users.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let value = value.and_then(|value| std::str::from_utf8(value).ok()).unwrap_or("null");
            write!(body, r#"{comma}"{}":{value}"#, id(user)).expect("writing to a string can't fail");
        }
        body.push('}');
    }
    Some(body + "}}")
}

/// The values of embeds that are JSON, by key and user.
fn values(view: &RoomView) -> BTreeMap<(&str, &PublicId), &[u8]> {
    let keys = view.shared.iter().filter_map(|(key, users)| Some((key.strip_prefix(NAMESPACE)?, users)));
    let values = keys.flat_map(|(key, users)| {
        let json = users.iter().filter(|(_, value)| serde_json::from_slice::<serde::de::IgnoredAny>(value).is_ok());
        json.take(USERS_MAX).map(move |(user, value)| ((key, user), value.as_slice()))
    });
    values.collect()
}

fn id(user: &PublicId) -> String {
    user.long()[..ID_DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use presence_core::{Region, Room};
    use serde_json::{Value, json};

    use super::*;

    type Shared<'a> = &'a [(&'a str, u8, &'a str)];

    fn view(shared: Shared<'_>) -> RoomView {
        let mut view = RoomView::empty(Room::new("shop").unwrap(), Region::new("ams").unwrap());
        for (key, user, value) in shared {
            view.shared.entry((*key).to_owned()).or_default().insert(PublicId([*user; 32]), value.as_bytes().to_vec());
        }
        view
    }

    fn sent(before: Option<Shared<'_>>, after: Shared<'_>) -> Option<Value> {
        let body = shares(before.map(view).as_ref(), &view(after))?;
        Some(serde_json::from_str(&format!("{}{body}", shares_prefix("a\"b"))).unwrap())
    }

    #[test]
    fn a_page_is_sent_all_values_once_and_then_what_is_different() {
        let all: Shared<'_> =
            &[("embed/cursor", 1, "[0.5,1]"), ("embed/cursor", 2, "[0,0]"), ("embed/person", 1, "{}")];
        assert_eq!(
            sent(None, all),
            Some(json!({"type": "shared", "room": "a\"b", "whole": true, "values": {
                "cursor": {"0101010101010101": [0.5, 1], "0202020202020202": [0, 0]}, "person": {"0101010101010101": {}}}}))
        );
        assert_eq!(sent(Some(all), all), None);
        let fewer: Shared<'_> = &[("embed/cursor", 1, "[0.6,1]"), ("embed/person", 1, "{}")];
        assert_eq!(
            sent(Some(all), fewer),
            Some(json!({"type": "shared", "room": "a\"b", "whole": false, "values": {
                "cursor": {"0101010101010101": [0.6, 1], "0202020202020202": null}}}))
        );
        assert_eq!(sent(None, &[]), Some(json!({"type": "shared", "room": "a\"b", "whole": true, "values": {}})));
    }

    #[test]
    fn what_apps_share_and_what_is_no_json_is_not_sent() {
        assert_eq!(sent(Some(&[]), &[("held", 1, "7"), ("embed/cursor", 1, "}{"), ("embed/cursor", 2, "")]), None);
    }

    #[test]
    fn the_values_of_a_crowd_are_bounded_and_a_place_that_is_free_is_filled() {
        let crowd: Vec<_> = (0..60).map(|user| ("embed/cursor", user, "1")).collect();
        let whole = sent(None, &crowd).unwrap();
        assert_eq!(whole["values"]["cursor"].as_object().unwrap().len(), USERS_MAX);
        let next = sent(Some(&crowd), &crowd[1..]).unwrap();
        assert_eq!(next["values"]["cursor"], json!({"0000000000000000": null, "3232323232323232": 1}));
    }

    #[test]
    fn a_page_may_share_under_words_of_its_own_but_not_say_who_it_is() {
        assert_eq!(share_key("cursor").as_deref(), Ok("embed/cursor"));
        assert_eq!(share_key("person"), Err(ShareError::Person));
        for wrong in ["", "Cursor", "a/b", "cursör", &"a".repeat(33)] {
            assert_eq!(share_key(wrong), Err(ShareError::NoKey), "{wrong}");
        }
        assert_eq!(
            sharing(&super::super::prefix("a"), &PublicId([0xab; 32])),
            r#"{"type":"sharing","room":"a","you":"abababababababab"}"#
        );
    }
}
