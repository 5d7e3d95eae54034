//! Whole worlds by seed: whatever the network and the machines do, every page shows what is true once it is calm, and
//! no page ever shows what can't be true.

use std::collections::BTreeSet;

use presence_core::{Ended, RoomView, UserId};

use crate::app::{WALL, draw, everything};
use crate::chance::Chance;
use crate::tabs::At;
use crate::world::{CALM, Weather, World};

const REGIONS: [&str; 5] = ["ams", "iad", "iad", "maa", "yyz"];
/// Longest that somebody who is gone can be counted: 20 s of linger, then 30 s held, and what it takes to hear of it.
const GONE_MS: u64 = 53_000;
const STORM_MS: u64 = 60_000;

/// What a world is put through.
#[derive(Clone, Copy)]
struct Clocks {
    fast: usize,
    slow: bool,
    jumps: bool,
}

pub(crate) fn storm(seed: u64) -> World {
    let mut world = World::new(seed, &REGIONS);
    world.seeds = if world.chance.one_in(2) { vec![0, 1, 2, 3, 4] } else { vec![0] };
    let clocks = Clocks {
        fast: usize::try_from(world.chance.between(0, 3)).expect("small"),
        slow: world.chance.one_in(3),
        jumps: world.chance.one_in(3),
    };
    set_clocks(&mut world, clocks);
    for host in 0..REGIONS.len() {
        world.start(host);
    }
    world.run_until(5_000);
    let end = world.now + STORM_MS;
    while world.now < end {
        disturb(&mut world, clocks);
        let step = world.chance.between(50, 1_500);
        let until = world.now + step;
        world.run_until(until);
        nobody_gone_is_counted(&world, seed);
    }
    calm(&mut world);
    world
}

fn set_clocks(world: &mut World, clocks: Clocks) {
    for host in 0..REGIONS.len() {
        let skew = world.chance.between(0, 3_000);
        world.hosts[host].skew_ms = i64::try_from(skew).expect("small") - 1_500;
    }
    for host in 0..clocks.fast {
        world.hosts[host].skew_ms = 300_000;
    }
    if clocks.slow {
        world.hosts[3].skew_ms = -3_600_000;
    }
}

fn disturb(world: &mut World, clocks: Clocks) {
    let host = usize::try_from(world.chance.between(0, REGIONS.len() as u64)).expect("small");
    let now = world.now;
    match world.chance.between(0, 30) {
        0..=5 => {
            let user = u8::try_from(world.chance.between(1, 9)).expect("small");
            if world.up(host) && !world.hosts[host].draining {
                world.tabs.open(user, host, now);
            }
        }
        6..=8 => {
            if let Some(id) = some_tab(world) {
                let ended = *world.chance.pick(&[Ended::Closed, Ended::Closed, Ended::Lost, Ended::Unanswered]);
                let ended = world.tabs.close(id, ended, now);
                ended.into_iter().for_each(|(host, input)| world.deliver(host, input));
            }
        }
        9..=14 => {
            if let Some(id) = some_tab(world) {
                let life = life_of(world, id);
                let clicked = world.tabs.click(id, life);
                clicked.into_iter().for_each(|(host, input)| world.deliver(host, input));
            }
        }
        15..=17 => {
            if let Some(id) = some_tab(world) {
                let life = life_of(world, id);
                let said = world.tabs.say(id, life);
                said.into_iter().for_each(|(host, input)| world.deliver(host, input));
            }
        }
        18..=19 => {
            if let Some(id) = some_tab(world) {
                let after = world.chance.between(100, 4_000);
                let inputs = world.tabs.reload(id, None, now, after);
                inputs.into_iter().for_each(|(host, input)| world.deliver(host, input));
            }
        }
        20 => world.crash(host),
        21 => world.drain(host),
        22..=23 => restart_down(world),
        24 => {
            let ms = world.chance.between(2_500, 20_000);
            world.freeze(host, ms);
        }
        25 => {
            let other = usize::try_from(world.chance.between(0, REGIONS.len() as u64)).expect("small");
            world.cut.insert((host, other));
            if world.chance.one_in(2) {
                world.cut.insert((other, host));
            }
        }
        26 => split(world),
        27 => world.cut.clear(),
        28 => {
            let (loss_percent, repeat_percent) = (world.chance.between(0, 21), world.chance.between(0, 21));
            // With up to a second, messages of one sender overtake each other by as much.
            let most = *world.chance.pick(&[300, 1_000]);
            world.weather = Weather { loss_percent, repeat_percent, delay_ms: (5, most) };
        }
        _ if clocks.jumps => {
            world.hosts[4].skew_ms += i64::try_from(world.chance.between(0, 7_000)).expect("small") - 2_000
        }
        _ => {}
    }
}

