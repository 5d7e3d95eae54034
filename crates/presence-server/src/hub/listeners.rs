//! The listeners of one thing, in an order in which all can be reached part by part while others join and leave.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use presence_core::{ConnectionId, SubscriptionId};

use super::connection::Connection;
use super::prefix::Prefix;

/// A subscription that begins to listen.
pub(crate) struct Subscriber<'a> {
    pub(crate) connection: &'a Arc<Connection>,
    pub(crate) subscription: SubscriptionId,
    pub(crate) prefix: &'a Prefix,
}

/// One subscription that listens.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) connection: Arc<Connection>,
    pub(super) subscription: SubscriptionId,
}

/// Sorted by prefix, so that subscriptions with one prefix, to which the very same bytes go, stand together.
pub(super) type ListenerKey = (Prefix, ConnectionId);

/// Listeners with one prefix.
#[derive(Debug)]
pub(super) struct SameKeyRun {
    pub(super) prefix: Prefix,
    pub(super) listeners: Vec<Listener>,
}

/// All listeners of one thing. A user's own stream usually has one: that one takes no allocation.
#[derive(Debug, Default)]
pub(super) enum Listeners {
    #[default]
    None,
    One(ListenerKey, Listener),
    Many(BTreeMap<ListenerKey, Listener>),
}

impl Listeners {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(..) => 1,
            Self::Many(all) => all.len(),
        }
    }

    pub(super) fn insert(&mut self, prefix: Prefix, listener: Listener) {
        let key = (prefix, listener.connection.id);
        *self = match std::mem::take(self) {
            Self::None => Self::One(key, listener),
            Self::One(same, _) if same == key => Self::One(key, listener),
            Self::One(other, first) => {
                let mut all = BTreeMap::from([(other, first)]);
                insert(&mut all, key, listener);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                insert(&mut all, key, listener);
                Self::Many(all)
            }
        };
    }

    pub(super) fn remove(&mut self, prefix: &Prefix, connection: ConnectionId) {
        let key = (prefix.clone(), connection);
        match self {
            Self::One(same, _) if *same == key => *self = Self::None,
            Self::Many(all) => {
                all.remove(&key);
            }
            Self::None | Self::One(..) => {}
        }
    }

    /// Up to `most` listeners after this key, those with one prefix together, and the key of the last of them.
    pub(super) fn part(&self, after: Option<&ListenerKey>, most: usize) -> (Vec<SameKeyRun>, Option<ListenerKey>) {
        match self {
            Self::None => (Vec::new(), None),
            Self::One(key, listener) => {
                runs([(key, listener)].into_iter().filter(|(key, _)| after.is_none_or(|after| after < *key)))
            }
            Self::Many(all) => {
                let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
                runs(all.range((begin, Bound::Unbounded)).take(most))
            }
        }
    }
}

/// Keeps one allocation for all that have this prefix: it is found equal without being read.
fn insert(all: &mut BTreeMap<ListenerKey, Listener>, (prefix, connection): ListenerKey, listener: Listener) {
    let from = (prefix, ConnectionId(0));
    let known = all.range(&from..).next().map(|((known, _), _)| known);
    let prefix = known.filter(|known| **known == from.0).unwrap_or(&from.0).clone();
    all.insert((prefix, connection), listener);
}

fn runs<'a>(
    listeners: impl Iterator<Item = (&'a ListenerKey, &'a Listener)>,
) -> (Vec<SameKeyRun>, Option<ListenerKey>) {
    let (mut runs, mut last): (Vec<SameKeyRun>, _) = (Vec::new(), None);
    for (key, listener) in listeners {
        last = Some(key);
        match runs.last_mut().filter(|run| run.prefix.is(&key.0)) {
            Some(run) => run.listeners.push(listener.clone()),
            None => runs.push(SameKeyRun { prefix: key.0.clone(), listeners: vec![listener.clone()] }),
        }
    }
    (runs, last.cloned())
}
