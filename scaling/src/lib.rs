//! Measures what a node costs, in virtual time and without sockets, and says where it breaks.
//!
//! Start at [`record`]: the peers of a run are real nodes that run one after another and are recorded; then one more node,
//! the observed one, hears all of them at once, as it would in a mesh. What it sends, hears, does and holds is counted by
//! [`meter`].

pub mod app;
pub mod calibrate;
pub mod chance;
pub mod costs;
pub mod cpu;
pub mod fit;
pub mod frames;
pub mod grid;
pub mod host;
pub mod interest;
pub mod limits;
pub mod mesh;
pub mod meter;
pub mod model;
pub mod page;
pub mod plots;
pub mod record;
pub mod replay;
pub mod runs;
pub mod scenario;
pub mod svg;
pub mod tables;
pub mod visitors;
