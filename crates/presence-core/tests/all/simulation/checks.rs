//! What must be true of a world: always, and once it is calm.

use std::collections::BTreeSet;

use presence_core::{RoomView, UserId};

use super::last_clicks::newcomer;
use super::{GONE_MS, REGIONS, has_twin};
use crate::app::{CARDS, WALL, draw, everything};
use crate::digest::sha256;
use crate::tabs::{At, Click};
use crate::world::World;

/// Links over which nothing comes any more are replaced by then.
const RELINKED_MS: u64 = 11_000;

/// How long after it became calm all pages agree: 5 s. Where the younger node of a name died while another node was frozen, that
/// one rests for a second and then waits for a lease before it hears the older one.
pub(super) fn agree_within_ms(world: &World) -> u64 {
    match has_twin(world) {
        _ if is_led_astray(world) => RELINKED_MS,
        true => 7_000,
        false => 5_000,
    }
}

/// Whether two of the clocks are minutes ahead. A node that hears some of the others only through a relay counts their clocks
/// not, and may take the wrong ones for right, until it has replaced its links to nodes that were killed.
fn is_led_astray(world: &World) -> bool {
    world.hosts.iter().take(REGIONS.len()).filter(|host| host.skew_ms > 60_000).count() > 1
}

pub(super) fn agree(world: &World, seed: u64, when: &str) {
    if let Some(difference) = disagreement(world) {
        panic!("seed {seed}: pages differ {when}: {difference}\n{}", story(world));
    }
}

/// Two pages that differ, if there are.
pub(super) fn disagreement(world: &World) -> Option<String> {
    let shown = |host: usize| {
        let view = view(world, host);
        let page = draw(&everything(view));
        let facts: Vec<String> = FACTS.iter().map(|id| page[*id].clone()).collect();
        (facts, view.users, view.tabs, view.unsure)
    };
    let first = shown(0);
    let other = (1..REGIONS.len()).map(|host| (host, shown(host))).find(|(_, shown)| *shown != first);
    other.map(|(host, shown)| format!("host 0 shows {first:?}, host {host} {shown:?}"))
}

/// What happened, and how every node sees the others: for whoever replays a seed.
fn story(world: &World) -> String {
    let mut lines = world.notices.clone();
    for (index, host) in world.hosts.iter().enumerate() {
        let counts = host.view.as_ref().map(|view| (view.users, view.tabs, view.unsure));
        lines.push(format!(
            "{} {} sees {counts:?}; {} tabs open there",
            world.now,
            host.name,
            world.tabs.open_at(index)
        ));
        for node in host.mesh.iter().flat_map(|mesh| &mesh.nodes) {
            lines.push(format!(
                "    {}/{} {} {}/{} via {:?} heard {} ms ago",
                node.name,
                node.incarnation % 1_000_000,
                node.state,
                node.whole,
                node.sequence,
                node.via,
                node.heard_ms_ago
            ));
        }
    }
    let hosts = &world.hosts[..REGIONS.len()];
    let users: BTreeSet<UserId> = hosts.iter().flat_map(|host| host.tabs.keys().copied()).collect();
    for user in users {
        let tabs: Vec<u32> = hosts.iter().map(|host| host.tabs.get(&user).copied().unwrap_or(0)).collect();
        if tabs.iter().any(|other| *other != tabs[0]) {
            lines.push(format!("sees user {} with {tabs:?} tabs", user.0[0]));
            for host in hosts {
                lines.push(format!(
                    "  sees {}: {:#?}",
                    host.name,
                    host.node.as_ref().map(|n| n.rows_of(&World::room(), user))
                ));
            }
        }
    }
    let facts = |index: usize| hosts[index].node.as_ref().map(|node| node.facts_of(&World::room())).unwrap_or_default();
    let first = facts(0);
    for (index, host) in hosts.iter().enumerate().skip(1) {
        let other = facts(index);
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|line| !those.contains(line)).cloned().collect()
        };
        lines.push(format!("only {} has {:#?}", hosts[0].name, only(&first, &other)));
        lines.push(format!("only {} has {:#?}", host.name, only(&other, &first)));
    }
    lines.join("\n")
}

pub(super) fn true_at_last(world: &World, seed: u64) {
    let present = world.tabs.present();
    let (users, tabs) = (u32::try_from(present.len()).expect("few"), present.values().sum::<u32>());
    for host in 0..REGIONS.len() {
        let view = view(world, host);
        assert_eq!((view.users, view.tabs, view.unsure), (users, tabs, 0), "seed {seed}: host {host} miscounts");
        assert_eq!((view.looking, view.unproven), (users, 0), "seed {seed}: host {host} miscounts who looks");
        assert!(world.hosts[host].members.iter().eq(present.keys()), "seed {seed}: host {host} announced others");
        assert_eq!(world.hosts[host].tabs, present, "seed {seed}: host {host} miscounts tabs\n{}", story(world));
        let node = world.hosts[host].node.as_ref().expect("up");
        assert!(node.counts_are_right(), "seed {seed}: host {host} derives other counts than its rows say");
        let mesh = world.hosts[host].mesh.as_ref().expect("drawn");
        assert!(mesh.nodes.iter().all(|node| node.counts_us), "seed {seed}: host {host} is not believed: {mesh:?}");
        assert_eq!(mesh.root_faults, 0, "seed {seed}: host {host} found a row root that differs");
        assert_eq!(mesh.facts_root, world.hosts[0].mesh.as_ref().expect("drawn").facts_root, "seed {seed}");
    }
    let page = draw(&everything(view(world, 0)));
    clicks_hold(world, &page["bulb"], seed);
    let cards = CARDS.map(|card| &page[&format!("card {card}")]);
    cards.iter().filter(|card| !card.is_empty()).for_each(|card| clicks_hold(world, card, seed));
    wall_holds(world, &page["wall"], seed);
    claps_hold(world, &page["claps"], seed);
    assert_eq!(page["left"], page["right"], "seed {seed}: a click was written in part");
    assert_eq!(page["half"], "", "seed {seed}: a part of a refused click was written");
    assert_eq!(page["timer"], "", "seed {seed}: the timer has run out");
    let likes: Vec<&str> = page["likes"].split_whitespace().collect();
    let settled = |host: usize| newcomer(host).public(&World::room(), sha256).short();
    assert!(!likes.contains(&settled(0).as_str()), "seed {seed}: a user who left the set is in it: {likes:?}");
    assert!(likes.contains(&settled(1).as_str()), "seed {seed}: a user who joined the set is not in it: {likes:?}");
}

