//! What is told, as JSON, each with an id by which a repeat is known; without ids a receiver would count some twice.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use presence_core::{Room, UserId};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::identity::sha256;
use crate::rfc3339::rfc3339;

/// One message for receivers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Letter {
    /// The same for the same happening, whichever node tells of it, and however often.
    pub(super) id: String,
    /// Whose order it keeps: what happens in one room is told in turn.
    pub(super) room: Option<Room>,
    /// JSON.
    pub(super) body: Bytes,
}

/// Why a room's state is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reason {
    /// Somebody came into an empty room.
    Arrived,
    /// The last one has left.
    Left,
    /// Another node has begun to tell, or something could not be told.
    Resync,
}

/// What happened to whom: it makes ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Passage {
    pub(super) room: Room,
    pub(super) user: UserId,
    pub(super) info: Vec<u8>,
    pub(super) since_ms: u64,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    r#type: &'a str,
    timestamp: String,
    data: T,
}

#[derive(Serialize)]
struct MemberData<'a> {
    room: &'a str,
    member: String,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Box<RawValue>>,
}

/// How a room is, or how it became.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct RoomData {
    pub(super) room: String,
    pub(super) users: u32,
    pub(super) reason: Reason,
    /// The thresholds that the room is above.
    pub(super) above: Vec<String>,
    /// Which resync this belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resync: Option<String>,
}

#[derive(Serialize)]
struct ThresholdData<'a> {
    room: &'a str,
    users: u32,
    threshold: &'a str,
}

#[derive(Serialize)]
struct ResyncData<'a> {
    resync: &'a str,
    rooms: usize,
}

impl Letter {
    /// `member.joined` or `member.left`.
    pub(super) fn member(passage: &Passage, joined: bool, now_ms: u64) -> Self {
        let kind = if joined { "member.joined" } else { "member.left" };
        let data = MemberData {
            room: passage.room.as_str(),
            member: passage.public(),
            since: rfc3339(passage.since_ms),
            info: serde_json::from_slice(&passage.info).ok(),
        };
        Self::new(kind, &passage.name(), Some(&passage.room), &data, now_ms)
    }

    /// `room.occupied`, or `room.vacated` where nobody is. `because` names what made it so, the same on every node.
    pub(super) fn room(room: &Room, data: &RoomData, because: &str, now_ms: u64) -> Self {
        let kind = if data.users > 0 { "room.occupied" } else { "room.vacated" };
        Self::new(kind, because, Some(room), data, now_ms)
    }

    /// `room.above` or `room.below`.
    pub(super) fn threshold(room: &Room, users: u32, threshold: &str, above: bool, because: &str, now_ms: u64) -> Self {
        let kind = if above { "room.above" } else { "room.below" };
        let data = ThresholdData { room: room.as_str(), users, threshold };
        Self::new(kind, &format!("{because}\0{threshold}"), Some(room), &data, now_ms)
    }

    /// `resync.started`: so many rooms follow; what is not among them is empty.
    pub(super) fn resync(resync: &str, rooms: usize, now_ms: u64) -> Self {
        Self::new("resync.started", resync, None, &ResyncData { resync, rooms }, now_ms)
    }

    fn new(kind: &str, because: &str, room: Option<&Room>, data: &impl Serialize, now_ms: u64) -> Self {
        let envelope = Envelope { r#type: kind, timestamp: rfc3339(now_ms), data };
        let body = serde_json::to_vec(&envelope).expect("texts and numbers are always JSON");
        let name = room.map_or("", Room::as_str);
        Self { id: format!("msg_{}", digest(&[kind, name, because])), room: room.cloned(), body: body.into() }
    }
}

impl Passage {
    fn public(&self) -> String {
        self.user.public(&self.room, sha256).long()
    }

    /// This user's stay in this room, as every node names it.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.public(), self.since_ms)
    }
}

/// 128 bits of a hash of texts, in hexadecimal digits.
pub(super) fn digest(parts: &[&str]) -> String {
    let hash = sha256(parts.join("\0").as_bytes());
    HEXLOWER.encode(&hash[..16])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn passage(since_ms: u64) -> Passage {
        let room = Room::new("shop.example/p").unwrap();
        Passage { room, user: UserId([7; 32]), info: br#"{"name":"Ann"}"#.to_vec(), since_ms }
    }

    #[test]
    fn a_member_is_told_by_the_rooms_own_id() {
        let letter = Letter::member(&passage(1_795_507_200_123), true, 1_795_507_200_500);
        let public = UserId([7; 32]).public(&letter.room.clone().unwrap(), sha256).long();
        let body: Value = serde_json::from_slice(&letter.body).unwrap();
        let data = json!({"room": "shop.example/p", "member": public, "since": "2026-11-24T08:00:00.123Z", "info": {"name": "Ann"}});
        assert_eq!(body, json!({"type": "member.joined", "timestamp": "2026-11-24T08:00:00.500Z", "data": data}));
    }

    #[test]
    fn the_same_happening_has_the_same_id_and_no_other_has() {
        let id = |since_ms, joined, now_ms| Letter::member(&passage(since_ms), joined, now_ms).id;
        assert_eq!(id(1, true, 5), id(1, true, 6));
        assert_ne!(id(1, true, 5), id(2, true, 5));
        assert_ne!(id(1, true, 5), id(1, false, 5));
        assert!(id(1, true, 5).starts_with("msg_") && !id(1, true, 5).contains('.'));
    }
}
