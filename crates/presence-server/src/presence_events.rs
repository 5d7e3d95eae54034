//! Join and leave events for subscribers of a room. In a large room, a summary once a second replaces them, since otherwise
//! every visitor would be sent the events of all others; and wherever they come faster than they can be written.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use presence_cable::{PresenceEvent, Record};
use presence_core::{Found, Members, PublicId, Query, Room, StreamName, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::runtime::Handle;

use crate::hub::Hub;
use crate::identity::sha256;
use crate::queries::{Priority, Queries};
use crate::streams::stream_of_room;
use crate::views::Views;

/// A room with more users is large.
const LARGE: u32 = 1_000;
/// The interval of summaries.
const SUMMARY_EVERY: Duration = Duration::from_secs(1);
/// Members in a summary, which the client takes for an answer to a query.
const SUMMARY_MEMBERS: usize = 5;
/// What the records of one event may take in bytes: the rest is left out, and the event says that it is coarse.
const RECORDS_BYTES_MAX: usize = 64 * 1_024;
/// The prefix of ids of users that no site vouches for. No id from a site starts with it.
pub(crate) const GUEST: &str = "guest:";
/// How many digits of a user's id for a room are shown if no other id is known.
const DIGITS: usize = 16;

/// Sends presence events.
pub(crate) struct PresenceEvents {
    hub: Arc<Hub>,
    views: Arc<Views>,
    queries: Queries,
    /// Where summaries are made.
    runtime: Handle,
    /// Rooms with a summary within the last second: large ones, and those whose events found no room.
    summaries: Arc<Mutex<HashMap<Room, Summary>>>,
}

/// Whether a room has changed since its last summary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Summary {
    Current,
    Outdated,
}

impl PresenceEvents {
    /// On the current runtime.
    pub(crate) fn new(hub: Arc<Hub>, views: Arc<Views>, queries: Queries) -> Self {
        Self { hub, views, queries, runtime: Handle::current(), summaries: Arc::default() }
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
        let Some(stream) = stream_of_room(room).filter(|stream| self.hub.hears_presence(stream)) else {
            return;
        };
        let large = self.views.room(room).is_some_and(|view| view.users > LARGE);
        if large || self.summaries.lock().contains_key(room) || !self.hub.tell_presence(&stream, event()) {
            self.summarize(room, stream);
        }
    }

    fn summarize(&self, room: &Room, stream: StreamName) {
        if let Some(summary) = self.summaries.lock().get_mut(room) {
            *summary = Summary::Outdated;
            return;
        }
        self.summaries.lock().insert(room.clone(), Summary::Current);
        let (hub, views, queries) = (Arc::clone(&self.hub), Arc::clone(&self.views), self.queries.clone());
        let (summaries, room) = (Arc::clone(&self.summaries), room.clone());
        self.runtime.spawn(async move {
            loop {
                let large = views.room(&room).is_some_and(|view| view.users > LARGE);
                let most = if large { SUMMARY_MEMBERS } else { LARGE as usize };
                let query = Query::Members { room: room.clone(), after: None, most, region: None };
                let told = match queries.ask(query, Priority::Ordinary).await {
                    Some(Found::Members(found)) => hub.tell_presence(&stream, members_event(&found)),
                    _ => true,
                };
                tokio::time::sleep(SUMMARY_EVERY).await;
                let mut summaries = summaries.lock();
                match summaries.get_mut(&room) {
                    Some(Summary::Current) if !told => {}
                    Some(summary @ Summary::Outdated) => *summary = Summary::Current,
                    Some(Summary::Current) | None => {
                        summaries.remove(&room);
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

/// A user as others see them. A user who joined without an id gets the one that the room's pages show.
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
