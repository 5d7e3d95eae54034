//! What an embed's visitor shows the others of a room, and is sent of theirs: cursors, reactions, names.

use presence_cable::presence_v1::{self, PresenceV1, error, person_key, share_key, sharing};
use presence_core::{Input, Room, SubscriptionId};
use serde_json::{Value, json};

use super::EmbedSession;
use crate::hub::{Connection, Hub, Prefix, Subscriber};
use crate::identity::sha256;
use crate::socket::session::SessionBase;

/// Longest value, as JSON, in bytes: as long as a node keeps it.
const VALUE_BYTES_MAX: usize = 256;
/// Longest name that others are shown, in characters: it is short enough for a value however it is escaped.
const NAME_CHARS_MAX: usize = 40;

/// A page's subscription to what a room's users share.
pub(super) struct SharesListener {
    id: SubscriptionId,
    prefix: Prefix,
}

impl SharesListener {
    pub(super) fn end(&self, room: &Room, hub: &Hub, connection: &Connection) {
        hub.ignore_shares(room, &self.prefix, connection);
        connection.unsubscribe(self.id);
    }
}

impl EmbedSession {
    /// Sends the page what the room's users share from now on; all of it at once, also where it listens already.
    pub(super) fn listen_shares(&mut self, name: &str) {
        let Some(index) = self.session.position(&presence_v1::prefix(name)) else {
            return self.session.send(&error(400, "Join a room before you listen to what its users share."));
        };
        let room = self.session.subscriptions[index].to.room.clone();
        if let Some(shares) = &self.session.subscriptions[index].to.shares {
            let SessionBase { hub, connection, .. } = &self.session;
            return hub.tell_shares(&room, shares.id, connection, &self.context.views);
        }
        let prefix = self.session.hub.prefix(&PresenceV1, presence_v1::shares_prefix(name));
        let shares = SharesListener { id: self.session.number(), prefix };
        let SessionBase { hub, connection, .. } = &self.session;
        let subscriber = Subscriber { connection, subscription: shares.id, prefix: &shares.prefix };
        hub.listen_shares(&room, &subscriber, &self.context.views);
        self.session.subscriptions[index].to.shares = Some(shares);
        self.introduce(index);
    }

    /// Tells a page that listens which user it is, and the others who it is: once it is counted, too.
    pub(super) fn introduce(&mut self, index: usize) {
        let joined = &self.session.subscriptions[index];
        let (Some(user), Some(_)) = (joined.to.counted, &joined.to.shares) else { return };
        let room = joined.to.room.clone();
        self.session.send(&sharing(joined.prefix.as_str(), &user.public(&room, sha256)));
        if let Some(value) = joined.to.person.clone() {
            self.session.inputs.push(Input::Shared { room, user, key: person_key(), value });
        }
    }

    /// Shows the room's others a value.
    pub(super) fn share(&mut self, name: &str, key: &str, value: &Value) {
        let refuse = |detail: &str| error(400, detail);
        let key = match share_key(key) {
            Ok(key) => key,
            Err(wrong) => return self.session.send(&refuse(&wrong.to_string())),
        };
        let value = if value.is_null() { Vec::new() } else { value.to_string().into_bytes() };
        if value.len() > VALUE_BYTES_MAX {
            return self.session.send(&refuse("A value has at most 256 bytes of JSON."));
        }
        // A visitor who is not counted yet is not shown yet either.
        let Some(index) = self.session.position(&presence_v1::prefix(name)) else { return };
        let joined = &self.session.subscriptions[index].to;
        if let Some(user) = joined.counted {
            let room = joined.room.clone();
            self.session.inputs.push(Input::Shared { room, user, key, value });
        }
    }
}

/// What the others are told of a signed visitor: the name, and the picture if its address is short enough.
pub(super) fn person(info: &[u8]) -> Option<Vec<u8>> {
    let info: Value = serde_json::from_slice(info).ok()?;
    let name = info.get("name")?.as_str()?;
    let name: String = name.chars().filter(|letter| !letter.is_control()).take(NAME_CHARS_MAX).collect();
    let name = name.trim();
    let web = |address: &&str| address.starts_with("https://") || address.starts_with("http://");
    let avatar = info.get("avatar").and_then(Value::as_str).filter(web);
    let with = avatar.map(|avatar| json!({"name": name, "avatar": avatar}).to_string());
    let person = with.filter(|person| person.len() <= VALUE_BYTES_MAX).unwrap_or(json!({"name": name}).to_string());
    (!name.is_empty()).then(|| person.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(info: &str) -> Option<String> {
        person(info.as_bytes()).map(|person| String::from_utf8(person).unwrap())
    }

    #[test]
    fn others_are_told_a_name_and_a_picture_and_nothing_else() {
        let info = r#"{"name":"Ann","mail":"ann@shop.example","avatar":"https://shop.example/ann.png"}"#;
        assert_eq!(told(info).unwrap(), r#"{"avatar":"https://shop.example/ann.png","name":"Ann"}"#);
        assert_eq!(told(r#"{"name":" Bo\n","avatar":"javascript:alert(1)"}"#).unwrap(), r#"{"name":"Bo"}"#);
        for unnamed in ["", "7", "{}", r#"{"name":7}"#, r#"{"name":" "}"#] {
            assert_eq!(told(unnamed), None, "{unnamed}");
        }
    }

    #[test]
    fn what_others_are_told_is_short() {
        let long = json!({"name": "𝒜".repeat(80), "avatar": format!("https://{}", "a".repeat(300))}).to_string();
        let person = person(long.as_bytes()).unwrap();
        assert!(person.len() <= VALUE_BYTES_MAX);
        assert_eq!(serde_json::from_slice::<Value>(&person).unwrap(), json!({"name": "𝒜".repeat(NAME_CHARS_MAX)}));
    }
}
