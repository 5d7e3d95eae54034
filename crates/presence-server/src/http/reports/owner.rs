//! `/owner`: the visitors of one site, for the holder of its key.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use presence_core::{Below, Found, Query, RoomView, Subtree};

use super::access::Caller;
use super::chart::{chart, time_of_day};
use super::html::{figure, number, page as whole_page, section, table};
use super::{ReportSources, answer, busiest};
use crate::config::Origin;
use crate::http::api_key::KeyRights;
use crate::http::listen::HttpPeer;
use crate::http::markup::escaped;
use crate::http::occupancy::MINUTES_MAX;
use crate::http::reader::CountsReader;
use crate::http::sampling;
use crate::http::state::HttpState;
use crate::problem::Problem;

const PAGES_SHOWN: usize = 50;

/// `GET /owner?site=https://shop.example`; the key of one site needs no `site`.
pub(super) async fn page(
    State(sources): State<Arc<ReportSources>>,
    Extension(peer): Extension<HttpPeer>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let caller = Caller { peer: &peer, version: request.version(), headers: request.headers() };
    let rights = match sources.owner_rights(&caller).await {
        Ok(rights) => rights,
        Err(refusal) => return refusal,
    };
    let asked = OwnerParams::read(query.as_deref().unwrap_or_default());
    let reader = if rights.is_for(None) { CountsReader::Operator } else { CountsReader::Anybody(peer.address.ip()) };
    let made = async {
        let site = asked.site(&rights)?;
        let subtree = Subtree { path: format!("{}/", site.host), except: None };
        let Found::Below(below) = sources.state.query(Query::Below(subtree), reader).await? else {
            unreachable!("the node answers the query that it got")
        };
        Ok::<_, Problem>(owner_page(&sources.state, &site, &below, asked.paused))
    };
    match made.await {
        Ok(body) => answer(body, asked.paused),
        Err(problem) => problem.into_response(),
    }
}

/// The query parameters.
struct OwnerParams {
    site: Option<String>,
    paused: bool,
}

impl OwnerParams {
    fn read(query: &str) -> Self {
        let named = |name: &str| {
            let mut all = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
            all.next().map(|(_, value)| value.into_owned())
        };
        Self { site: named("site"), paused: named("refresh").as_deref() == Some("off") }
    }

    /// The site that is asked for, if the key is for it.
    fn site(&self, rights: &KeyRights) -> Result<Origin, Problem> {
        let Some(text) = &self.site else {
            let detail = "Say which site: /owner?site=https://shop.example.";
            return rights.site().cloned().ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, detail));
        };
        let site = text.parse::<Origin>().map_err(|mistake| Problem::new(StatusCode::BAD_REQUEST, mistake))?;
        if rights.is_for(Some(&site)) {
            return Ok(site);
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "This API key is for another site."))
    }
}

fn owner_page(state: &HttpState, site: &Origin, below: &Below, paused: bool) -> String {
    let day = sampling::host(state, &site.host);
    let peak = day.values.iter().copied().enumerate().max_by_key(|(_, users)| *users);
    let peak_at =
        peak.map(|(index, _)| format!("at most, pages added up, at {} UTC", time_of_day(day.minute_ms(index))));
    let peak_users = peak.map_or(0, |(_, users)| users);
    let figures = [
        figure(&number(below.users.into()), "people now"),
        figure(&number(below.looking.into()), "of them look at it"),
        figure(&number(peak_users.max(below.users).into()), peak_at.as_deref().unwrap_or("at most, pages added up")),
    ];
    let pages = pages(state, &site.host);
    let sections = [
        section("Now", &format!("<div class=\"figures\">\n{}</div>", figures.concat())),
        section("The last 24 hours", &chart("People on all pages, added up", &day, MINUTES_MAX)),
        section("By region", &regions(state, below)),
        section("By page", &by_page(&pages, &site.host)),
    ];
    let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("site", &site.to_string()).finish();
    let again = if paused { format!("/owner?{query}") } else { format!("/owner?{query}&refresh=off") };
    whole_page(&format!("Visitors of {}", site.host), "", &sections, paused, &again)
}

/// The rooms of a host that have users, the busiest first.
fn pages(state: &HttpState, host: &str) -> Vec<Arc<RoomView>> {
    let below = Subtree { path: format!("{host}/"), except: None };
    let mut rooms = state.views.rooms();
    rooms.retain(|view| below.contains(&view.room));
    busiest(rooms)
}

fn regions(state: &HttpState, below: &Below) -> String {
    let mesh = state.views.mesh();
    let names: BTreeMap<&str, &str> =
        mesh.regions.iter().map(|region| (region.region.as_str(), region.place.name.as_str())).collect();
    let mut users = below.regions.clone();
    users.sort_by_key(|(_, users)| std::cmp::Reverse(*users));
    let name = |code: &str| names.get(code).copied().filter(|name| !name.is_empty()).unwrap_or(code).to_owned();
    let rows = users.iter().map(|(region, users)| vec![escaped(&name(region.as_str())), number((*users).into())]);
    let rows: Vec<Vec<String>> = rows.collect();
    match rows.is_empty() {
        true => "<p>No one is here now.</p>".to_owned(),
        false => table("People by region", &["region", "people"], &rows),
    }
}

fn by_page(pages: &[Arc<RoomView>], host: &str) -> String {
    let path = |room: &str| match room.strip_prefix(host) {
        Some("") | None => "/".to_owned(),
        Some(path) => path.to_owned(),
    };
    let rows = pages.iter().take(PAGES_SHOWN).map(|view| {
        let page = format!("<span class=\"long\">{}</span>", escaped(&path(view.room.as_str())));
        vec![page, number(view.users.into()), number(view.looking.into())]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let further = pages.len().saturating_sub(PAGES_SHOWN);
    let more =
        if further > 0 { format!("<p class=\"note\">And {} more.</p>", number(further as u64)) } else { String::new() };
    match rows.is_empty() {
        true => "<p>No page is open now.</p>".to_owned(),
        false => table("People by page", &["page", "people", "looking"], &rows) + &more,
    }
}
