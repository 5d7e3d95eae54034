//! A node's start and stop: options that it refuses, readiness, the drain.

use presence_server::Server;
use serde_json::json;

use crate::common::{Lamp, TestServer, config, within};

async fn refused(line: &str) -> String {
    let site = presence_server::Site::new("demo");
    let started = Server::new(config(line), Lamp, site).start().await;
    started.err().expect("the node does not start").to_string()
}

#[tokio::test]
async fn mistakes_end_the_start_with_what_to_write_instead() {
    let lone = refused("--mesh-listen quic/127.0.0.1:0").await;
    assert!(lone.contains("GP_SECRET"), "{lone}");
    let deaf = refused("--mesh-peer quic/127.0.0.1:7447").await;
    assert!(deaf.contains("--mesh-listen"), "{deaf}");
    let slow = refused("--ping-every 7s").await;
    assert!(slow.contains("at most 5s"), "{slow}");
    let folder = tempfile::NamedTempFile::new().unwrap();
    let none = refused(&format!("--data-dir {}", folder.path().display())).await;
    assert!(none.starts_with("--data-dir ") && none.contains("can't be used"), "{none}");
}

#[tokio::test]
async fn a_node_without_a_mesh_is_ready_at_once_and_not_while_it_drains() {
    let server = TestServer::start("--drain-over 500ms").await;
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status(), 200);
    assert_eq!(ready.json::<serde_json::Value>().await.unwrap(), json!({"ready": true, "degraded": []}));
    assert_eq!(server.get("/healthz").await.status(), 200);
    let url = server.url("/readyz");
    let _visitor = server.socket(&[]).await.unwrap();
    let drain = tokio::spawn(server.running.drain());
    let busy = within(async || reqwest::get(&url).await.ok().filter(|answer| answer.status() == 503)).await;
    assert_eq!(busy.json::<serde_json::Value>().await.unwrap()["ready"], false);
    drain.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_restarted_node_keeps_its_name_and_knows_its_visitors() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("--drain-over 10ms --data-dir {}", folder.path().display());
    let name = async |server: &TestServer| {
        let mesh = server.get_with("/api/v1/mesh", &[("authorization", "Bearer a key for the tests")]).await;
        mesh.json::<serde_json::Value>().await.unwrap()["nodes"][0].clone()
    };
    let start = async || {
        let mut config = config(&line);
        config.secrets.api_key = Some("a key for the tests".to_owned());
        TestServer::with(config).await
    };
    let server = start().await;
    let before = name(&server).await;
    let page = server.get("/").await;
    let cookie = page.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let user = crate::common::said(&page.text().await.unwrap(), "user").to_owned();
    server.running.drain().await.unwrap();
    let server = start().await;
    let after = name(&server).await;
    assert_eq!(before["node"], after["node"]);
    assert!(before["incarnation"].as_u64() < after["incarnation"].as_u64(), "{before} {after}");
    let page = server.get_with("/", &[("cookie", &cookie)]).await.text().await.unwrap();
    assert_eq!(crate::common::said(&page, "user"), user);
}
