//! `/api/v1/sites`: the sites that may embed this server, read and set while nodes run.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Authorized;
use super::json_body::{JsonBody, WholeNumber};
use super::query_params::QueryParams;
use super::{Caching, json};
use crate::config::SitePattern;
use crate::http::api_key::KeyRight;
use crate::http::state::HttpState;
use crate::problem::{Problem, ProblemAnswer};
use crate::secret::KeyNumber;
use crate::sites::{KnownSite, SITES_MAX, SiteSettings, SiteSource};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SchemeParams {
    /// The scheme of the site's origin.
    #[serde(default = "https")]
    #[param(default = "https", example = "http")]
    scheme: String,
}

fn https() -> String {
    "https".to_owned()
}

/// What a site may use, and which of its keys are accepted. What is left out is as the node's options have it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SiteSettings)]
pub(super) struct SettingsBody {
    /// Rooms on each node, instead of `--rooms-per-site`.
    #[schema(value_type = Option<usize>, minimum = 1, required = false)]
    rooms_per_site: Option<WholeNumber>,
    /// Users that each room counts, instead of `--users-per-room`.
    #[schema(value_type = Option<usize>, minimum = 1, required = false)]
    users_per_room: Option<WholeNumber>,
    /// Joins a second on each node, instead of `--joins-per-second`.
    #[schema(value_type = Option<usize>, minimum = 1, required = false)]
    joins_per_second: Option<WholeNumber>,
    /// The numbers of the keys whose tokens are accepted: one, or two while the key is changed. `global-presence key
    /// --key-number` prints them.
    #[serde(default)]
    #[schema(value_type = Vec<KeyNumberSchema>, max_items = 2, default = json!([1]))]
    keys: Vec<WholeNumber>,
}

impl SettingsBody {
    fn settings(self) -> Result<SiteSettings, String> {
        let limit =
            |number: Option<WholeNumber>| number.map(|WholeNumber(limit)| usize::try_from(limit).unwrap_or(usize::MAX));
        let keys: Result<Vec<KeyNumber>, _> =
            self.keys.iter().map(|WholeNumber(number)| number.to_string().parse()).collect();
        let mut keys = keys?;
        // A number that is there twice says no more than once.
        if let [first, second] = keys.as_slice()
            && first == second
        {
            keys.pop();
        }
        Ok(SiteSettings {
            rooms_per_site: limit(self.rooms_per_site),
            users_per_room: limit(self.users_per_room),
            joins_per_second: self.joins_per_second.map(|WholeNumber(limit)| u32::try_from(limit).unwrap_or(u32::MAX)),
            keys,
        })
    }
}

/// The number of a key of a site, as the API's description has it.
#[derive(ToSchema)]
#[schema(as = KeyNumber, minimum = 1, maximum = 4_294_967_295_u64, example = 1)]
#[expect(dead_code, reason = "only its description is used")]
struct KeyNumberSchema(usize);

/// A site that may embed this server.
#[derive(Serialize, ToSchema)]
#[schema(as = Site)]
struct SiteAnswer {
    /// As `--site` names it.
    site: String,
    /// Who said so last: `command_line`, `file` or `api`.
    #[schema(pattern = "^(command_line|file|api)$")]
    source: &'static str,
    /// Null: as `--rooms-per-site` has it.
    #[schema(required = true)]
    rooms_per_site: Option<usize>,
    /// Null: as `--users-per-room` has it.
    #[schema(required = true)]
    users_per_room: Option<usize>,
    /// Null: as `--joins-per-second` has it.
    #[schema(required = true, value_type = Option<usize>)]
    joins_per_second: Option<u32>,
    /// The numbers of the keys whose tokens are accepted.
    #[schema(value_type = Vec<usize>)]
    keys: Vec<KeyNumber>,
}

/// All sites, in the order of their names.
#[derive(Serialize, ToSchema)]
#[schema(as = SiteList)]
pub(super) struct SitesAnswer {
    sites: Vec<SiteAnswer>,
}

impl From<&KnownSite> for SiteAnswer {
    fn from(site: &KnownSite) -> Self {
        let SiteSettings { rooms_per_site, users_per_room, joins_per_second, keys } = site.settings.clone();
        let keys = if keys.is_empty() { vec![KeyNumber::default()] } else { keys };
        let (site, source) = (site.name.to_string(), site.source.as_str());
        Self { site, source, rooms_per_site, users_per_room, joins_per_second, keys }
    }
}

/// Sites
///
/// All sites that may embed this server, as the node that answers knows them.
#[utoipa::path(
    get, path = "/api/v1/sites", tag = "sites",
    responses((status = 200, body = SitesAnswer, description = "All sites")),
    security(("key" = [])),
)]
pub(super) async fn list(State(state): State<Arc<HttpState>>, authorized: Authorized) -> Result<Response, Problem> {
    authorized.check(KeyRight::Read, &state, "")?;
    let mut sites: Vec<_> = state.embed.sites.table().all().iter().map(SiteAnswer::from).collect();
    sites.sort_by(|one, other| one.site.cmp(&other.site));
    Ok(json(StatusCode::OK, Caching::Never, &SitesAnswer { sites }))
}

