//! The page, its headers and cookies, and the files that it refers to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::common::{TestServer, said};

fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

/// The name in a signed name.
fn inside(signed: &str) -> String {
    let (encoded, _) = signed.split_once("--").unwrap();
    serde_json::from_slice(&STANDARD.decode(encoded).unwrap()).unwrap()
}

#[tokio::test]
async fn the_page_is_never_cached_and_allows_nothing_foreign() {
    let server = TestServer::start("").await;
    let page = server.get("/").await;
    assert_eq!(page.status(), 200);
    assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&page, "cache-control"), "no-store");
    assert_eq!(header(&page, "x-content-type-options"), "nosniff");
    let policy = header(&page, "content-security-policy").to_owned();
    let socket = format!("connect-src 'self' ws://{}", server.address);
    for rule in ["default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", &socket] {
        assert!(policy.contains(rule), "{rule} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn a_browser_is_the_same_user_on_every_visit_and_a_guest_on_the_first() {
    let server = TestServer::start("").await;
    let first = server.get("/").await;
    let cookie = header(&first, "set-cookie").to_owned();
    assert!(
        cookie.starts_with("presence=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let first = first.text().await.unwrap();
    assert!(inside(said(&first, "room")).starts_with("guest:"), "{first}");
    let pair = cookie.split(';').next().unwrap();
    let second = server.get_with("/", &[("cookie", pair)]).await.text().await.unwrap();
    assert_eq!(said(&first, "user"), said(&second, "user"));
    assert_eq!(inside(said(&second, "room")), "room:demo");
    assert!(inside(said(&second, "own")).starts_with("user:demo:"));
    assert_ne!(said(&first, "chance"), said(&second, "chance"));
    let stranger = server.get("/").await.text().await.unwrap();
    assert_ne!(said(&first, "user"), said(&stranger, "user"));
}

#[tokio::test]
async fn a_forged_cookie_makes_a_new_user() {
    let server = TestServer::start("").await;
    let forged = "presence=AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let page = server.get_with("/", &[("cookie", forged)]).await;
    assert!(header(&page, "set-cookie").starts_with("presence="));
    assert!(inside(said(&page.text().await.unwrap(), "room")).starts_with("guest:"));
}

#[tokio::test]
async fn nodes_with_the_same_secret_accept_each_others_cookies_which_are_stricter_over_tls() {
    let secret = || Some("a secret of at least thirty-two bytes".to_owned());
    let start = async |line: &str| {
        let mut config = crate::common::config(line);
        config.secrets.secret = secret();
        TestServer::with(config).await
    };
    let (one, other) = (start("").await, start("--region yyz").await);
    let page = one.get("/").await;
    let cookie = header(&page, "set-cookie").split(';').next().unwrap().to_owned();
    let page = page.text().await.unwrap();
    let there = other.get_with("/", &[("cookie", &cookie)]).await.text().await.unwrap();
    assert_eq!(said(&page, "user"), said(&there, "user"));

    let public = start("--public-url https://example.org").await;
    let page = public.get_with("/", &[("host", "example.org")]).await;
    let cookie = header(&page, "set-cookie");
    assert!(
        cookie.starts_with("__Host-presence=") && cookie.ends_with("; Secure") && cookie.contains("Path=/;"),
        "{cookie}"
    );
    assert!(header(&page, "content-security-policy").contains("connect-src 'self' wss://example.org;"));
}

#[tokio::test]
async fn a_foreign_host_is_refused_except_for_health_checks() {
    let server = TestServer::start("").await;
    let refused = server.get_with("/", &[("host", "example.org")]).await;
    assert_eq!(refused.status(), 421);
    assert_eq!(header(&refused, "content-type"), "application/problem+json");
    assert!(refused.text().await.unwrap().contains("--public-url"));
    assert_eq!(server.get_with("/healthz", &[("host", "10.0.0.9")]).await.status(), 200);
    assert_eq!(server.get_with("/readyz", &[("host", "10.0.0.9")]).await.status(), 200);
    assert_eq!(server.get_with("/", &[("host", "ams.localhost")]).await.status(), 200);
}

#[tokio::test]
async fn the_page_knows_the_edge_if_the_proxy_is_trusted() {
    let trusting = TestServer::start("--edge fly --trusted-proxy 127.0.0.1").await;
    let page = trusting.get_with("/", &[("fly-region", "IAD")]).await.text().await.unwrap();
    assert_eq!(said(&page, "edge"), "Some(\"iad\")");
    let wary = TestServer::start("--edge fly").await;
    let page = wary.get_with("/", &[("fly-region", "IAD")]).await.text().await.unwrap();
    assert_eq!(said(&page, "edge"), "None");
}

#[tokio::test]
async fn an_app_may_have_several_pages() {
    let server = TestServer::start("").await;
    let first = server.get_with("/rooms/blue", &[("accept-encoding", "gzip")]).await;
    assert_eq!((first.status().as_u16(), header(&first, "content-encoding")), (200, "gzip"));
    let cookie = header(&first, "set-cookie").split(';').next().unwrap().to_owned();
    let page = async |path| server.get_with(path, &[("cookie", &cookie)]).await.text().await.unwrap();
    let (blue, red) = (page("/rooms/blue?query=is-no-part").await, page("/rooms/red").await);
    assert_eq!(inside(said(&blue, "room")), "room:demo/blue");
    assert_eq!(inside(said(&red, "room")), "room:demo/red");
    assert_ne!(said(&blue, "user"), said(&red, "user"), "a user can't be followed from room to room");
    assert_eq!(server.get("/rooms").await.status(), 404);
    let posted = reqwest::Client::new().post(server.url("/rooms/blue")).send().await.unwrap();
    assert_eq!((posted.status().as_u16(), header(&posted, "content-type")), (405, "application/problem+json"));
}

#[tokio::test]
async fn files_are_cached_for_ever_and_sent_in_the_smallest_form() {
    let server = TestServer::start("").await;
    for (accepted, encoding, body) in [
        ("gzip, deflate, br", Some("br"), "brotli"),
        ("gzip", Some("gzip"), "gzipped"),
        ("br;q=0, gzip;q=0.5", Some("gzip"), "gzipped"),
        ("identity", None, "plain"),
    ] {
        let file = server.get_with("/assets/app-1.js", &[("accept-encoding", accepted)]).await;
        assert_eq!(file.status(), 200);
        assert_eq!(header(&file, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(header(&file, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(header(&file, "vary"), "accept-encoding");
        assert_eq!(file.headers().get("content-encoding").map(|value| value.to_str().unwrap()), encoding);
        assert_eq!(file.text().await.unwrap(), body);
    }
    let nothing = server.get("/assets/none.js").await;
    assert_eq!((nothing.status().as_u16(), header(&nothing, "content-type")), (404, "application/problem+json"));
    let posted = reqwest::Client::new().post(server.url("/")).send().await.unwrap();
    assert_eq!((posted.status().as_u16(), header(&posted, "content-type")), (405, "application/problem+json"));
}

#[tokio::test]
async fn the_stock_clients_are_served_where_the_page_says() {
    let server = TestServer::start("").await;
    let page = server.get("/").await.text().await.unwrap();
    let script = said(&page, "script");
    assert_eq!(script, presence_server::SCRIPT);
    let plain = server.get_with(script, &[("accept-encoding", "identity")]).await;
    assert_eq!(header(&plain, "content-type"), "text/javascript; charset=utf-8");
    assert_eq!(header(&plain, "cache-control"), "public, max-age=31536000, immutable");
    let plain = plain.bytes().await.unwrap();
    for encoding in ["br", "gzip"] {
        let small = server.get_with(script, &[("accept-encoding", encoding)]).await;
        assert_eq!(header(&small, "content-encoding"), encoding);
        assert!(small.bytes().await.unwrap().len() < plain.len() / 3);
    }
    let licences = server.get(presence_server::LICENCES).await.text().await.unwrap();
    for library in ["@hotwired/stimulus", "@rails/actioncable", "cable_ready", "morphdom", "stimulus_reflex"] {
        assert!(licences.contains(library), "{library}");
    }
}

#[test]
fn the_client_checks_for_the_locked_version() {
    let lock: serde_json::Value = serde_json::from_str(include_str!("../package-lock.json")).unwrap();
    let locked = &lock["packages"]["node_modules/cable_ready"]["version"];
    assert_eq!(locked, presence_cable::action_cable::CABLE_READY_VERSION);
}

#[tokio::test]
async fn an_app_that_panics_breaks_one_answer() {
    let server = TestServer::start("--edge fly --trusted-proxy 127.0.0.1").await;
    let broken = server.get_with("/", &[("fly-region", "zzz")]).await;
    assert_eq!((broken.status().as_u16(), header(&broken, "content-type")), (500, "application/problem+json"));
    assert_eq!(server.get("/").await.status(), 200);
}

#[tokio::test]
async fn every_site_may_load_the_script_and_revalidates_it() {
    let server = TestServer::start("").await;
    let script = server.get_with("/presence.js", &[("accept-encoding", "gzip")]).await;
    assert_eq!(script.status(), 200);
    assert_eq!(header(&script, "content-type"), "text/javascript; charset=utf-8");
    assert_eq!(header(&script, "content-encoding"), "gzip");
    assert_eq!(header(&script, "cache-control"), "public, max-age=300");
    assert_eq!(header(&script, "access-control-allow-origin"), "*");
    let policies = script.headers().get_all("cross-origin-resource-policy");
    assert_eq!(policies.iter().collect::<Vec<_>>(), ["cross-origin"]);
    let tag = header(&script, "etag").to_owned();
    let plain = server.get("/presence.js").await;
    assert_ne!(header(&plain, "etag"), tag, "each form has its own tag");
    let text = plain.text().await.unwrap();
    assert!(text.contains("customElements") && text.contains("ist") && !text.contains("\\u"), "{text}");
    let weak = format!("W/{tag}");
    let again = server.get_with("/presence.js", &[("accept-encoding", "gzip"), ("if-none-match", &weak)]).await;
    assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, tag.as_str()));
    assert_eq!(again.text().await.unwrap(), "");
}

#[tokio::test]
async fn only_the_frame_page_may_be_framed() {
    let server = TestServer::start("").await;
    for path in ["/", "/presence.js", "/api/v1/rooms/demo", "/nothing"] {
        let answer = server.get(path).await;
        assert!(header(&answer, "content-security-policy").ends_with("frame-ancestors 'none'"), "{path}");
    }
}
