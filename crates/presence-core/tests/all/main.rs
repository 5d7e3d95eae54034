//! Core's tests from outside: a node alone, and whole worlds of nodes on a bad network, by seed.

mod alone;
mod app;
mod chance;
mod simulation;
mod tabs;
mod world;
