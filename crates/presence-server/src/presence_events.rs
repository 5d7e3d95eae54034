//! Joins and leaves, sent to those who listen; folded in a large room, or each of its visitors would be sent those of all
//! others.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use presence_cable::{PresenceEvent, Record};
use presence_core::{Found, Members, PublicId, Query, Room, StreamName, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::hub::Hub;
use crate::identity::sha256;
use crate::queries::Queries;
use crate::views::Views;

/// In a room with more users, only their number is sent.
const LARGE: u32 = 1_000;
/// How often that is sent at most.
const EVERY: Duration = Duration::from_secs(1);
/// How many members are named with it: the client takes the event for an answer to its query.
const NAMED: usize = 5;
/// What the records of one event may take in bytes: the rest is left out, and the event says that it is coarse.
const RECORDS_BYTES_MAX: usize = 64 * 1_024;
/// How the ids of users begin that no site vouches for: an id that a site gave can't begin like this.
pub(crate) const GUEST: &str = "guest:";
/// How many digits of a user's id for a room are shown where no other id is known.
const DIGITS: usize = 16;

/// Sends presence events.
pub(crate) struct PresenceEvents {
    hub: Arc<Hub>,
    views: Arc<Views>,
    queries: Queries,
    /// Rooms of which an event was sent within the last second, and whether more has happened.
    folding: Arc<Mutex<HashMap<Room, bool>>>,
}

impl PresenceEvents {
    pub(crate) fn new(hub: Arc<Hub>, views: Arc<Views>, queries: Queries) -> Self {
        Self { hub, views, queries, folding: Arc::default() }
    }

    /// Sends that a user joined. Never waits.
    pub(crate) fn joined(&self, room: &Room, user: &UserId, info: &[u8]) {
        self.tell(room, || PresenceEvent::Joined(record(info, &user.public(room, sha256))));
    }

    /// Sends that a user left. Never waits.
    pub(crate) fn left(&self, room: &Room, user: &UserId, info: &[u8]) {
        self.tell(room, || PresenceEvent::Left(record(info, &user.public(room, sha256)).id));
    }

    fn tell(&self, room: &Room, event: impl FnOnce() -> PresenceEvent) {
        let Some(stream) = StreamName::new(room.as_str()).filter(|stream| self.hub.hears_presence(stream)) else {
            return;
        };
        if self.views.room(room).is_some_and(|view| view.users > LARGE) {
            return self.fold(room, stream);
        }
        self.hub.tell_presence(&stream, event());
    }

    fn fold(&self, room: &Room, stream: StreamName) {
        if let Some(more) = self.folding.lock().get_mut(room) {
            *more = true;
            return;
        }
        self.folding.lock().insert(room.clone(), false);
        let (hub, queries, folding, room) =
            (Arc::clone(&self.hub), self.queries.clone(), Arc::clone(&self.folding), room.clone());
        tokio::spawn(async move {
            loop {
                let query = Query::Members { room: room.clone(), after: None, most: NAMED, region: None };
                if let Some(Found::Members(found)) = queries.ask(query).await {
                    hub.tell_presence(&stream, members_event(&found));
                }
                tokio::time::sleep(EVERY).await;
                let mut folding = folding.lock();
                match folding.get_mut(&room) {
                    Some(more @ true) => *more = false,
                    Some(false) | None => {
                        folding.remove(&room);
                        return;
                    }
                }
            }
        });
    }
}

/// The members, as far as their records fit.
pub(crate) fn members_event(found: &Members) -> PresenceEvent {
    let mut bytes = 0;
    let records = found.members.iter().map(|member| record(&member.info, &member.public)).take_while(|record| {
        bytes += record.id.len() + record.info.len() + 32;
        bytes <= RECORDS_BYTES_MAX
    });
    PresenceEvent::Members { total: found.total as u64, records: records.collect() }
}

/// Display data of a user who joined by an id.
#[derive(Deserialize)]
struct Info<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    info: &'a RawValue,
}

/// A user as others see them. A user who did not join by an id has one all the same: the one that the room's pages show.
pub(crate) fn record(info: &[u8], public: &PublicId) -> Record {
    let text = std::str::from_utf8(info).ok();
    if let Some(Info { id, info }) = text.and_then(|text| serde_json::from_str(text).ok()) {
        return Record { id: id.into_owned(), info: info.get().to_owned() };
    }
    let json = text.filter(|text| serde_json::from_str::<&RawValue>(text).is_ok());
    Record { id: guest_id(public), info: json.unwrap_or("null").to_owned() }
}

/// The id of a user that no site vouches for.
pub(crate) fn guest_id(public: &PublicId) -> String {
    format!("{GUEST}{}", &public.long()[..DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_who_joined_in_another_way_has_a_record_too() {
        for (info, told) in
            [(&b""[..], "null"), (b"\xff", "null"), (b"not json", "null"), (b"[1]", "[1]"), (b"{}", "{}")]
        {
            let guest = Record { id: "guest:abababababababab".to_owned(), info: told.to_owned() };
            assert_eq!(record(info, &PublicId([0xab; 32])), guest);
        }
    }
}
