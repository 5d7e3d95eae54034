//! Counts as server-sent events, for pages whose sockets are blocked on their way; without it they would show nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use presence_cable::{
    EMBED_PING, EmbedIdentity, Identifier, embed_counts, embed_error, embed_left, embed_room, embed_welcome,
};
use presence_core::RoomView;

use super::Web;
use super::came::Came;
use super::listen::Peer;
use super::stay::{Joined, Over, Stay, Writing};
use crate::clock::wall_ms;
use crate::identity::EmbedId;
use crate::problem::Problem;
use crate::sites::Site;

/// Nothing tells whether a browser still reads a stream, so it has to come back and say so.
const LASTS: Duration = Duration::from_secs(60);

type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// `GET /presence/events?room=…&room=…&token=…&id=…&visible=…`: a token is for the room before it.
pub(super) async fn events(
    State(web): State<Arc<Web>>,
    Extension(peer): Extension<Peer>,
    Extension(came): Extension<Came>,
    headers: HeaderMap,
    query: Pairs,
) -> Response {
    match open(&web, &peer, &came, &headers, query) {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

/// What the page asks for.
#[derive(Default)]
struct Asked {
    rooms: Vec<(String, Option<String>)>,
    id: Option<String>,
    hidden: bool,
}

impl Asked {
    fn read(pairs: Vec<(String, String)>, most: usize) -> Result<Self, Problem> {
        let mut asked = Self::default();
        for (name, value) in pairs {
            match (name.as_str(), asked.rooms.last_mut()) {
                ("room", _) => asked.rooms.push((value, None)),
                ("token", Some((_, token))) => *token = Some(value),
                ("id", _) => asked.id = Some(value),
                ("visible", _) => asked.hidden = value == "false",
                _ => {
                    let detail =
                        format!("Ask for room=, each with its token= behind it, id= and visible=, not {name:?}.");
                    return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
                }
            }
        }
        if asked.rooms.is_empty() || asked.rooms.len() > most {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                format!("Ask for 1 to {most} rooms: ?room=one&room=two."),
            ));
        }
        Ok(asked)
    }
}

fn open(web: &Arc<Web>, peer: &Peer, came: &Came, headers: &HeaderMap, query: Pairs) -> Result<Response, Problem> {
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let origin = origin.ok_or_else(|| {
        Problem::new(StatusCode::FORBIDDEN, "A stream needs an Origin header, as browsers send it to other servers.")
    })?;
    let (site, host) = web.site(origin, came).ok_or_else(|| Problem::foreign(origin))?;
    let Query(pairs) = query.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "The query can't be read."))?;
    let asked = Asked::read(pairs, web.hub.limits.rooms_per_socket)?;
    let cookie = web.embed_cookie(headers, came);
    let given = asked.id.as_deref().and_then(|text| web.embed.embeds.read(text));
    let (id, identity) = match (cookie, given) {
        (Some(id), _) => (id, EmbedIdentity::Cookie),
        (None, Some(id)) => (id, EmbedIdentity::Given),
        (None, None) => (EmbedId::drawn(), EmbedIdentity::New),
    };
    let mut stay = Stay::begin(web, peer, came, id.user(site.name()), !asked.hidden)?;
    let mut begun = event(&embed_welcome(&web.embed.embeds.written(&id), identity));
    let mut names = Vec::new();
    for (name, token) in asked.rooms {
        begun.extend(join(web, &mut stay, &mut names, (&site, &host), &name, token.as_deref()));
    }
    let mut response = Response::new(stay.write(begun, Events { names }));
    let fixed = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let headers = response.headers_mut();
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    let cookie = web.embed.embeds.cookie_written(&id, came.secure);
    headers.insert(header::SET_COOKIE, HeaderValue::try_from(cookie).expect("a cookie is visible ASCII"));
    Ok(response)
}

/// Joins one room; what there is to say about it.
fn join(
    web: &Web,
    stay: &mut Stay,
    names: &mut Vec<Identifier>,
    (site, host): (&Site, &str),
    name: &str,
    token: Option<&str>,
) -> Option<String> {
    let joined =
        web.embed.sites.enter(site, host, name, token, wall_ms() / 1_000).and_then(|entry| stay.join(site, entry));
    let uncounted = match joined {
        Ok(Joined { place, uncounted }) => {
            debug_assert_eq!(place, names.len(), "rooms are joined in order");
            names.push(embed_room(name));
            uncounted
        }
        Err(problem) => Some(problem),
    };
    uncounted.map(|problem| event(&embed_error(Some(name), problem.status(), problem.detail())))
}

fn event(json: &str) -> String {
    format!("data: {json}\n\n")
}

/// `presence-v1`, one message an event.
struct Events {
    names: Vec<Identifier>,
}

impl Writing for Events {
    fn line(&self) -> String {
        event(EMBED_PING)
    }

    fn lasts(&self) -> Duration {
        LASTS
    }

    fn counts(&self, place: usize, view: &RoomView) -> String {
        event(&format!("{}{}", self.names[place].opening(), embed_counts(view)))
    }

    fn farewell(&self, _over: Over) -> String {
        "event: again\ndata: {}\n\n".to_owned()
    }

    fn left(&self, place: usize) -> Option<String> {
        Some(event(&embed_left(&self.names[place])))
    }
}
