//! The server's behaviour; one binary, so that it is linked once.

#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

mod anycable;
mod api;
mod common;
mod doors;
mod embed;
mod embed_limits;
mod fragile_app;
mod fuzz;
mod http_details;
mod lifetime;
mod limits;
mod live;
mod members;
mod mesh;
mod mux;
mod one_address;
mod origins;
mod outside;
mod pages;
mod refused_clients;
mod room_spellings;
mod signing;
mod streams;
mod transcripts;
