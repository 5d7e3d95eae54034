//! Sites that the API has set: facts of a room that no page can be in, so that all nodes learn of them and keep them.
//!
//! A fact holds no key: a site's keys are made from the secret, and the fact says which numbers are accepted.

use std::sync::{Arc, Weak};
use std::time::Duration;

use data_encoding::HEXLOWER;
use presence_core::{Lifetime, ReflexError, Room, RoomView, Write};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::table::SiteSource;
use super::{SiteSettings, Sites};
use crate::config::SitePattern;
use crate::identity::sha256;
use crate::queries::{Priority, Queries};
use crate::views::Views;

/// The room of these facts. No host and so no site's room begins with `_`, and clicks in such a room are refused.
const ROOM: &str = "_sites";
/// The map of its facts.
const MAP: &str = "sites";
const DAY_MS: u64 = 86_400_000;
/// The longest that a fact lives.
const LASTS_MS: u64 = 400 * DAY_MS;
/// A fact is written again before it ends: after this time.
const RENEWED_AFTER_MS: u64 = 100 * DAY_MS;
const RENEWED_EVERY: Duration = Duration::from_secs(3_600);

/// What a fact holds.
#[derive(Serialize, Deserialize)]
struct SharedSite {
    site: String,
    #[serde(flatten)]
    settings: SiteSettings,
}

fn settings_room() -> Room {
    Room::new(ROOM).expect("the name is short")
}

/// The entry of a site in the map: a site's name may be longer than an entry's.
fn entry(site: &SitePattern) -> String {
    HEXLOWER.encode(&sha256(site.to_string().as_bytes())[..16])
}

/// Sets a site in every region. `None` if the node is overloaded.
pub(crate) async fn set(
    queries: &Queries,
    site: &SitePattern,
    settings: SiteSettings,
) -> Option<Result<(), ReflexError>> {
    let value = SharedSite { site: site.to_string(), settings };
    let value = serde_json::to_vec(&value).expect("texts and numbers are always JSON");
    write(queries, entry(site), value).await
}

async fn write(queries: &Queries, entry: String, value: Vec<u8>) -> Option<Result<(), ReflexError>> {
    let write = Write::Put { map: MAP.into(), entry: entry.into(), value, lasts: Lifetime::For(LASTS_MS) };
    queries.write_facts(settings_room(), vec![write], Priority::Operator).await
}

/// Removes what the API has said of a site, in every region. `None` if the node is overloaded.
pub(crate) async fn remove(queries: &Queries, site: &SitePattern) -> Option<usize> {
    queries.remove_fact(settings_room(), MAP.to_owned(), Some(entry(site)), None, Priority::Operator).await
}

/// Takes over what the API sets on any node, and writes it again before it ends, for as long as the node runs.
pub(crate) async fn follow(sites: Weak<Sites>, views: Arc<Views>, queries: Queries) {
    let room = settings_room();
    // Before the first look, so that no change is missed.
    let mut changes = views.watch(&room);
    while let Some(sites) = sites.upgrade() {
        let view = views.room(&room);
        sites.set(SiteSource::Api, view.as_deref().map(shared_sites).unwrap_or_default());
        if let Some(view) = view {
            renew(&queries, &view, views.now_ms()).await;
        }
        drop(sites);
        drop(timeout(RENEWED_EVERY, changes.changed()).await);
    }
}

/// What a view of the room says. What a later version has written and this one can't read is left out.
fn shared_sites(view: &RoomView) -> Vec<(SitePattern, SiteSettings)> {
    let read = view.map::<SharedSite>(MAP).filter_map(|(_, shared)| Some((shared.site.parse().ok()?, shared.settings)));
    read.filter(|(_, settings): &(_, SiteSettings)| settings.check().is_ok()).collect()
}

async fn renew(queries: &Queries, view: &RoomView, now_ms: u64) {
    for (entry, found) in view.maps.get(MAP).into_iter().flatten() {
        if found.at_ms.saturating_add(RENEWED_AFTER_MS) < now_ms {
            // One that is not written now is written in an hour.
            let _ = write(queries, entry.clone(), found.value.clone()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use presence_core::{Author, Entry, Input, PublicId, Region, UserId};
    use tokio::sync::mpsc;

    use super::*;

    fn view(values: &[(&str, &str, u64)]) -> RoomView {
        let here = Region::new("ams").unwrap();
        let author = Author { user: UserId([0; 32]), public: PublicId([0; 32]), region: here.clone() };
        let entry = |value: &str, at_ms| Entry { value: value.into(), author: author.clone(), at_ms, id: None };
        let map = values.iter().map(|(key, value, at_ms)| ((*key).to_owned(), entry(value, *at_ms))).collect();
        let empty = RoomView::empty(settings_room(), here);
        RoomView { maps: [(MAP.to_owned(), map)].into(), ..empty }
    }

    #[test]
    fn what_this_version_can_not_read_is_left_out() {
        let view = view(&[
            ("a", r#"{"site":"https://shop.example","keys":[2,1],"later":true}"#, 0),
            ("b", r#"{"site":"https://b.example","rooms_per_site":0}"#, 0),
            ("c", r#"{"site":"no origin"}"#, 0),
            ("d", "junk", 0),
        ]);
        let read = shared_sites(&view);
        assert_eq!(
            (read.len(), read[0].0.to_string(), read[0].1.keys.len()),
            (1, "https://shop.example".to_owned(), 2)
        );
    }

    #[tokio::test]
    async fn a_fact_is_written_again_long_before_it_ends() {
        let view = view(&[("new", "2", DAY_MS), ("old", "1", 0)]);
        let (inputs, mut written) = mpsc::channel(4);
        let queries = Queries::new(inputs);
        let pending = queries.pending();
        let renewing = tokio::spawn(async move { renew(&queries, &view, RENEWED_AFTER_MS + 1).await });
        let Some(Input::FactsWritten { query, writes, .. }) = written.recv().await else { panic!("a write") };
        let [Write::Put { entry, value, lasts, .. }] = &*writes else { panic!("{writes:?}") };
        assert_eq!((&**entry, &**value, *lasts), ("old", &b"1"[..], Lifetime::For(LASTS_MS)));
        pending.answer(query, presence_core::Found::Written(Ok(())));
        renewing.await.unwrap();
        assert!(written.recv().await.is_none(), "the new one is not");
    }
}
