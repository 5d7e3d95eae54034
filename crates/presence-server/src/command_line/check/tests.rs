//! What a check prints, and what it refuses.

use super::*;

async fn checked(words: &[&str], secrets: Secrets) -> anyhow::Result<Vec<String>> {
    let node = Config { secrets, ..Config::of(words.iter().copied()).unwrap() };
    CheckCommand { node }.run(&Site::new("shop")).await
}

#[test]
fn a_variable_that_is_nearly_an_option_is_misspelt() {
    let of = |name: &str| misspelt([name.to_owned()].into_iter()).concat();
    for (name, meant) in
        [("GP_MESH_PEERS", "GP_MESH_PEER"), ("GP_REGOIN", "GP_REGION"), ("GP_SECRET_ACEPTED", "GP_SECRET_ACCEPTED")]
    {
        assert!(of(name).ends_with(&format!("{name} is no option; {meant} is")), "{}", of(name));
    }
    for name in ["GP_REGION", "GP_API_KEY", "GP_NAME", "GP_WORLD_PORT", "PATH"] {
        assert_eq!(of(name), "");
    }
}

#[tokio::test]
async fn secrets_are_named_and_a_region_without_a_place_is_doubted() {
    let secrets = Secrets { api_key: Some("a key of 16 bytes".to_owned()), ..Secrets::default() };
    let lines = checked(&["--region", "xqz"], secrets).await.unwrap();
    assert!(lines.contains(&line("secrets", "GP_API_KEY")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("no place on the map")), "{lines:?}");
    assert!(lines.contains(&line("node", "a random name")), "{lines:?}");
}

#[tokio::test]
async fn the_collector_of_traces_is_named_without_its_path_and_wrong_headers_are_a_mistake() {
    let words = ["--otlp-endpoint", "https://otlp.example:4318/secret"];
    let of = |headers: &str| Secrets { otlp_headers: Some(headers.to_owned()), ..Secrets::default() };
    let lines = checked(&words, of("x-key=secret")).await.unwrap();
    assert!(lines.contains(&line("traces", "to https://otlp.example:4318")), "{lines:?}");
    assert!(lines.contains(&line("secrets", "GP_OTLP_HEADERS")), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("secret,") && !line.contains("/secret")), "{lines:?}");
    let mistake = checked(&words, of("secret")).await.unwrap_err().to_string();
    assert!(mistake.contains("GP_OTLP_HEADERS") && !mistake.contains("=secret"), "{mistake}");
}

#[tokio::test]
async fn a_peer_that_is_the_node_itself_is_doubted_and_one_that_is_another_is_not() {
    let secrets = Secrets { secret: Some("s".repeat(32)), ..Secrets::default() };
    for (listen, peer, doubted) in [
        ("quic/[::]:7447", "quic/127.0.0.1:7447", true),
        ("quic/[::]:7447", "quic/localhost:7447", true),
        ("quic/[::]:7447", "quic/127.0.0.1:7448", false),
        ("quic/[::]:7447", "quic/192.0.2.7:7447", false),
    ] {
        let lines = checked(&["--mesh-listen", listen, "--mesh-peer", peer], secrets.clone()).await.unwrap();
        assert_eq!(lines.iter().any(|line| line.contains("this node itself")), doubted, "{peer}: {lines:?}");
    }
}

#[tokio::test]
async fn a_mesh_through_nats_is_shown_with_its_name_and_its_file_of_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.creds");
    std::fs::write(&file, "ams:a password").unwrap();
    let shown = file.to_str().unwrap();
    let words = ["--mesh", "nats://n.example:4222", "--node", "ams-1", "--mesh-name", "eu", "--mesh-creds", shown];
    let secrets = Secrets { secret: Some("s".repeat(32)), ..Secrets::default() };
    let lines = checked(&words, secrets).await.unwrap();
    assert!(lines.contains(&line("name of the mesh", "eu")), "{lines:?}");
    assert!(lines.contains(&line("credentials", shown)) && !lines.concat().contains("a password"), "{lines:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_than_the_public_one_is_doubted() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["example.org".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    for (url, doubted) in [("https://example.org:8443", false), ("https://www.example.org", true)] {
        let words = ["--tls-cert", certificate, "--tls-key", key, "--public-url", url];
        let lines = checked(&words, Secrets::default()).await.unwrap();
        assert_eq!(lines.iter().any(|line| line.contains("is not for www.example.org")), doubted, "{lines:?}");
    }
}

#[tokio::test]
async fn any_api_key_is_one_and_a_file_of_keys_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let words = ["--api-keys-file", file.to_str().unwrap()];
    let mistake = checked(&words, Secrets::default()).await.unwrap_err();
    assert!(format!("{mistake:#}").contains("keys.json is not readable"), "{mistake:#}");
    std::fs::write(&file, r#"[{"name": "n", "key": "a key of 16 bytes", "may": ["read"]}]"#).unwrap();
    let accepted = Secrets { api_key_accepted: Some("a key of 16 bytes".to_owned()), ..Secrets::default() };
    let none = Secrets::default;
    for (words, secrets, warned) in [(&[][..], none(), true), (&[], accepted, false), (&words, none(), false)] {
        let lines = checked(words, secrets).await.unwrap();
        assert_eq!(lines.iter().any(|line| line.contains("no GP_API_KEY")), warned, "{words:?}: {lines:?}");
    }
}
