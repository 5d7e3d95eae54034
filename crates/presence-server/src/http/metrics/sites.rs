//! What each site uses, at `/metrics/sites`: apart from `/metrics`, since there may be many sites and each has a label.

use std::fmt;

use super::writer::MetricWriter;
use crate::http::occupancy::SiteUsers;
use crate::http::sampling;
use crate::http::state::HttpState;
use crate::sites::SiteCounters;

pub(super) fn write(to: &mut MetricWriter<'_>, state: &HttpState) -> fmt::Result {
    let users = sampling::sites(state);
    let by_site = |value: fn(&SiteUsers) -> u32| {
        let mut sites: Vec<_> =
            users.iter().map(|(site, users)| ([("site", site.to_string())], value(users))).collect();
        sites.sort();
        sites
    };
    to.gauges("site_users", "Users in all regions, added up over all rooms of the site", by_site(|users| users.now))?;
    let help = "The most of these users since the start of the node, as seen every 10 s";
    to.gauges("site_users_peak", help, by_site(|users| users.peak))?;
    let stats = state.embed.sites.stats();
    let label = |site: &str| ("site", site.to_owned());
    let each = |value: fn(&SiteCounters) -> u64| stats.iter().map(move |(site, used)| ([label(site)], value(used)));
    let open = stats.iter().map(|(site, used)| ([label(site)], used.open()));
    to.gauges("site_connections", "Open sockets and streams of this node's visitors", open)?;
    let seconds = stats.iter().map(|(site, used)| ([label(site)], used.connection_time().as_secs_f64()));
    to.counters("site_connection_seconds", "How long sockets and streams have been open, added up", seconds)?;
    to.counters("site_joins", "Joins of this node's visitors that were accepted", each(SiteCounters::joins))?;
    to.counters("site_messages", "Messages from pages over sockets", each(SiteCounters::messages))?;
    let bytes = stats.iter().flat_map(|(site, used)| {
        used.bytes().map(|(direction, bytes)| ([label(site), ("direction", direction.to_owned())], bytes))
    });
    let help = "Bytes of messages over sockets; what was sent is counted when the socket ends";
    to.counters("site_bytes", help, bytes)?;
    let refusals = stats.iter().flat_map(|(site, used)| {
        used.refusals().map(|(reason, count)| ([label(site), ("reason", reason.to_owned())], count))
    });
    to.counters(
        "site_refusals",
        "Joins that were refused, and visitors who see numbers without being counted",
        refusals,
    )
}
