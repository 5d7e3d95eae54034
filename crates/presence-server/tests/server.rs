//! The server's behaviour; one binary, so that it is linked once.

#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

mod anycable;
mod api;
mod app_pages;
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
mod moved_tabs;
mod mux;
mod one_address;
mod origins;
mod outside;
mod pages;
mod refused_clients;
mod reports;
mod room_spellings;
mod signing;
mod sites;
mod streams;
mod transcripts;
