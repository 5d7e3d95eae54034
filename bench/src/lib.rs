//! What the programs of the benchmarks share.

pub mod process;
pub mod random;
pub mod schedule;
pub mod statistics;
pub mod websocket;
