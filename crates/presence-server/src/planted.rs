//! Faults that a test plants in a whole node: the environment variable `PRESENCE_PLANTED` names one. No build that ships has any.

#[cfg(feature = "planted")]
use presence_core::testing::fault_injection::{Fault, inject};

/// Plants a fault of the core in the node of this thread.
pub(crate) fn plant_in_this_thread() {
    #[cfg(feature = "planted")]
    inject(std::env::var("PRESENCE_PLANTED").ok().and_then(|name| Fault::named(&name)));
}

/// Whether a part of the node ends although the node runs.
pub(crate) fn part_ends() -> bool {
    cfg!(feature = "planted") && std::env::var("PRESENCE_PLANTED").is_ok_and(|name| name == "PartEnds")
}
