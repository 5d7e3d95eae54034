//! Who has come and who has gone, told to those who listen; folded where many come and go, or a large room would cost
//! each of its visitors all of the others' comings and goings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use presence_cable::{arrived, left};
use presence_core::{Found, Query, Room, StreamName, UserId};

use crate::hub::Hub;
use crate::identity::sha256;
use crate::queries::Queries;
use crate::socket::{Known, who};
use crate::views::Views;

/// In a room of more, only how many there are is told.
const LARGE: u32 = 1_000;
/// How often that is told at most.
const EVERY: Duration = Duration::from_secs(1);
/// So many members are named with it: the client takes what it is told for an answer to its question.
const NAMED: usize = 5;

/// Tells presence events.
pub(crate) struct PresenceEvents {
    hub: Arc<Hub>,
    views: Arc<Views>,
    queries: Queries,
    /// Rooms of which something was told within the last second, and whether there is more to tell.
    folding: Arc<Mutex<HashMap<Room, bool>>>,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PresenceEvent {
    /// A user has come.
    Arrived,
    /// A user has gone.
    Left,
}

impl PresenceEvents {
    pub(crate) fn new(hub: Arc<Hub>, views: Arc<Views>, queries: Queries) -> Self {
        Self { hub, views, queries, folding: Arc::default() }
    }

    /// Tells whoever listens. Never waits.
    pub(crate) fn tell(&self, event: PresenceEvent, room: &Room, user: &UserId, info: &[u8]) {
        let Some(stream) = StreamName::new(room.as_str()).filter(|stream| self.hub.hears_presence(stream)) else {
            return;
        };
        if self.views.room(room).is_some_and(|view| view.users > LARGE) {
            return self.fold(room, stream);
        }
        let known = Known::new(info, &user.public(room, sha256));
        let body = match event {
            PresenceEvent::Arrived => arrived(known.record()),
            PresenceEvent::Left => left(known.record().id),
        };
        self.hub.tell_presence(&stream, body.into());
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
                let what = Query::Members { room: room.clone(), after: None, most: NAMED, region: None };
                if let Some(Found::Members(found)) = queries.ask(what).await {
                    hub.tell_presence(&stream, who(&found).into());
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
