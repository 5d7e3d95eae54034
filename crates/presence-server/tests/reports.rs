//! The pages for operators and for owners of sites: who may see them, and what they say.

use std::net::UdpSocket;

use crate::common::embed::{Embed, SHOP};
use crate::common::{Lamp, TestServer, config, within};
use crate::sites::node;

const KEYS: &str = r#"[
    {"name": "shop", "key": "the key of the shop", "may": ["read"], "site": "https://shop.example"},
    {"name": "writer", "key": "may publish in the shop", "may": ["publish"], "site": "https://shop.example"}
]"#;

/// What a browser sends for a key that its user has typed in.
fn basic(key: &str) -> String {
    format!("Basic {}", data_encoding::BASE64.encode(format!("any:{key}").as_bytes()))
}

async fn page(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let answer = server.get_with(path, headers).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn the_status_is_for_this_machine_and_for_holders_of_the_key() {
    let (server, key) = crate::api::keyed("--site https://shop.example --node ams-one").await;
    let answer = server.get("/status").await;
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!((answer.status().as_u16(), header("refresh").as_deref()), (200, Some("5")));
    let policy = header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(header("cache-control").as_deref(), Some("no-store"));
    assert!(answer.text().await.unwrap().contains("ams-one"));
    assert!(server.get("/status?refresh=off").await.headers().get("refresh").is_none());
    // A proxy on this machine, and a website that a browser on this machine shows.
    for other in [("x-forwarded-for", "192.0.2.1"), ("via", "1.1 proxy"), ("host", "rebound.example")] {
        let answer = server.get_with("/status", &[other]).await;
        assert_eq!(answer.status(), 401, "{other:?}");
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic "), "{other:?}");
        for given in [key[0].1, &basic("a key for the tests")] {
            assert_eq!(page(&server, "/status", &[other, ("authorization", given)]).await.0, 200, "{other:?} {given}");
        }
        assert_eq!(page(&server, "/status", &[other, ("authorization", &basic("wrong"))]).await.0, 401, "{other:?}");
    }
    let keyless = TestServer::start("").await;
    let (status, refusal) = page(&keyless, "/status", &[("via", "1.1 proxy")]).await;
    assert!(status == 403 && refusal.contains("--status public"), "{refusal}");
    let behind = TestServer::start("--trusted-proxy 127.0.0.1").await;
    assert_eq!(page(&behind, "/status", &[]).await.0, 403, "it may be the proxy");
}

#[tokio::test]
async fn a_public_status_names_no_node_and_no_room_and_a_private_one_escapes_them() {
    let server = TestServer::with(config("--site https://shop.example --node ams-one --status public")).await;
    let mut visitor = Embed::joined(&server, SHOP, "<b>lamp").await;
    visitor.users("<b>lamp", 1).await;
    let (status, public) = page(&server, "/status", &[("via", "1.1 proxy")]).await;
    assert!(status == 200 && public.contains("ams") && public.contains("People in all rooms"), "{public}");
    assert!(
        !public.contains("ams-one") && !public.contains("shop.example") && !public.contains("127.0.0.1"),
        "{public}"
    );
    let (_, private) = page(&server, "/status", &[]).await;
    assert!(private.contains("shop.example/&lt;b&gt;lamp") && !private.contains("<b>lamp"), "{private}");
}

#[tokio::test]
async fn the_status_shows_how_each_region_hears_the_others() {
    let free = || format!("quic/{}", UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let (at_ams, at_iad) = (free(), free());
    let (ams, iad) = (node("ams", &at_ams, &at_iad).await, node("iad", &at_iad, &at_ams).await);
    for server in [&ams, &iad] {
        within(async || {
            let (_, text) = page(server, "/status", &[]).await;
            (text.matches("0 behind, agrees").count() == 2 && text.matches(env!("CARGO_PKG_VERSION")).count() == 2)
                .then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn an_owner_sees_the_visitors_of_the_own_site_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, KEYS).unwrap();
    let mut config = config("--site https://shop.example --site https://other.example");
    config.api_keys_file = Some(file);
    let server = TestServer::named(config, Lamp, "demo").await;
    let mut visitor = Embed::joined(&server, SHOP, "lamp").await;
    visitor.users("lamp", 1).await;
    let _other = Embed::joined(&server, "https://other.example", "secret-page").await;
    let (shop, writer) = (basic("the key of the shop"), basic("may publish in the shop"));
    for path in ["/owner", "/owner?site=https://shop.example"] {
        let owner = async || {
            let (status, text) = page(&server, path, &[("authorization", &shop)]).await;
            assert_eq!(status, 200, "{text}");
            // The curve is drawn from numbers that may be a second old.
            text.contains("1 now, at most 1").then_some(text)
        };
        let text = within(owner).await;
        for shown in ["Visitors of shop.example", "<b>1</b> <span>people now", "Amsterdam, Netherlands", "/lamp"] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        assert!(!text.contains("secret-page"), "{text}");
    }
    for (path, key, expected) in [
        ("/owner", "", 401),
        ("/owner", &basic("wrong"), 401),
        ("/owner", &writer, 403),
        ("/owner?site=https://other.example", &shop, 403),
        ("/owner?site=shop", &shop, 400),
    ] {
        let headers = [("authorization", key)];
        let headers = if key.is_empty() { &[][..] } else { &headers };
        assert_eq!(page(&server, path, headers).await.0, expected, "{path}");
    }
    assert_eq!(page(&TestServer::start("").await, "/owner", &[]).await.0, 403);
}
