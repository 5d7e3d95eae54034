//! Which request a line of the log belongs to, and, if the operator wants that, a line for each request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use presence_core::TraceContext;
use tracing::Span;

use super::listen::HttpPeer;
use super::request_stats::PAGES;
use super::state::HttpState;
use crate::secret::random;

/// The longest id of a request that is taken.
const ID_BYTES_MAX: usize = 128;
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

/// What the log says of a request.
pub(super) struct RequestLog {
    id: HeaderValue,
    trace: Option<TraceContext>,
    span: Span,
    /// If the operator wants a line for each request.
    line: Option<AccessLine>,
}

impl RequestLog {
    pub(super) fn begin(state: &HttpState, request: &Request) -> Self {
        let id = given_id(request.headers()).unwrap_or_else(|| HEXLOWER.encode(&random::<8>()));
        let trace = request.headers().get(TRACEPARENT).and_then(|value| TraceContext::parse(value.to_str().ok()?));
        let trace_id = trace.map(|trace| HEXLOWER.encode(&trace.trace_id()));
        // A record's target: lines of any level belong to the request, also those of an app.
        let span = tracing::info_span!(target: "audit", "request", id, trace_id);
        let line = state.access_log.then(|| AccessLine::of(state, request));
        Self { id: HeaderValue::try_from(id).expect("an id is visible ASCII"), trace, span, line }
    }

    /// Names the request in all lines that are logged in it.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// The trace that the request is a part of.
    pub(super) fn trace(&self) -> Option<TraceContext> {
        self.trace
    }

    /// Names the request in its answer, and logs it at the answer's end.
    pub(super) fn end(self, mut response: Response) -> Response {
        response.headers_mut().insert(X_REQUEST_ID, self.id);
        match self.line {
            Some(line) => line.written_after(response, self.span),
            None => response,
        }
    }
}

/// The id that a client or a proxy gave the request: visible ASCII, since it is given back and logged.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let fits = (1..=ID_BYTES_MAX).contains(&given.len()) && given.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| given.to_owned())
}

/// What is logged of a request once it is answered. A path may name a room, and so does not stand there.
struct AccessLine {
    method: &'static str,
    route: String,
    address: IpAddr,
    began: Instant,
}

impl AccessLine {
    fn of(state: &HttpState, request: &Request) -> Self {
        let peer = request.extensions().get::<HttpPeer>().expect("every connection has a peer");
        let route = request.extensions().get::<MatchedPath>().map_or(PAGES, MatchedPath::as_str);
        let address = shortened(state.rules.visitor(request.headers(), peer.address.ip()));
        Self { method: known_method(request.method()), route: route.to_owned(), address, began: Instant::now() }
    }

    /// The answer, at whose end the line is written.
    fn written_after(self, response: Response, span: Span) -> Response {
        let ending = AccessEnding { line: self, status: response.status(), span, bytes: 0 };
        // Where the connection becomes a socket, the body ends at once: what follows is the socket's.
        response.map(|body| Body::new(LoggedBody { body, ending }))
    }
}

/// Writes the line when it is dropped: at the end of an answer, or of its connection.
struct AccessEnding {
    line: AccessLine,
    status: StatusCode,
    span: Span,
    bytes: u64,
}

impl Drop for AccessEnding {
    fn drop(&mut self) {
        let AccessLine { method, route, address, began } = &self.line;
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (status, bytes) = (self.status.as_u16(), self.bytes);
        self.span.in_scope(|| tracing::info!(target: "access", method, route, status, bytes, ms, %address));
    }
}

/// The body of an answer, whose bytes are counted.
struct LoggedBody {
    body: Body,
    ending: AccessEnding,
}

impl HttpBody for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let length = frame.data_ref().map_or(0, Bytes::len);
            this.ending.bytes = this.ending.bytes.saturating_add(length as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A method that HTTP has; others are a client's own words.
fn known_method(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"];
    known.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}

/// An address without the part that tells one household from another: the log is to say nothing about a visitor.
fn shortened(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() >> 8 << 8).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn an_id_is_taken_if_it_is_short_and_visible() {
        let longest = "i".repeat(ID_BYTES_MAX);
        for good in ["7", "a-b_c/d=\"", &longest] {
            assert_eq!(given_id(&headers("x-request-id", good)).as_deref(), Some(good));
        }
        let long = "i".repeat(ID_BYTES_MAX + 1);
        for wrong in ["", "a b", "a\tb", &long] {
            assert_eq!(given_id(&headers("x-request-id", wrong)), None, "{wrong}");
        }
        assert_eq!(given_id(&HeaderMap::new()), None);
    }

    #[test]
    fn an_address_is_shortened_and_a_method_is_one_of_few() {
        for (address, logged) in
            [("192.0.2.77", "192.0.2.0"), ("::ffff:192.0.2.77", "192.0.2.0"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1::")]
        {
            assert_eq!(shortened(address.parse().unwrap()).to_string(), logged);
        }
        assert_eq!(known_method(&Method::PATCH), "PATCH");
        assert_eq!(known_method(&Method::from_bytes(b"BREW").unwrap()), "other");
    }
}
