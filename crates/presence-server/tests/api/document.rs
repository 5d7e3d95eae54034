//! The OpenAPI document.

use serde_json::Value;

use super::read;
use crate::common::TestServer;

#[tokio::test]
async fn the_document_names_every_operation_and_every_problem() {
    let server = TestServer::start("").await;
    let document = read(server.get("/api/openapi.json").await).await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let named: Vec<&str> = paths.keys().map(String::as_str).collect();
    let expected = [
        "/api/openapi.json",
        "/api/v1/facts",
        "/api/v1/facts/export",
        "/api/v1/facts/import",
        "/api/v1/log",
        "/api/v1/mesh",
        "/api/v1/publish",
        "/api/v1/rooms",
        "/api/v1/rooms/busiest",
        "/api/v1/rooms/dismiss",
        "/api/v1/rooms/events",
        "/api/v1/rooms/history",
        "/api/v1/rooms/members",
        "/api/v1/rooms/{room}",
        "/api/v1/sites",
        "/api/v1/sites/{host}",
    ];
    assert_eq!(named, expected);
    let answers = |path: &str, method: &str| -> Vec<String> {
        document["paths"][path][method]["responses"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(answers("/api/v1/publish", "post"), ["202", "400", "401", "403", "413", "415", "421", "431", "503"]);
    assert_eq!(answers("/api/v1/rooms/members", "get"), ["200", "400", "401", "403", "421", "431", "503"]);
    assert_eq!(answers("/api/v1/facts", "delete"), ["200", "400", "401", "403", "421", "431", "503"]);
    assert_eq!(answers("/api/v1/log", "put"), ["200", "400", "401", "403", "413", "415", "421", "431", "501"]);
    assert_eq!(
        answers("/api/v1/sites/{host}", "put"),
        ["200", "400", "401", "403", "404", "409", "413", "415", "421", "431", "503"]
    );
    assert_eq!(answers("/api/v1/mesh", "get"), ["200", "401", "421", "431"]);
    let problem =
        &document["paths"]["/api/v1/publish"]["post"]["responses"]["400"]["content"]["application/problem+json"];
    assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem");
    assert!(references(&document).iter().all(|to| document.pointer(to).is_some()), "{:?}", references(&document));
}

/// All references in the document.
fn references(part: &Value) -> Vec<String> {
    match part {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).map(|to| to.trim_start_matches('#').to_owned());
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(parts) => parts.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
