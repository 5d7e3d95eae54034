//! Takes the numbers of the last 24 hours, and reads them.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use presence_core::Room;

use super::occupancy::{Minutes, NodeFigure, NodeTotals, SiteUsers};
use super::state::HttpState;

const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// A reader has numbers that are at most this old.
const FRESH: Duration = Duration::from_secs(1);

/// Takes numbers for as long as the node runs.
pub(crate) async fn run(state: Weak<HttpState>) {
    while let Some(state) = state.upgrade() {
        // There may be very many rooms.
        drop(tokio::task::spawn_blocking(move || sample(&state)).await);
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
}

fn sample(state: &HttpState) {
    let totals = NodeTotals {
        deliveries: state.hub.socket_stats().deliveries(),
        inputs: state.readiness.driver_turns().inputs(),
    };
    state.occupancy.record(&state.views.rooms(), &state.embed.sites, state.connections(), totals);
}

/// Takes numbers now, unless they were taken a moment ago.
fn refresh(state: &HttpState) {
    if state.occupancy.age().is_none_or(|age| age >= FRESH) {
        sample(state);
    }
}

/// The users of a room by minute.
pub(super) fn room(state: &HttpState, room: &Room) -> Minutes {
    let now = state.views.room(room).map(|view| view.users);
    state.occupancy.room(room, now, state.views.now_ms())
}

/// The users of each site now, and at most.
pub(super) fn sites(state: &HttpState) -> HashMap<Arc<str>, SiteUsers> {
    refresh(state);
    state.occupancy.sites()
}

/// The users of all rooms of a host by minute, added up.
pub(super) fn host(state: &HttpState, host: &str) -> Minutes {
    refresh(state);
    state.occupancy.host(host, state.views.now_ms())
}

/// A number of this node by minute. It may be 10 s old: anybody may ask for it.
pub(super) fn node(state: &HttpState, figure: NodeFigure) -> Minutes {
    state.occupancy.node(figure, state.views.now_ms())
}
