//! `/api/openapi.json`: the API's description, generated from the code that serves it.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::counts::RoomName;
use crate::problem::ProblemAnswer;

/// Problems that every operation may answer: `(status, when)`.
const ANY: [(StatusCode, &str); 1] =
    [(StatusCode::MISDIRECTED_REQUEST, "The request names a host that this node does not serve")];
const WITH_PARAMETERS: [(StatusCode, &str); 1] = [(StatusCode::BAD_REQUEST, "The request is not as described")];
const WITH_A_BODY: [(StatusCode, &str); 3] = [
    (StatusCode::BAD_REQUEST, "The request is not as described"),
    (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The Content-Type of the body is not JSON"),
];
const WITH_A_KEY: [(StatusCode, &str); 1] = [(StatusCode::UNAUTHORIZED, "The API key is missing or wrong")];
const WITHOUT_A_KEY: [(StatusCode, &str); 1] =
    [(StatusCode::FORBIDDEN, "The node has no API key, or the one of the request may not do this")];
/// Answered by the HTTP library, without a body.
const HEAD_TOO_LARGE: (StatusCode, &str) =
    (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Address and headers are longer than 32 KiB together");

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut document = super::description();
    complete(&mut document);
    document.to_json().expect("a document of texts is always JSON")
});

/// This document
///
/// OpenAPI 3.1.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "document",
    responses((status = 200, body = Object, description = "The API, as OpenAPI describes APIs")),
)]
pub(super) async fn document() -> Response {
    let fixed = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    (fixed.map(|(name, value)| (name, HeaderValue::from_static(value))), DOCUMENT.as_str()).into_response()
}

/// The document without its operations.
pub(super) fn base() -> OpenApi {
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The node's GP_API_KEY, or a key of its --api-keys-file"))
        .build();
    let components = ComponentsBuilder::new()
        .security_scheme("key", SecurityScheme::Http(key))
        .schema(ProblemAnswer::name(), ProblemAnswer::schema())
        // Schemas that only parameters refer to are not collected automatically.
        .schema(RoomName::name(), RoomName::schema())
        .build();
    let info = InfoBuilder::new()
        .title("Global Presence")
        .version("1")
        .description(Some("Who is looking at what now, in all regions. Every node answers from its own memory."))
        .build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// Adds the problems that an operation may answer, by its kind.
fn complete(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten() {
            let secured = operation.security.is_some();
            let open =
                operation.security.iter().flatten().any(|one| *one == utoipa::openapi::SecurityRequirement::default());
            add(operation, &ANY);
            if operation.parameters.is_some() {
                add(operation, &WITH_PARAMETERS);
            }
            if operation.request_body.is_some() {
                add(operation, &WITH_A_BODY);
            }
            if secured {
                add(operation, &WITH_A_KEY);
            }
            if secured && !open {
                add(operation, &WITHOUT_A_KEY);
            }
            let (status, when) = HEAD_TOO_LARGE;
            let response = ResponseBuilder::new().description(when).build();
            operation.responses.responses.insert(status.as_str().to_owned(), RefOr::T(response));
        }
    }
}

fn add(operation: &mut Operation, problems: &[(StatusCode, &str)]) {
    for (status, when) in problems {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemAnswer::name()))).build();
        let response = ResponseBuilder::new().description(*when).content("application/problem+json", content).build();
        operation.responses.responses.insert(status.as_str().to_owned(), RefOr::T(response));
    }
}
