//! Queries: members in pages, the busiest rooms, and distinct users below a path, against a plain count.

use std::collections::{BTreeMap, BTreeSet};

use presence_core::{Below, Found, Input, Member, Members, Query, Region, Subtree, UserId};

use crate::chance::Chance;
use crate::digest::sha256;
use crate::passing::{close, join, room, seen, wait, world};
use crate::world::World;

fn ask(world: &mut World, host: usize, what: Query) -> Found {
    world.hosts[host].found = None;
    world.deliver(host, Input::Queried { query: 1, what });
    wait(world, 1);
    world.hosts[host].found.clone().expect("an answer at once")
}

fn members(world: &mut World, host: usize, after: Option<&Member>, most: usize, region: Option<&str>) -> Members {
    let region = region.map(|code| Region::new(code).expect("a code"));
    let what = Query::Members { room: room("shop/1"), after: after.map(|member| member.public), most, region };
    let Found::Members(members) = ask(world, host, what) else { panic!("members") };
    members
}

#[test]
fn members_come_in_pages_in_one_order_in_every_region() {
    let mut world = world(&["ams", "iad"]);
    for user in 1..=25_u8 {
        let host = usize::from(user % 2);
        join(&mut world, host, u64::from(user), "shop/1", user, seen(&format!("user {user}")));
    }
    let mut pages = Vec::new();
    for host in 0..2 {
        let mut all: Vec<Member> = Vec::new();
        loop {
            let page = members(&mut world, host, all.last(), 10, None);
            assert_eq!(page.total, 25);
            all.extend(page.members);
            let Some(next) = page.next else { break };
            assert_eq!(Some(next), all.last().map(|member| member.public));
        }
        pages.push(all);
    }
    assert_eq!(pages[0], pages[1]);
    assert!(pages[0].is_sorted_by_key(|member| member.public));
    let publics: BTreeSet<_> = (1..=25).map(|user| UserId([user; 32]).public(&room("shop/1"), sha256)).collect();
    assert!(pages[0].iter().map(|member| &member.public).eq(&publics));
    assert_eq!(pages[0].iter().filter(|m| m.info == format!("user {}", m.user.0[0]).into_bytes()).count(), 25);
    assert_eq!(members(&mut world, 0, None, 100, Some("iad")).members.len(), 13);
    // Users who join and leave while the members are kept are among them, or not.
    join(&mut world, 1, 90, "shop/1", 90, seen(""));
    close(&mut world, 1, 1);
    wait(&mut world, 3_000);
    let there: BTreeSet<u8> = members(&mut world, 0, None, 100, None).members.iter().map(|m| m.user.0[0]).collect();
    assert_eq!(there, (2..=25).chain([90]).collect());
}

/// What a plain count says: room by user by regions.
type Plain = BTreeMap<(String, u8), BTreeMap<u64, usize>>;

fn below(plain: &Plain, path: &str) -> (u32, u32, Vec<(String, u32)>) {
    let is_inside = |room: &str| (room.starts_with(path) || format!("{room}/") == path) && !room.contains("/private/");
    let inside = || plain.iter().filter(|((room, _), tabs)| is_inside(room) && !tabs.is_empty());
    let users: BTreeSet<u8> = inside().map(|((_, user), _)| *user).collect();
    let tabs = inside().map(|(_, tabs)| tabs.len()).sum::<usize>();
    let pairs: BTreeSet<(usize, u8)> =
        inside().flat_map(|((_, user), tabs)| tabs.values().map(|host| (*host, *user))).collect();
    let regions = ["ams", "iad"].iter().enumerate().map(|(index, code)| {
        let users = pairs.iter().filter(|(host, _)| *host == index).count();
        ((*code).to_owned(), u32::try_from(users).expect("few"))
    });
    let count = |number: usize| u32::try_from(number).expect("few");
    (count(users.len()), count(tabs), regions.filter(|(_, users)| *users > 0).collect())
}

#[test]
fn roll_ups_and_busiest_rooms_equal_a_plain_count_whatever_happens() {
    for seed in 1..=20 {
        let mut chance = Chance::new(seed);
        let mut world = world(&["ams", "iad"]);
        let mut plain = Plain::new();
        for connection in 1..=60_u64 {
            if chance.one_in(3)
                && let Some((key, tabs)) = plain.iter().find(|(_, tabs)| !tabs.is_empty())
            {
                let (key, (&gone, &host)) = (key.clone(), tabs.first_key_value().expect("not empty"));
                close(&mut world, host, gone);
                wait(&mut world, 2_500);
                plain.get_mut(&key).expect("found above").remove(&gone);
            } else {
                let name =
                    *chance.pick(&["shop", "shop/1", "shop/2", "shop/2/a", "shopping", "blog/1", "blog/private/1"]);
                let (host, user) = (usize::from(chance.one_in(2)), u8::try_from(chance.between(1, 9)).expect("small"));
                join(&mut world, host, connection, name, user, seen(""));
                plain.entry((name.to_owned(), user)).or_default().insert(connection, host);
            }
            if connection % 10 == 0 {
                compare(&mut world, &plain, seed);
            }
        }
    }
}

fn compare(world: &mut World, plain: &Plain, seed: u64) {
    for (host, path) in [(0, "shop/"), (1, "shop/"), (0, "shop/2/"), (1, "blog/"), (0, "nothing/")] {
        let Found::Below(Below { users, tabs, regions, looking, unproven, unsure }) =
            ask(world, host, Query::Below(Subtree { path: path.to_owned(), except: Some(format!("{path}private/")) }))
        else {
            panic!("a roll-up")
        };
        let regions: Vec<(String, u32)> =
            regions.into_iter().map(|(region, users)| (region.to_string(), users)).collect();
        assert_eq!((users, tabs, regions), below(plain, path), "seed {seed}: below {path} on host {host}");
        assert_eq!((looking, unproven, unsure), (users, 0, 0), "seed {seed}");
    }
    let mut busiest: BTreeMap<&str, u32> = BTreeMap::new();
    for ((name, _), _) in plain.iter().filter(|((name, _), tabs)| name.starts_with("shop") && !tabs.is_empty()) {
        *busiest.entry(name).or_default() += 1;
    }
    let mut busiest: Vec<(String, u32)> = busiest.into_iter().map(|(name, users)| (name.to_owned(), users)).collect();
    busiest.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    busiest.truncate(2);
    let Found::Busiest(found) = ask(world, 0, Query::Busiest { prefix: "shop".to_owned(), most: 2 }) else {
        panic!("rooms")
    };
    let found: Vec<(String, u32)> = found.into_iter().map(|(room, users)| (room.to_string(), users)).collect();
    assert_eq!(found, busiest, "seed {seed}");
}
