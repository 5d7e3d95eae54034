//! Publishing over HTTP: what is accepted, and what is refused with which answer.

use serde_json::{Value, json};

use super::{keyed, read};
use crate::common::{SOON, TestServer};

const PUBLISH: &str = "/api/v1/publish";

/// One POST; status and body.
pub(crate) async fn post(
    server: &TestServer,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> (u16, Value) {
    let request = reqwest::Client::new().post(server.url(path)).timeout(SOON).body(body);
    let mut all = reqwest::header::HeaderMap::new();
    for (name, value) in [("content-type", "application/json")].iter().chain(headers) {
        let name: reqwest::header::HeaderName = name.parse().unwrap();
        all.insert(name, value.parse().unwrap());
    }
    let answer = request.headers(all).send().await.unwrap();
    (answer.status().as_u16(), read(answer).await)
}

#[tokio::test]
async fn a_message_is_accepted_and_the_answer_says_how_many_regions_are_heard() {
    let (server, key) = keyed("").await;
    let expected = json!({"stream": "bench", "regions_heard": 1, "regions_known": 1});
    for body in [
        r#"{"stream":"bench","data":{"a":[1,2.50,"ü"]}}"#.to_owned(),
        r#"{"stream":"bench","data":null,"history":false}"#.to_owned(),
        format!(r#"{{"stream":"bench","data":"{}"}}"#, "x".repeat(64 * 1_024 - 2)),
        // Half a surrogate pair, which browsers write and read, and a number that they read as infinity.
        r#"{"stream":"bench","data":["\ud83d","\udca1",1e999]}"#.to_owned(),
        format!(r#"{{"stream":"bench","data":{}{}}}"#, "[".repeat(100), "]".repeat(100)),
    ] {
        assert_eq!(post(&server, PUBLISH, &key, body).await, (202, expected.clone()));
    }
}

#[tokio::test]
async fn an_invalid_message_is_refused_with_a_sentence() {
    let (server, key) = keyed("").await;
    let large = format!(r#"{{"stream":"bench","data":"{}"}}"#, "x".repeat(64 * 1_024 - 1));
    let huge = format!(r#"{{"stream":"bench","data":"{}"}}"#, "x".repeat(80 * 1_024));
    let deep = format!(r#"{{"stream":"bench","data":{}{}}}"#, "[".repeat(101), "]".repeat(101));
    let named = format!(r#"{{"stream":"{}","data":1}}"#, "x".repeat(1_025));
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        (r#" ["bench",1,true]"#, 400),
        (r#"{"stream":"bench"}"#, 400),
        (r#"{"data":1}"#, 400),
        (r#"{"stream":"","data":1}"#, 400),
        (r#"{"stream":7,"data":1}"#, 400),
        (r#"{"stream":"bench","data":1,"history":"no"}"#, 400),
        (r#"{"stream":"bench","data":1,"more":1}"#, 400),
        (r#"{"stream":"bench","stream":"bench","data":1}"#, 400),
        (&deep, 400),
        (&named, 400),
        (&large, 413),
        (&huge, 413),
    ] {
        let (answered, problem) = post(&server, PUBLISH, &key, body.to_owned()).await;
        let shown = &body[..body.len().min(80)];
        assert_eq!((answered, &problem["status"]), (status, &json!(status)), "{shown}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{shown}: {problem}");
    }
    let form = post(&server, PUBLISH, &[key[0], ("content-type", "text/plain")], "{}").await;
    assert_eq!(form.0, 415, "{}", form.1);
}

#[tokio::test]
async fn publishing_needs_the_key() {
    let body = r#"{"stream":"bench","data":1}"#;
    let (server, _) = keyed("").await;
    assert_eq!(post(&server, PUBLISH, &[], body).await.0, 401);
    assert_eq!(post(&server, PUBLISH, &[("authorization", "Bearer another")], body).await.0, 401);
    let keyless = TestServer::start("").await;
    for headers in [&[][..], &[("authorization", "Bearer ")]] {
        let (status, problem) = post(&keyless, PUBLISH, headers, body).await;
        assert!(status == 403 && problem["detail"].as_str().unwrap().contains("GP_API_KEY"), "{status} {problem}");
    }
    let asked = server.get(PUBLISH).await;
    assert_eq!((asked.status().as_u16(), asked.headers()["allow"].to_str().unwrap()), (405, "POST"));
}
