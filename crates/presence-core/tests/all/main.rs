//! Core's tests from outside: a node alone, and whole worlds of nodes on a bad network, by seed.

mod alone;
mod app;
mod asked;
mod by_hand;
mod chance;
mod digest;
mod impostor;
mod keys;
mod large;
mod lateness;
mod links;
mod load;
mod malformed;
mod member_fuzz;
mod misbehaving;
mod misbehaving_limits;
mod pair;
mod passing;
mod relaying;
mod removal;
mod said;
mod shared;
mod simulation;
mod tabs;
mod unreached;
mod world;
