//! Measures what a node costs, in virtual time and without sockets, and says where it breaks.
//!
//! Start at [`record`]: the peers of a run are real nodes that run one after another and are recorded; then one more node,
//! the observed one, hears all of them at once, as it would in a mesh. What it sends, hears, does and holds is counted by
//! [`meter`].

pub mod app;
pub mod chance;
pub mod cpu;
pub mod frames;
pub mod host;
pub mod mesh;
pub mod meter;
pub mod record;
pub mod replay;
pub mod scenario;
pub mod visitors;
