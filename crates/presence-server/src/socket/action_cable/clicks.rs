//! Clicks: what the browser sent and who sent it become a click of the app's, and what the app says becomes an input.

use std::time::Duration;

use presence_cable::action_cable::{self, FormTooLong, ReflexCall, reflex_call};
use presence_core::{Click, Input, Outcome, ReflexError};
use tokio::time::Instant;

use super::super::session::Subscription;
use super::super::subscription_target::SubscriptionTarget;
use super::ActionCableSession;
use crate::config::is_reserved;
use crate::identity::sha256;
use crate::traces::SpanName;

/// How long reading pauses after a click that was halted: halting is not free either.
const HALTED_PAUSE: Duration = Duration::from_millis(10);

impl ActionCableSession {
    /// Takes a click, or halts one too many: then it returns how long reading pauses. Fails if it is no click that could be
    /// answered.
    pub(super) fn click(&mut self, key: &str, data: &str) -> Result<Option<Duration>, String> {
        let position = self.session.position(&action_cable::prefix(key));
        let known = position.map(|index| &self.session.subscriptions[index]);
        let (Some(Subscription { id, to: SubscriptionTarget::Reflex(room), .. }), Some(user)) =
            (known, self.user.known())
        else {
            return Err("there is no reflex channel with this key".to_owned());
        };
        let ReflexCall { target, attributes, form, echo } = reflex_call(data).map_err(|error| error.to_string())?;
        let connection = &self.session.connection;
        if !self.clicks.try_spend(Instant::now()) {
            connection.answer(*id, &Outcome::Halted, &echo, self.session.hub.now_ms());
            return Ok(Some(HALTED_PAUSE));
        }
        let trace = self.context.traces.begin(SpanName::Click, self.trace.as_deref());
        let views = &self.context.views;
        let asked = |form| {
            let (public, region, now_ms) = (user.public(room, sha256), views.here().clone(), views.now_ms());
            let signed = self.signed.clone();
            let click = Click { target, attributes, form, user, public, region, now_ms, signed };
            self.context.app.reflex(&click, &views.room_or_empty(room))
        };
        let refused = |FormTooLong { fields_max }| ReflexError::FormTooLong { fields_max };
        let writes = match is_reserved(room.as_str()) {
            // Facts there are this server's own: they say, for example, which sites may embed it.
            true => Err(ReflexError::Refused("This room is the server's own.".to_owned())),
            false => form.map_err(refused).and_then(asked),
        };
        let (connection, subscription, room) = (connection.id, *id, room.clone());
        self.session.inputs.push(Input::Clicked { connection, subscription, room, user, echo, writes, trace });
        Ok(None)
    }
}
