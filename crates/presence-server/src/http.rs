//! HTTP: pages, the API, embeds and the upgrade to a socket.

mod address_limit;
mod api;
mod api_key;
pub(crate) mod connections;
mod cors;
mod embeds;
mod files;
mod framing;
mod gzip_cache;
pub(crate) mod listen;
mod open_answer;
mod open_streams;
mod pages;
mod printed_tabs;
mod reader;
mod readiness;
mod refused_origin;
mod request_info;
mod roll_up_cache;
mod router;
mod state;
pub(crate) mod tls;
mod upgrade;
mod view_cache;

pub(crate) use self::api::facts::{FactsAnswer, RemovedAnswer};
pub(crate) use self::readiness::Readiness;
pub(crate) use self::router::router;
pub(crate) use self::state::{HttpState, Services};
