//! Core's tests from outside: a node alone, and whole worlds of nodes on a bad network, by seed.

mod alone;
mod app;
mod asked;
mod chance;
mod large;
mod load;
mod pair;
mod passing;
mod shared;
mod simulation;
mod tabs;
mod world;