/// A site
#[utoipa::path(
    get, path = "/api/v1/sites/{host}", tag = "sites",
    params(("host" = String, Path, description = "The host, with `*.` before it for its sub-domains, or `*`"), SchemeParams),
    responses(
        (status = 200, body = SiteAnswer, description = "The site"),
        (status = 404, body = ProblemAnswer, content_type = "application/problem+json", description = "It is not known"),
    ),
    security(("key" = [])),
)]
pub(super) async fn read(
    State(state): State<Arc<HttpState>>,
    authorized: Authorized,
    host: Result<Path<String>, PathRejection>,
    QueryParams(scheme): QueryParams<SchemeParams>,
) -> Result<Response, Problem> {
    authorized.check(KeyRight::Read, &state, "")?;
    let site = pattern(host, &scheme)?;
    let table = state.embed.sites.table();
    let known = table.named(&site.to_string()).ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, format!("{site} is no site of this node. /api/v1/sites lists them."))
    })?;
    Ok(json(StatusCode::OK, Caching::Never, &SiteAnswer::from(known)))
}

/// Set a site
///
/// The whole of its settings, on all nodes. Nodes that are not heard now learn of it when they are heard again. It goes before
/// what options and files of nodes say of the site.
#[utoipa::path(
    put, path = "/api/v1/sites/{host}", tag = "sites",
    params(("host" = String, Path, description = "The host, with `*.` before it for its sub-domains, or `*`"), SchemeParams),
    request_body(content = SettingsBody, description = "The settings; `{}` for those of the nodes' options"),
    responses(
        (status = 200, body = SiteAnswer, description = "It is set here, and is on its way to all regions"),
        (status = 404, body = ProblemAnswer, content_type = "application/problem+json", description = "No site has such a name"),
        (status = 409, body = ProblemAnswer, content_type = "application/problem+json", description = "There are too many"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn set(
    State(state): State<Arc<HttpState>>,
    authorized: Authorized,
    host: Result<Path<String>, PathRejection>,
    QueryParams(scheme): QueryParams<SchemeParams>,
    JsonBody(body): JsonBody<SettingsBody>,
) -> Result<Response, Problem> {
    authorized.check(KeyRight::Admin, &state, "")?;
    let pattern = pattern(host, &scheme)?;
    let settings = body.settings().map_err(|mistake| Problem::new(StatusCode::BAD_REQUEST, mistake))?;
    settings.check().map_err(|mistake| Problem::new(StatusCode::BAD_REQUEST, mistake))?;
    let name: Arc<str> = pattern.to_string().into();
    let table = state.embed.sites.table();
    let others = table.all().iter().filter(|site| site.source == SiteSource::Api && site.name != name).count();
    if others >= SITES_MAX {
        let detail =
            format!("{SITES_MAX} sites are set by the API, which is the limit. Delete one, or use --sites-file.");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    if let Err(refused) = state.set_site(&pattern, Some(settings.clone())).await? {
        return Err(Problem::new(StatusCode::CONFLICT, refused.to_string()));
    }
    let (by, address) = (authorized.key_name(), authorized.address());
    // Numbers of keys, no keys.
    let said = serde_json::to_string(&settings).expect("numbers are always JSON");
    tracing::info!(target: "audit", key = by, %address, site = %name, settings = said, "set a site");
    let site = KnownSite { pattern, name, settings, source: SiteSource::Api };
    Ok(json(StatusCode::OK, Caching::Never, &SiteAnswer::from(&site)))
}

/// Delete a site
///
/// Removes what was set here, on all nodes. What options and files of nodes say of the site then holds again. Sockets that are
/// open stay so. It is no error if there is nothing to delete.
#[utoipa::path(
    delete, path = "/api/v1/sites/{host}", tag = "sites",
    params(("host" = String, Path, description = "The host, with `*.` before it for its sub-domains, or `*`"), SchemeParams),
    responses(
        (status = 204, description = "It is deleted here, and is on its way to all regions"),
        (status = 404, body = ProblemAnswer, content_type = "application/problem+json", description = "No site has such a name"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn remove(
    State(state): State<Arc<HttpState>>,
    authorized: Authorized,
    host: Result<Path<String>, PathRejection>,
    QueryParams(scheme): QueryParams<SchemeParams>,
) -> Result<StatusCode, Problem> {
    authorized.check(KeyRight::Admin, &state, "")?;
    let site = pattern(host, &scheme)?;
    if let Err(refused) = state.set_site(&site, None).await? {
        return Err(Problem::new(StatusCode::CONFLICT, refused.to_string()));
    }
    let (by, address) = (authorized.key_name(), authorized.address());
    tracing::info!(target: "audit", key = by, %address, %site, "deleted a site");
    Ok(StatusCode::NO_CONTENT)
}

/// Answers a path in which a site is named by an address with a scheme or a path.
pub(super) async fn address(Path((host, rest)): Path<(String, String)>) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, host_only(&format!("{host}/{rest}")))
}

/// How the site of this address is named.
fn host_only(address: &str) -> String {
    let (scheme, rest) =
        address.split_once(':').filter(|(_, rest)| rest.starts_with('/')).unwrap_or(("https", address));
    let host = rest.trim_start_matches('/').split('/').next().unwrap_or_default();
    let scheme = if scheme == "https" { String::new() } else { format!("?scheme={scheme}") };
    format!("Name the host only: /api/v1/sites/{host}{scheme}.")
}

/// The site of a host.
fn pattern(host: Result<Path<String>, PathRejection>, params: &SchemeParams) -> Result<SitePattern, Problem> {
    let host = host.map_err(|_| "The host is not UTF-8.".to_owned()).map(|Path(host)| host);
    let text = host.and_then(|host| match &*host {
        "*" => Ok(host),
        address if address.contains('/') => Err(host_only(address)),
        _ => Ok(format!("{}://{host}", params.scheme)),
    });
    let parsed = text.and_then(|text| text.parse().map_err(|mistake| format!("This is no site: {mistake}.")));
    // Such a site can't be.
    parsed.map_err(|mistake| Problem::new(StatusCode::NOT_FOUND, mistake))
}
