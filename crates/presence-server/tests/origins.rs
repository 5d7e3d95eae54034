//! Pages of apps, extensions and hosts in other scripts; what any page may read of a refusal; preflights.

use reqwest::Method;

use crate::common::TestServer;
use crate::common::embed::{Embed, SHOP, users};

/// Origins as operators write them, and as browsers send them.
const ORIGINS: [(&str, &str); 5] = [
    ("capacitor://localhost", "capacitor://localhost"),
    ("tauri://localhost", "tauri://localhost"),
    ("chrome-extension://abcdefghijklmnopabcdefghijklmnop", "chrome-extension://abcdefghijklmnopabcdefghijklmnop"),
    ("moz-extension://0b62e1b6-1d0a-4a3e-8d6a-9d1f6b0c2a11", "moz-extension://0b62e1b6-1d0a-4a3e-8d6a-9d1f6b0c2a11"),
    ("https://b\u{fc}cher.example", "https://xn--bcher-kva.example"),
];

fn header(answer: &reqwest::Response, name: &str) -> String {
    let values = answer.headers().get_all(name).iter().map(|value| value.to_str().unwrap());
    values.collect::<Vec<_>>().join(", ")
}

async fn sent(server: &TestServer, method: Method, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let request = reqwest::Client::new().request(method, server.url(path));
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

#[tokio::test]
async fn every_origin_that_is_configured_may_do_all_that_pages_of_sites_may() {
    for (written, origin) in ORIGINS {
        let server = TestServer::start(&format!("--site {written}")).await;
        let mut page = Embed::joined(&server, origin, "lamp").await;
        page.users("lamp", 1).await;
        let host = origin.split_once("://").unwrap().1;
        assert_eq!(users(&server, &format!("{host}/lamp")).await, 1, "{origin}");
        assert_eq!(
            users(&server, &format!("{}/lamp", host.to_ascii_uppercase())).await,
            1,
            "{origin}: hosts have no case"
        );
        let counts = server.get_with("/api/v1/rooms?room=a", &[("origin", origin)]).await;
        assert_eq!(header(&counts, "access-control-allow-origin"), origin);
        let frame = server.get_with("/embed?room=lamp", &[("referer", &format!("{origin}/x"))]).await;
        assert_eq!(frame.status(), 200, "{origin}");
        let policy = header(&frame, "content-security-policy");
        assert!(policy.ends_with(&format!("frame-ancestors 'self' {origin}")), "{policy}");
        let cable = TestServer::start(&format!("--allowed-origin {written}")).await;
        cable.socket(&[("origin", origin)]).await.unwrap();
        for other in ["http://localhost", "ionic://localhost", "https://localhost", "capacitor://localhost:1"] {
            let headers = [("origin", other), ("sec-websocket-protocol", "presence-v1")];
            assert_eq!(server.refused_at("/presence", &headers).await.0, 403, "{other} beside {origin}");
            assert_eq!(cable.refused(&[("origin", other)]).await.0, 403, "{other} beside {origin}");
        }
    }
}

#[tokio::test]
async fn a_page_of_an_app_is_not_one_of_the_servers_own() {
    let server = TestServer::start("").await;
    let app = format!("capacitor://{}", server.address);
    let (status, body) = server.refused(&[("origin", &app)]).await;
    assert!(status == 403 && body.contains(&format!("--allowed-origin {app}")), "{status} {body}");
}

#[tokio::test]
async fn any_page_may_read_why_it_is_refused_and_nothing_else() {
    let server = TestServer::start(&format!("--site {SHOP}")).await;
    for origin in ["https://evil.example", "null", "tauri://localhost"] {
        for (path, status) in [
            ("/presence/events?room=a", 403),
            ("/presence", 426),
            ("/api/v1/rooms?room=shop.example/private/7", 403),
            ("/api/v1/rooms", 400),
        ] {
            let refused = server.get_with(path, &[("origin", origin)]).await;
            assert_eq!(
                (refused.status().as_u16(), header(&refused, "access-control-allow-origin")),
                (status, origin.to_owned())
            );
            assert!(header(&refused, "vary").contains("origin") && header(&refused, "set-cookie").is_empty(), "{path}");
            assert_eq!(header(&refused, "content-type"), "application/problem+json");
            let text = refused.text().await.unwrap();
            assert!(status != 403 || text.contains("--site") || text.contains("private"), "{path}: {text}");
        }
        let counts = server.get_with("/api/v1/rooms?room=a", &[("origin", origin)]).await;
        assert_eq!((counts.status().as_u16(), header(&counts, "access-control-allow-origin")), (200, String::new()));
    }
    // Nor is the host a secret that was asked for.
    let elsewhere = server.get_with("/presence/events?room=a", &[("origin", SHOP), ("host", "other.example")]).await;
    assert_eq!((elsewhere.status().as_u16(), &*header(&elsewhere, "access-control-allow-origin")), (421, SHOP));
    let own_page = server.get_with("/nothing", &[("origin", SHOP)]).await;
    assert_eq!((own_page.status().as_u16(), header(&own_page, "access-control-allow-origin")), (404, String::new()));
}

#[tokio::test]
async fn a_preflight_allows_pages_of_sites_to_read_counts() {
    let server = TestServer::start(&format!("--site {SHOP}")).await;
    let asks = ("access-control-request-method", "GET");
    let names = ("access-control-request-headers", "content-type,x-requested-with");
    for path in ["/api/v1/rooms?room=a", "/api/v1/rooms/a"] {
        let answer = sent(&server, Method::OPTIONS, path, &[("origin", SHOP), asks, names]).await;
        assert_eq!((answer.status().as_u16(), &*header(&answer, "access-control-allow-origin")), (204, SHOP));
        assert_eq!(header(&answer, "access-control-allow-methods"), "GET, HEAD");
        assert_eq!(header(&answer, "access-control-allow-headers"), names.1);
        assert_eq!(header(&answer, "access-control-max-age"), "7200");
        let foreign = sent(&server, Method::OPTIONS, path, &[("origin", "https://evil.example"), asks]).await;
        assert_eq!((foreign.status().as_u16(), header(&foreign, "access-control-allow-origin")), (204, String::new()));
    }
    let page = sent(&server, Method::OPTIONS, "/", &[("origin", SHOP), asks]).await;
    assert!(header(&page, "access-control-allow-origin").is_empty());
}

#[tokio::test]
async fn a_page_that_isolates_itself_may_show_the_frame() {
    let server = TestServer::start(&format!("--site {SHOP}")).await;
    for (referer, status) in [(SHOP, 200), ("https://evil.example/", 403)] {
        let frame = server.get_with("/embed?room=lamp", &[("referer", referer)]).await;
        assert_eq!(frame.status(), status);
        assert_eq!(header(&frame, "cross-origin-embedder-policy"), "require-corp");
        assert_eq!(header(&frame, "cross-origin-resource-policy"), "cross-origin");
    }
}
