//! Whether the page of a session is visible.

use presence_core::Input;

use super::super::subscription_target::SubscriptionTarget;
use super::ActionCableSession;

impl ActionCableSession {
    /// A hidden page is not looking at the rooms that it is in.
    pub(super) fn set_visible(&mut self, visible: bool) {
        if std::mem::replace(&mut self.visible, visible) == visible {
            return;
        }
        let connection = self.session.connection.id;
        let present = self.session.subscriptions.iter().filter_map(|known| match &known.to {
            SubscriptionTarget::Room(_) => Some(known.id),
            SubscriptionTarget::Named(named) => named.member.as_ref().map(|member| member.subscription),
            SubscriptionTarget::User(_) | SubscriptionTarget::Reflex(_) => None,
        });
        let looked = present.map(|subscription| Input::Looked { connection, subscription, visible });
        self.session.inputs.extend(looked);
    }
}