fn split(world: &mut World) {
    let side: BTreeSet<usize> = (0..REGIONS.len()).filter(|_| world.chance.one_in(2)).collect();
    for a in 0..REGIONS.len() {
        for b in 0..REGIONS.len() {
            if side.contains(&a) != side.contains(&b) {
                world.cut.insert((a, b));
            }
        }
    }
}

fn restart_down(world: &mut World) {
    if let Some(host) = (0..REGIONS.len()).find(|host| !world.up(*host)) {
        world.start(host);
    }
}

fn some_tab(world: &mut World) -> Option<u64> {
    let ids: Vec<u64> = world.tabs.tabs.keys().copied().collect();
    (!ids.is_empty()).then(|| *world.chance.pick(&ids))
}

fn life_of(world: &World, tab: u64) -> u64 {
    match world.tabs.tabs[&tab].at {
        At::Host(host) => world.hosts[host].life,
        At::Away { .. } => 0,
    }
}

/// Everything is mended: nodes up, links whole, nothing lost.
fn calm(world: &mut World) {
    world.cut.clear();
    world.weather = CALM;
    for host in 0..REGIONS.len() {
        world.hosts[host].frozen_until = 0;
        if world.hosts[host].draining {
            let until = world.now + 2_000;
            world.run_until(until);
        }
        if !world.up(host) {
            world.start(host);
        }
    }
}

fn nobody_gone_is_counted(world: &World, seed: u64) {
    for (index, host) in world.hosts.iter().enumerate().filter(|(index, _)| world.up(*index) && !world.frozen(*index)) {
        for user in host.tabs.keys() {
            let here = world.tabs.tabs.values().any(|tab| tab.user == *user);
            let ended = world.tabs.ended.get(user).copied().unwrap_or(0);
            let seen_late = world.hosts.iter().map(|host| host.frozen_until).max().unwrap_or(0);
            let since = world.now.saturating_sub(ended.max(seen_late));
            assert!(here || since < GONE_MS, "seed {seed}: host {index} counts {user:?}, gone for {since} ms");
        }
    }
}

fn view(world: &World, host: usize) -> &RoomView {
    world.hosts[host].view.as_deref().expect("every node has drawn the room")
}

/// All pages agree within 5 s of calm; when all has run out they show what is true.
pub(crate) fn settles(world: &mut World, seed: u64) {
    for host in 0..REGIONS.len() {
        world.tabs.open(200 + u8::try_from(host).expect("small"), host, world.now);
    }
    let calm = world.now;
    world.run_until(calm + 4_000);
    while disagreement(world).is_some() && world.now < calm + 5_000 {
        let until = world.now + 50;
        world.run_until(until);
    }
    agree(world, seed, "5 s after it became calm");
    let until = world.now + 75_000;
    world.run_until(until);
    agree(world, seed, "when all has run out");
    true_at_last(world, seed);
    pages_show_views(world, seed);
}

fn agree(world: &World, seed: u64, when: &str) {
    if let Some(difference) = disagreement(world) {
        panic!("seed {seed}: pages differ {when}: {difference}\n{}", story(world));
    }
}

