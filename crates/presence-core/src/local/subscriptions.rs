//! What the subscriptions of one connection listen to, in little memory: there is one for every open page.

use crate::id::{Room, SubscriptionId, TabId};
use crate::local::tab_flags::TabFlags;
use crate::presence::row::RowKey;

/// What a subscription listens to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SubscribedTo {
    Room(Room, RowKey, TabFlags),
    User(Room, RowKey),
}

/// The subscriptions of one connection, by number. A page has two; a tree would keep room for eleven.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// Which tab it is, if its page has said so.
    pub(crate) tab: Option<TabId>,
    all: Vec<(SubscriptionId, SubscribedTo)>,
}

impl Subscriptions {
    fn place(&self, subscription: SubscriptionId) -> Result<usize, usize> {
        self.all.binary_search_by_key(&subscription, |(known, _)| *known)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SubscriptionId, &SubscribedTo)> {
        self.all.iter().map(|(subscription, listens)| (*subscription, listens))
    }

    pub(crate) fn get(&self, subscription: SubscriptionId) -> Option<&SubscribedTo> {
        self.place(subscription).ok().map(|place| &self.all[place].1)
    }

    pub(crate) fn get_mut(&mut self, subscription: SubscriptionId) -> Option<&mut SubscribedTo> {
        self.place(subscription).ok().map(|place| &mut self.all[place].1)
    }

    /// One more; one that is known already stays as it is.
    pub(crate) fn insert(&mut self, subscription: SubscriptionId, listens: SubscribedTo) {
        if let Err(place) = self.place(subscription) {
            self.all.reserve_exact(1);
            self.all.insert(place, (subscription, listens));
        }
    }

    pub(crate) fn remove(&mut self, subscription: SubscriptionId) {
        if let Ok(place) = self.place(subscription) {
            self.all.remove(place);
        }
    }

    /// How the connection takes part in a room, all its subscriptions to it together; `None` where it does not.
    pub(crate) fn flags(&self, key: &RowKey) -> Option<TabFlags> {
        let all = self.all.iter().filter_map(|(_, listens)| match listens {
            SubscribedTo::Room(_, known, flags) if known == key => Some(*flags),
            SubscribedTo::Room(..) | SubscribedTo::User(..) => None,
        });
        all.reduce(TabFlags::or)
    }
}
