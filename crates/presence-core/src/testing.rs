//! What only tests use: faults to inject, and the laws of merging.

pub mod fault_injection;
#[cfg(test)]
mod merge_laws;