/// Two pages that differ, if there are.
fn disagreement(world: &World) -> Option<String> {
    let shown = |host: usize| {
        let view = view(world, host);
        let page = draw(&everything(view));
        (page["bulb"].clone(), page["wall"].clone(), view.users, view.tabs, view.unsure)
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
    let users: BTreeSet<UserId> = world.hosts.iter().flat_map(|host| host.tabs.keys().copied()).collect();
    for user in users {
        let tabs: Vec<u32> = world.hosts.iter().map(|host| host.tabs.get(&user).copied().unwrap_or(0)).collect();
        if tabs.iter().any(|other| *other != tabs[0]) {
            lines.push(format!("sees user {} with {tabs:?} tabs", user.0[0]));
            for host in &world.hosts {
                lines.push(format!(
                    "  sees {}: {:#?}",
                    host.name,
                    host.node.as_ref().map(|n| n.rows_of(&World::room(), user))
                ));
            }
        }
    }
    lines.join("\n")
}

fn true_at_last(world: &World, seed: u64) {
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
        assert_eq!(mesh.root_faults, 0, "seed {seed}: host {host} found a row root that differs");
        assert_eq!(mesh.facts_root, world.hosts[0].mesh.as_ref().expect("drawn").facts_root, "seed {seed}");
    }
    let page = draw(&everything(view(world, 0)));
    clicks_hold(world, &page["bulb"], seed);
    wall_holds(world, &page["wall"], seed);
}

/// No click that was made on a page that showed the winner was thrown away.
fn clicks_hold(world: &World, winner: &str, seed: u64) {
    assert!(winner.is_empty() || world.tabs.clicks.contains_key(winner), "seed {seed}: nobody clicked {winner}");
    // Where clocks are minutes apart, who hears only wrong ones takes them for right, and so must everybody: what it shows
    // by them goes as soon as it hears more clocks, until its author has stamped it anew.
    if world.hosts.iter().all(|host| host.skew_ms.abs() < 60_000) {
        assert_eq!(world.tabs.went_back, Vec::<String>::new(), "seed {seed}: a page went back");
    }
    for late in world.tabs.clicks.keys().filter(|late| world.tabs.came_before(winner, late)) {
        let click = &world.tabs.clicks[late];
        let host = &world.hosts[click.host];
        let survived = host.life == click.life;
        assert!(!survived, "seed {seed}: {winner} is shown, {late} was clicked after it: {click:?}");
    }
}

/// Each message stands once; the newest are there.
fn wall_holds(world: &World, wall: &str, seed: u64) {
    let shown: Vec<&str> = wall.split_whitespace().collect();
    let distinct: BTreeSet<&&str> = shown.iter().collect();
    assert_eq!(shown.len(), distinct.len(), "seed {seed}: a message stands twice: {wall}");
    assert!(shown.iter().all(|hi| world.tabs.said.contains_key(*hi)), "seed {seed}: nobody said {wall}");
    let kept =
        world.tabs.said.values().filter(|said| world.hosts[said.host].life == said.life && said.life > 0).count();
    let least = kept.min(usize::from(WALL));
    assert!(
        shown.len() >= least,
        "seed {seed}: {kept} messages were said on nodes that live, these stand: {wall}; said: {:?}\n{}",
        world.tabs.said,
        story(world)
    );
}

/// What a browser shows is what its node knows, element by element.
fn pages_show_views(world: &World, seed: u64) {
    for tab in world.tabs.tabs.values() {
        let At::Host(host) = tab.at else { continue };
        let mut expected = draw(&everything(view(world, host)));
        let tabs = world.hosts[host].tabs.get(&tab.user).copied().unwrap_or(0);
        expected.insert("tabs".to_owned(), tabs.to_string());
        assert_eq!(tab.page, expected, "seed {seed}: a page on host {host} differs from its node's view");
    }
}

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => vec![seed],
        None => {
            let start = number("SEEDS_FROM").unwrap_or(1);
            (start..start + number("SEEDS").unwrap_or(300)).collect()
        }
    }
}

#[test]
fn worlds_settle_on_what_is_true() {
    let seeds = seeds();
    let fails = |seed: &&u64| std::panic::catch_unwind(|| settles(&mut storm(**seed), **seed)).is_err();
    let failed: Vec<u64> = seeds.iter().filter(fails).copied().collect();
    assert_eq!(failed, Vec::<u64>::new(), "replay one with `make sim SEED=...`");
}

#[test]
fn chance_is_replayed_by_its_seed() {
    let draw = |seed| (0..5).map(|_| Chance::new(seed).next()).collect::<Vec<_>>();
    assert_eq!(draw(7), draw(7));
    let user = UserId([1; 32]);
    let ended = |seed| storm(seed).tabs.ended.get(&user).copied();
    assert_eq!(ended(3), ended(3));
}
