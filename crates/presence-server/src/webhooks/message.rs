//! Webhook messages: JSON, each with an id by which receivers recognize a repeat.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use presence_core::{Report, Room, UserId};
use serde::Serialize;
use serde_json::value::RawValue;

use super::threshold::Crossing;
use crate::identity::sha256;
use crate::rfc3339::rfc3339;

/// One message for all receivers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct WebhookMessage {
    /// The same for the same event, whichever node sends it and however often.
    pub(super) id: String,
    /// Messages about one room arrive in order.
    pub(super) room: Option<Room>,
    /// JSON.
    pub(super) body: Bytes,
}

/// Why a room's state is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoomReason {
    /// The first user has joined.
    Arrived,
    /// The last user has left.
    Left,
    /// Another node sends the webhooks now, or some could not be delivered.
    Resync,
}

/// A user's stay in a room, from which message ids are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RoomVisit {
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

/// The state of a room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct RoomData {
    pub(super) room: String,
    pub(super) users: u32,
    pub(super) reason: RoomReason,
    /// The thresholds that the room is above.
    pub(super) above: Vec<String>,
    /// The resync that this belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resync: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ThresholdData<'a> {
    #[serde(serialize_with = "room_name")]
    pub(super) room: &'a Room,
    pub(super) users: u32,
    pub(super) threshold: &'a str,
}

#[derive(Serialize)]
struct ReportData<'a> {
    room: &'a str,
    value: &'a RawValue,
}

#[derive(Serialize)]
struct ResyncData<'a> {
    resync: &'a str,
    rooms: usize,
}

impl WebhookMessage {
    pub(super) fn member_joined(visit: &RoomVisit, now_ms: u64) -> Self {
        Self::member("member.joined", visit, now_ms)
    }

    pub(super) fn member_left(visit: &RoomVisit, now_ms: u64) -> Self {
        Self::member("member.left", visit, now_ms)
    }

    fn member(kind: &str, visit: &RoomVisit, now_ms: u64) -> Self {
        let data = MemberData {
            room: visit.room.as_str(),
            member: visit.public(),
            since: rfc3339(visit.since_ms),
            info: serde_json::from_slice(&visit.info).ok(),
        };
        Self::new(kind, &visit.id(), Some(&visit.room), &data, now_ms)
    }

    /// `room.occupied` or `room.vacated`. `cause` identifies the event, with the same text on every node.
    pub(super) fn room(room: &Room, data: &RoomData, cause: &str, now_ms: u64) -> Self {
        let kind = if data.users > 0 { "room.occupied" } else { "room.vacated" };
        Self::new(kind, cause, Some(room), data, now_ms)
    }

    /// `room.above` or `room.below`.
    pub(super) fn threshold(crossing: Crossing, data: &ThresholdData<'_>, cause: &str, now_ms: u64) -> Self {
        let kind = match crossing {
            Crossing::Above => "room.above",
            Crossing::Below => "room.below",
        };
        Self::new(kind, &format!("{cause}\0{}", data.threshold), Some(data.room), data, now_ms)
    }

    /// `resync.started`: this number of rooms follows; all others are empty.
    pub(super) fn resync(resync: &str, rooms: usize, now_ms: u64) -> Self {
        Self::new("resync.started", resync, None, &ResyncData { resync, rooms }, now_ms)
    }

    /// `report.…`, of an app.
    pub(super) fn report(room: &Room, report: &Report, now_ms: u64) -> Self {
        let value = serde_json::from_str(report.json()).expect("a report is JSON");
        let data = ReportData { room: room.as_str(), value };
        Self::new(&report_kind(report), report.json(), Some(room), &data, now_ms)
    }

    /// The id of a report's message.
    pub(super) fn report_id(room: &Room, report: &Report) -> String {
        Self::id(&report_kind(report), Some(room), report.json())
    }

    fn id(kind: &str, room: Option<&Room>, cause: &str) -> String {
        format!("msg_{}", digest(&[kind, room.map_or("", Room::as_str), cause]))
    }

    fn new(kind: &str, cause: &str, room: Option<&Room>, data: &impl Serialize, now_ms: u64) -> Self {
        let envelope = Envelope { r#type: kind, timestamp: rfc3339(now_ms), data };
        let body = serde_json::to_vec(&envelope).expect("texts and numbers are always JSON");
        Self { id: Self::id(kind, room, cause), room: room.cloned(), body: body.into() }
    }
}

impl RoomVisit {
    fn public(&self) -> String {
        self.user.public(&self.room, sha256).long()
    }

    /// The same text on every node.
    pub(super) fn id(&self) -> String {
        format!("{} {}", self.public(), self.since_ms)
    }
}

fn report_kind(report: &Report) -> String {
    format!("report.{}", report.name())
}

fn room_name<S: serde::Serializer>(room: &Room, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(room.as_str())
}

/// The first 128 bits of a hash, in hexadecimal digits.
pub(super) fn digest(parts: &[&str]) -> String {
    let hash = sha256(parts.join("\0").as_bytes());
    HEXLOWER.encode(&hash[..16])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn visit(since_ms: u64) -> RoomVisit {
        let room = Room::new("shop.example/p").unwrap();
        RoomVisit { room, user: UserId([7; 32]), info: br#"{"name":"Ann"}"#.to_vec(), since_ms }
    }

    #[test]
    fn a_member_has_the_rooms_own_id() {
        let message = WebhookMessage::member_joined(&visit(1_795_507_200_123), 1_795_507_200_500);
        let public = UserId([7; 32]).public(&message.room.clone().unwrap(), sha256).long();
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        let data = json!({"room": "shop.example/p", "member": public, "since": "2026-11-24T08:00:00.123Z", "info": {"name": "Ann"}});
        assert_eq!(body, json!({"type": "member.joined", "timestamp": "2026-11-24T08:00:00.500Z", "data": data}));
    }

    #[test]
    fn a_report_has_the_apps_own_data_and_an_id_of_what_it_says() {
        let room = Room::new("auction/lamp").unwrap();
        let fields = |pairs: [(&'static str, u32); 2]| std::collections::HashMap::from(pairs);
        let sold = Report::new("sold", &fields([("euros", 40), ("bids", 2)]));
        let message = WebhookMessage::report(&room, &sold, 1_795_507_200_500);
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        let data = json!({"room": "auction/lamp", "value": {"euros": 40, "bids": 2}});
        assert_eq!(body, json!({"type": "report.sold", "timestamp": "2026-11-24T08:00:00.500Z", "data": data}));
        assert_eq!(message.id, WebhookMessage::report_id(&room, &sold));
        let same = Report::new("sold", &fields([("bids", 2), ("euros", 40)]));
        assert_eq!(message.id, WebhookMessage::report(&room, &same, 0).id);
        let other = Report::new("sold", &fields([("euros", 41), ("bids", 2)]));
        assert_ne!(message.id, WebhookMessage::report_id(&room, &other));
    }

    #[test]
    fn only_the_same_event_has_the_same_id() {
        let joined = |since_ms, now_ms| WebhookMessage::member_joined(&visit(since_ms), now_ms).id;
        assert_eq!(joined(1, 5), joined(1, 6));
        assert_ne!(joined(1, 5), joined(2, 5));
        assert_ne!(joined(1, 5), WebhookMessage::member_left(&visit(1), 5).id);
        assert!(joined(1, 5).starts_with("msg_") && !joined(1, 5).contains('.'));
    }
}
