//! Who somebody is present as, and who is there, in the words of the stock client; without it nobody could join by id.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use presence_cable::{Identifier, PRESENCE_ERROR, Record, present};
use presence_core::{Found, Members, PublicId, Query, Room, StreamName, SubscriptionId, Tab};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::cable_context::Cable;
use crate::hub::{Connection, Frame, Hub};

/// Most members in one answer.
const MEMBERS_MAX: usize = 1_000;
/// What the records of one answer may take in bytes: the rest is left out, and the answer says that it is coarse.
const RECORDS_BYTES_MAX: usize = 64 * 1_024;
/// So often it is asked anew where somebody comes or goes while the answer is on its way.
const TRIES: usize = 8;
/// Longest id in bytes.
const ID_BYTES_MAX: usize = 256;
/// What core keeps of a member's display data at most, in bytes.
const INFO_BYTES_MAX: usize = 1_024;
/// Delivery ids of those begin whom nobody vouches for: an id that a site gave can't begin so.
const GUEST: &str = "guest:";
/// So many digits of somebody's id for a room are shown where no other id is known.
const DIGITS: usize = 16;

/// A subscription's presence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Member {
    /// As the browser said it.
    pub(super) id: String,
    /// Under which core knows of it.
    pub(super) subscription: SubscriptionId,
}

/// The id that others see: as it was asked for where the site vouches for it, else marked with who asked. `None` where
/// it can't be one.
pub(super) fn shown(asked: &str, guest: Option<&PublicId>) -> Option<String> {
    if asked.is_empty() || asked.len() > ID_BYTES_MAX {
        return None;
    }
    match guest {
        Some(guest) => Some(format!("{GUEST}{}:{asked}", &guest.long()[..DIGITS])),
        None => (!asked.starts_with(GUEST)).then(|| asked.to_owned()),
    }
}

/// The part in the room of who is shown by this id with this display data, JSON text; `None` where that is too long.
pub(super) fn tab(id: &str, info: &str) -> Option<Tab> {
    let id = serde_json::to_string(id).expect("text is always JSON");
    let info = format!(r#"{{"id":{id},"info":{info}}}"#).into_bytes();
    (info.len() <= INFO_BYTES_MAX).then_some(Tab { info, visible: true, proven: true, draws: false })
}

/// Somebody of a room as stock clients are told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Known<'a> {
    id: Cow<'a, str>,
    info: &'a str,
}

#[derive(Deserialize)]
struct Info<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    info: &'a RawValue,
}

impl<'a> Known<'a> {
    /// Who did not come by a stock client has an id all the same: what the room's other visitors see.
    pub(crate) fn new(info: &'a [u8], public: &PublicId) -> Self {
        let text = std::str::from_utf8(info).ok();
        if let Some(Info { id, info }) = text.and_then(|text| serde_json::from_str(text).ok()) {
            return Self { id, info: info.get() };
        }
        let json = text.filter(|text| serde_json::from_str::<&RawValue>(text).is_ok());
        Self { id: format!("{GUEST}{}", &public.long()[..DIGITS]).into(), info: json.unwrap_or("null") }
    }

    pub(crate) fn record(&self) -> Record<'_> {
        Record { id: &self.id, info: self.info }
    }
}

/// Somebody wants to know who is there.
pub(super) struct Question {
    pub(super) cable: Arc<Cable>,
    pub(super) hub: Arc<Hub>,
    pub(super) connection: Arc<Connection>,
    pub(super) identifier: Identifier,
    pub(super) stream: StreamName,
}

impl Question {
    /// Says it, once the driver has said it.
    pub(super) async fn answer(&self) {
        for tries_left in (0..TRIES).rev() {
            let arrivals = self.hub.arrivals(&self.stream);
            let Some(found) = self.ask().await else { break };
            let frame = Frame::message(self.identifier.opening(), &who(&found).into());
            let unless = (tries_left > 0).then_some(arrivals);
            if self.hub.send_present(&self.stream, unless, &frame, &self.connection) {
                return;
            }
        }
        let error = Frame::message(self.identifier.opening(), &Bytes::from_static(PRESENCE_ERROR.as_bytes()));
        self.connection.send(&error, self.hub.now_ms());
    }

    async fn ask(&self) -> Option<Members> {
        let room = Room::new(self.stream.as_str())?;
        match self.cable.queries.ask(Query::Members { room, after: None, most: MEMBERS_MAX, region: None }).await? {
            Found::Members(found) => Some(found),
            Found::Busiest(_) | Found::Below(_) => None,
        }
    }
}

/// The body that says who is there, as far as that fits.
pub(crate) fn who(found: &Members) -> String {
    let known: Vec<Known<'_>> = found.members.iter().map(|member| Known::new(&member.info, &member.public)).collect();
    let mut bytes = 0;
    let records = known.iter().map(Known::record).take_while(|record| {
        bytes += record.id.len() + record.info.len() + 32;
        bytes <= RECORDS_BYTES_MAX
    });
    present(found.total as u64, &records.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: PublicId = PublicId([0xab; 32]);

    #[test]
    fn what_is_joined_is_what_others_are_told() {
        let shown = shown("u\"1", None).unwrap();
        let tab = tab(&shown, r#"{"name":"Ann"}"#).unwrap();
        assert!(!tab.draws && tab.proven && tab.visible);
        let known = Known::new(&tab.info, &PUBLIC);
        assert_eq!(known.record(), Record { id: "u\"1", info: r#"{"name":"Ann"}"# });
    }

    #[test]
    fn a_guest_can_take_nobodys_id() {
        assert_eq!(shown("u1", Some(&PUBLIC)).unwrap(), "guest:abababababababab:u1");
        for (asked, guest) in [("", None), ("", Some(&PUBLIC)), ("guest:abababababababab:u1", None), ("guest:", None)] {
            assert_eq!(shown(asked, guest), None, "{asked}");
        }
        assert_eq!(shown(&"x".repeat(257), None), None);
        assert_eq!(tab("u1", &format!("\"{}\"", "x".repeat(1_024))), None);
    }

    #[test]
    fn who_came_in_another_way_is_told_of_too() {
        for (info, told) in
            [(&b""[..], "null"), (b"\xff", "null"), (b"not json", "null"), (b"[1]", "[1]"), (b"{}", "{}")]
        {
            let known = Known::new(info, &PUBLIC);
            assert_eq!(known.record(), Record { id: "guest:abababababababab", info: told });
        }
    }
}
