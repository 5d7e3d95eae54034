//! At most three open streams of one browser over HTTP/1.1: a browser opens six connections to a server, and if all of them
//! are streams, it can load nothing else from there.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderMap, Version, header};
use parking_lot::Mutex;

use crate::identity::EmbedId;

/// How many streams of a browser stay open at once.
const STREAMS_MAX: usize = 3;

/// Counts the streams of each browser that stay open. A browser without any takes no memory.
#[derive(Default)]
pub(super) struct OpenStreams(Mutex<HashMap<EmbedId, usize>>);

/// The right to keep a stream open; given back when dropped. `id`: the browser, where its streams are counted.
pub(super) struct OpenStream {
    all: Arc<OpenStreams>,
    id: Option<EmbedId>,
}

impl OpenStreams {
    /// `None` if this browser has as many open streams as it may: it should be answered briefly, and come back.
    pub(super) fn open(self: &Arc<Self>, id: EmbedId, version: Version, headers: &HeaderMap) -> Option<OpenStream> {
        let id = (!shares_one_connection(version, headers)).then_some(id);
        if let Some(id) = id {
            let mut counts = self.0.lock();
            let count = counts.entry(id).or_default();
            if *count >= STREAMS_MAX {
                return None;
            }
            *count += 1;
        }
        Some(OpenStream { all: Arc::clone(self), id })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let mut counts = self.all.0.lock();
        if let Some(count) = counts.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&id);
            }
        }
    }
}

/// Whether all requests of the browser share one connection, as in HTTP/2 and 3. Where it speaks that to a proxy, the first
/// `Via` tells (RFC 9110, section 7.6.3).
fn shares_one_connection(version: Version, headers: &HeaderMap) -> bool {
    let via = headers.get(header::VIA).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let received = via.trim_start().trim_start_matches("HTTP/");
    version >= Version::HTTP_2 || received.starts_with(['2', '3'])
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn three_streams_of_a_browser_stay_open_over_http_1_and_any_number_over_http_2() {
        let all = Arc::new(OpenStreams::default());
        let (one, other) = (EmbedId::random(), EmbedId::random());
        let none = HeaderMap::new();
        let open = |id| all.open(id, Version::HTTP_11, &none);
        let mut held: Vec<_> = (0..STREAMS_MAX).map(|_| open(one).unwrap()).collect();
        assert!(open(one).is_none() && open(other).is_some());
        let via = |text| HeaderMap::from_iter([(header::VIA, HeaderValue::from_static(text))]);
        for text in ["2 fly.io", "HTTP/2 edge", "2.0 a, 1.1 b", "3 x"] {
            assert!(all.open(one, Version::HTTP_11, &via(text)).is_some(), "{text}");
        }
        assert!(all.open(one, Version::HTTP_11, &via("1.1 squid, 2 fly.io")).is_none());
        assert!(all.open(one, Version::HTTP_2, &none).is_some());
        held.pop();
        assert!(open(one).is_some());
        drop(held);
        assert!(all.0.lock().is_empty());
    }
}