/// What the page shows of facts.
const FACTS: [&str; 9] = ["bulb", "wall", "claps", "likes", "left", "right", "card a", "card b", "card c"];

/// Every increment that was answered counts, and none twice.
fn claps_hold(world: &World, shown: &str, seed: u64) {
    let shown: usize = shown.parse().expect("a number");
    let answered = world.tabs.added.keys().filter(|name| world.tabs.answered.contains(*name)).count();
    let added = world.tabs.added.len();
    let right = (answered..=added).contains(&shown);
    assert!(right, "seed {seed}: {shown} are counted, {answered} were answered, {added} were added\n{}", story(world));
}

/// No click that was made on a page that showed the winner was thrown away.
fn clicks_hold(world: &World, winner: &str, seed: u64) {
    assert!(winner.is_empty() || world.tabs.clicks.contains_key(winner), "seed {seed}: no one clicked {winner}");
    // Where clocks are minutes apart, who hears only wrong ones takes them for right, and so must everybody: what it shows
    // by them goes as soon as it hears more clocks, until its author has restamped it.
    if world.hosts.iter().all(|host| host.skew_ms.abs() < 60_000) {
        assert_eq!(world.tabs.went_back, Vec::<String>::new(), "seed {seed}: a page went back");
    }
    // A card that is not there may have been removed. The bulb is dark only if no one has clicked it.
    let bulb = |late: &&String| !late.contains('/');
    let clicks = world.tabs.clicks.keys().filter(|late| !winner.is_empty() || bulb(late));
    for late in clicks.filter(|late| world.tabs.came_before(winner, late)) {
        let click = &world.tabs.clicks[late];
        let host = &world.hosts[click.host];
        let survived = host.life == click.life && host.node.is_some();
        assert!(!survived, "seed {seed}: {winner} is shown, {late} was clicked after it: {click:?}");
    }
}

/// Each message stands once; the newest are there.
fn wall_holds(world: &World, wall: &str, seed: u64) {
    let shown: Vec<&str> = wall.split_whitespace().collect();
    let distinct: BTreeSet<&&str> = shown.iter().collect();
    assert_eq!(shown.len(), distinct.len(), "seed {seed}: a message stands twice: {wall}");
    assert!(shown.iter().all(|hi| world.tabs.said.contains_key(*hi)), "seed {seed}: no one said {wall}");
    let lives = |said: &&Click| said.life > 0 && world.up(said.host) && world.hosts[said.host].life == said.life;
    let kept = world.tabs.said.values().filter(lives).count();
    let least = kept.min(usize::from(WALL));
    assert!(
        shown.len() >= least,
        "seed {seed}: {kept} messages were said on nodes that live, these stand: {wall}; said: {:?}\n{}",
        world.tabs.said,
        story(world)
    );
}

/// What a browser shows is what its node knows, element by element.
pub(super) fn pages_show_views(world: &World, seed: u64) {
    for tab in world.tabs.tabs.values() {
        let At::Host(host) = tab.at else { continue };
        let mut expected = draw(&everything(view(world, host)));
        let tabs = world.hosts[host].tabs.get(&tab.user).copied().unwrap_or(0);
        expected.insert("tabs".to_owned(), tabs.to_string());
        assert_eq!(tab.page, expected, "seed {seed}: a page on host {host} differs from its node's view");
    }
}

pub(super) fn no_one_gone_is_counted(world: &World, seed: u64) {
    for (index, host) in world.hosts.iter().enumerate().filter(|(index, _)| world.up(*index) && !world.frozen(*index)) {
        for user in host.tabs.keys() {
            let here = world.tabs.tabs.values().any(|tab| tab.user == *user);
            let ended = world.tabs.ended.get(user).copied().unwrap_or(0);
            let frozen = world.hosts.iter().map(|host| host.frozen_until).max().unwrap_or(0);
            // What a killed node had, and no one counted any more, counts again for a while.
            let seen_late = world.hosts.iter().map(|host| host.started).max().unwrap_or(0).max(frozen);
            let since = world.now.saturating_sub(ended.max(seen_late));
            assert!(here || since < GONE_MS, "seed {seed}: host {index} counts {user:?}, gone for {since} ms");
        }
    }
}

fn view(world: &World, host: usize) -> &RoomView {
    world.hosts[host].view.as_deref().expect("every node has drawn the room")
}
