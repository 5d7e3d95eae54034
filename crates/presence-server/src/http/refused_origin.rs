//! What pages are told that may not use this server, and what its operator would have to write.

use axum::http::StatusCode;

use crate::config::Origin;
use crate::problem::Problem;

/// The answer to a page that may not embed this server.
pub(super) fn may_not_embed(origin: &str) -> Problem {
    refused(origin, "embed this server", "--site")
}

/// The answer to a page that may not open Action Cable sockets.
pub(super) fn may_not_open_sockets(origin: &str) -> Problem {
    refused(origin, "open sockets on this server", "--allowed-origin")
}

/// The answer to a page that may not send what changes something to a route of the app's own.
pub(super) fn may_not_send(origin: &str) -> Problem {
    refused(origin, "send this to this server", "--allowed-origin")
}

fn refused(origin: &str, may_not: &str, option: &str) -> Problem {
    let detail = match origin.parse::<Origin>() {
        Ok(origin) => format!("Pages of {origin} may not {may_not}. Start it with {option} {origin} to allow them."),
        // Files, sandboxed frames and data: addresses.
        Err(_) if origin == "null" => format!(
            "This page may not {may_not}: its browser gives it no origin, as it does for files and sandboxed frames. Serve the \
             page over HTTPS, and allow its origin with {option}."
        ),
        Err(mistake) => {
            format!("Pages of the origin {origin:?} may not {may_not}: to allow an origin with {option}, {mistake}.")
        }
    };
    Problem::new(StatusCode::FORBIDDEN, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_option_that_is_named_allows_the_origin() {
        for origin in ["https://Shop.example:443", "capacitor://localhost", "https://b\u{fc}cher.example"] {
            for problem in [may_not_embed(origin), may_not_open_sockets(origin), may_not_send(origin)] {
                let option = problem.detail().split_once("with ").and_then(|(_, rest)| rest.split_once(" to "));
                let line = option.unwrap_or_else(|| panic!("{}", problem.detail())).0;
                let config = Config::of(line.split(' ')).unwrap();
                let wanted = origin.parse::<Origin>().unwrap();
                assert!(config.allowed_origin.contains(&wanted) || config.site.iter().any(|site| site.covers(&wanted)));
            }
        }
        assert!(may_not_embed("null").detail().contains("sandboxed"));
        assert!(may_not_embed("nonsense").detail().contains("https://example.org"));
    }
}
