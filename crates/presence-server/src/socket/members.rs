//! Presence by id, as the stock client of the extended protocol has it: the id that others see, and the members.

use std::sync::Arc;

use bytes::Bytes;
use presence_cable::action_cable::PRESENCE_ERROR;
use presence_core::{Found, Members, PublicId, Query, Room, StreamName, SubscriptionId, Tab};

use super::action_cable_context::ActionCableContext;
use crate::hub::{Connection, Frame, Hub, Prefix};
use crate::presence_events::{GUEST, guest_id, members_event};
use crate::queries::Priority;

/// Most members in one answer.
const MEMBERS_MAX: usize = 1_000;
/// How often a query is repeated while users join or leave before its answer is sent.
const TRIES: usize = 8;
/// Longest id in bytes.
const ID_BYTES_MAX: usize = 256;
/// The most that core keeps of a member's display data, in bytes.
const INFO_BYTES_MAX: usize = 1_024;

/// A subscription's presence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct JoinedMember {
    /// The id that the browser asked for.
    pub(super) id: String,
    /// The number under which core knows of it.
    pub(super) subscription: SubscriptionId,
}

/// The id that others see: the wanted one if the site vouches for it, else marked with the guest's id. `None` if it can't
/// be one.
pub(super) fn shown_id(wanted: &str, guest: Option<&PublicId>) -> Option<String> {
    if wanted.is_empty() || wanted.len() > ID_BYTES_MAX {
        return None;
    }
    match guest {
        Some(guest) => Some(format!("{}:{wanted}", guest_id(guest))),
        None => (!wanted.starts_with(GUEST)).then(|| wanted.to_owned()),
    }
}

/// The tab of a member shown by this id with this display data, JSON text; `None` if that is too long.
pub(super) fn tab(id: &str, info: &str) -> Option<Tab> {
    let id = serde_json::to_string(id).expect("text is always JSON");
    let info = format!(r#"{{"id":{id},"info":{info}}}"#).into_bytes();
    (info.len() <= INFO_BYTES_MAX).then_some(Tab { info, draws: false, ..Tab::page() })
}

/// A subscription's query for the members.
pub(super) struct MembersQuery {
    pub(super) context: Arc<ActionCableContext>,
    pub(super) hub: Arc<Hub>,
    pub(super) connection: Arc<Connection>,
    pub(super) prefix: Prefix,
    pub(super) stream: StreamName,
    pub(super) room: Option<Room>,
}

impl MembersQuery {
    /// Sends the answer, once the driver has found it.
    pub(super) async fn answer(&self) {
        for tries_left in (0..TRIES).rev() {
            let events = self.hub.presence_events(&self.stream);
            let Some(found) = self.query().await else { break };
            let (members, unless_more_than) = (members_event(&found), (tries_left > 0).then_some(events));
            let subscriber = (&self.prefix, &self.connection);
            if self.hub.send_members(&self.stream, unless_more_than, subscriber, &members) {
                return;
            }
        }
        let error = Frame::message(self.prefix.as_str(), &Bytes::from_static(PRESENCE_ERROR.as_bytes()));
        self.connection.send(&error, self.hub.now_ms());
    }

    async fn query(&self) -> Option<Members> {
        let room = self.room.clone()?;
        let query = Query::Members { room, after: None, most: MEMBERS_MAX, region: None };
        let found = self.context.queries.ask(query, Priority::Ordinary).await?;
        if let Found::Members(found) = found { Some(found) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use presence_cable::Record;

    use super::*;
    use crate::presence_events::record;

    const PUBLIC: PublicId = PublicId([0xab; 32]);

    #[test]
    fn what_is_joined_is_what_others_are_sent() {
        let shown = shown_id("u\"1", None).unwrap();
        let tab = tab(&shown, r#"{"name":"Ann"}"#).unwrap();
        assert!(!tab.draws && tab.proven && tab.visible);
        let ann = Record { id: "u\"1".to_owned(), info: r#"{"name":"Ann"}"#.to_owned() };
        assert_eq!(record(&tab.info, &PUBLIC), ann);
    }

    #[test]
    fn a_guest_can_take_no_other_users_id() {
        assert_eq!(shown_id("u1", Some(&PUBLIC)).unwrap(), "guest:abababababababab:u1");
        for (wanted, guest) in [("", None), ("", Some(&PUBLIC)), ("guest:abababababababab:u1", None), ("guest:", None)]
        {
            assert_eq!(shown_id(wanted, guest), None, "{wanted}");
        }
        assert_eq!(shown_id(&"x".repeat(257), None), None);
        assert_eq!(tab("u1", &format!("\"{}\"", "x".repeat(1_024))), None);
    }
}
