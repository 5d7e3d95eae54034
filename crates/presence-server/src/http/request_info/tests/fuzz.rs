//! Any values of the headers that say who a visitor is.

use axum::http::HeaderName;
use presence_core::Region;
use presence_fuzz::{Property, changed_text};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::i18n::Locale;

const NAMES: [&str; 7] =
    ["host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-for", "fly-region", "fly-client-ip", "origin"];

const VALUES: [&str; 14] = [
    "localhost:4000",
    "AMS.localhost",
    "[::1]:4000",
    "example.org:443",
    "B\u{fc}cher.example:443",
    "https, http",
    "6.6.6.6, 1.2.3.4:80, [2001:db8::1]:7, ::ffff:10.0.0.7",
    "iad",
    "2001:db8::1",
    "https://shop.example:443/",
    "capacitor://localhost",
    "chrome-extension://abcdef",
    "null",
    "de-AT, en;q=0.5, *",
];

#[test]
fn any_headers_name_a_visitor_or_are_refused() {
    let corpus: Vec<String> = VALUES.iter().map(ToString::to_string).collect();
    let headers = vec((select(NAMES.to_vec()), changed_text(corpus)), 0..8);
    let public =
        "--public-url https://example.org --trusted-proxy 10.0.0.0/8 --edge fly --allowed-origin capacitor://localhost";
    let all = [rules(""), rules("--trusted-proxy 10.0.0.0/8 --edge fly"), rules(public)];
    let peers = ["10.0.0.1", "172.16.4.2", "9.9.9.9", "::ffff:10.0.0.1"];
    Property::Headers.holds(&(headers, 0..all.len(), select(peers.to_vec())), |(pairs, which, peer)| {
        let mut headers = HeaderMap::new();
        for (name, value) in &pairs {
            if let Ok(value) = value.parse() {
                headers.append(HeaderName::from_static(name), value);
            }
            prop_assert!(!Locale::of(value).code().is_empty());
        }
        let peer: IpAddr = peer.parse().unwrap();
        if let Ok(info) = all[which].resolve(&headers, peer, false) {
            prop_assert!(info.host.chars().all(|c| !c.is_control() && !c.is_ascii_uppercase()));
            prop_assert!(info.edge.as_deref().is_none_or(|code| Region::new(code).is_some()));
            for (_, value) in &pairs {
                let own = value.parse::<Origin>().is_ok_and(|origin| all[which].is_own(&origin, &info));
                prop_assert!(!own || all[which].may_open(value, &info), "{value} is an own origin");
            }
        }
        for (_, value) in &pairs {
            if let Ok(origin) = value.parse::<Origin>() {
                prop_assert_eq!(origin.to_string().parse(), Ok(origin), "written as it is read");
            }
        }
        Ok(())
    });
}
