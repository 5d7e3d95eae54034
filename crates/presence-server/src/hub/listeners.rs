//! Who listens to one thing, in an order in which everybody can be reached in parts while others come and go.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use presence_cable::Identifier;
use presence_core::{ConnectionId, SubscriptionId};

use super::connection::Connection;

/// One subscription that listens.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) connection: Arc<Connection>,
    pub(super) subscription: SubscriptionId,
}

/// Sorted by key, so that subscriptions with one key, to which the very same bytes go, stand together.
pub(super) type Place = (Identifier, ConnectionId);

/// Listeners with one key.
#[derive(Debug)]
pub(super) struct SameKeyRun {
    pub(super) identifier: Identifier,
    pub(super) listeners: Vec<Listener>,
}

/// All of them. A user's own stream has one listener most of the time: that one takes no allocation.
#[derive(Debug, Default)]
pub(super) enum Listeners {
    #[default]
    None,
    One(Place, Listener),
    Many(BTreeMap<Place, Listener>),
}

impl Listeners {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(..) => 1,
            Self::Many(all) => all.len(),
        }
    }

    pub(super) fn insert(&mut self, identifier: Identifier, listener: Listener) {
        let place = (identifier, listener.connection.id);
        *self = match std::mem::take(self) {
            Self::None => Self::One(place, listener),
            Self::One(same, _) if same == place => Self::One(place, listener),
            Self::One(other, first) => {
                let mut all = BTreeMap::from([(other, first)]);
                insert(&mut all, place, listener);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                insert(&mut all, place, listener);
                Self::Many(all)
            }
        };
    }

    pub(super) fn remove(&mut self, identifier: &Identifier, connection: ConnectionId) {
        let place = (identifier.clone(), connection);
        match self {
            Self::One(same, _) if *same == place => *self = Self::None,
            Self::Many(all) => {
                all.remove(&place);
            }
            Self::None | Self::One(..) => {}
        }
    }

    /// Up to `most` listeners behind this place, those with one key together, and the place of the last of them.
    pub(super) fn part(&self, after: Option<&Place>, most: usize) -> (Vec<SameKeyRun>, Option<Place>) {
        match self {
            Self::None => (Vec::new(), None),
            Self::One(place, listener) => {
                runs([(place, listener)].into_iter().filter(|(place, _)| after.is_none_or(|after| after < *place)))
            }
            Self::Many(all) => {
                let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
                runs(all.range((begin, Bound::Unbounded)).take(most))
            }
        }
    }
}

/// One allocation for all that have this key: it is found equal without being read, and kept once.
fn insert(all: &mut BTreeMap<Place, Listener>, (identifier, connection): Place, listener: Listener) {
    let from = (identifier, ConnectionId(0));
    let known = all.range(&from..).next().map(|((known, _), _)| known);
    let identifier = known.filter(|known| **known == from.0).unwrap_or(&from.0).clone();
    all.insert((identifier, connection), listener);
}

fn runs<'a>(listeners: impl Iterator<Item = (&'a Place, &'a Listener)>) -> (Vec<SameKeyRun>, Option<Place>) {
    let (mut runs, mut last): (Vec<SameKeyRun>, _) = (Vec::new(), None);
    for (place, listener) in listeners {
        last = Some(place);
        match runs.last_mut().filter(|run| run.identifier.is(&place.0)) {
            Some(run) => run.listeners.push(listener.clone()),
            None => runs.push(SameKeyRun { identifier: place.0.clone(), listeners: vec![listener.clone()] }),
        }
    }
    (runs, last.cloned())
}
