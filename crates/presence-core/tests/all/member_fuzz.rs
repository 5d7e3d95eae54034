//! Whatever a valid member says, with whatever numbers: the other nodes' users, facts and memory stay right.

use presence_core::{Input, NodeHash, NodeName, PeerState};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::digest::sha256;
use crate::passing::{join, seen, wait};
use crate::said::{self, Beat, SaidRow, Sender, bundle, delta, hello, leaving, relayed};
use crate::world::{Host, World};

const HONEST: usize = 3;
/// The host whose link everything comes over.
const MEMBER: usize = 3;
const WALL_MS: u64 = 1_800_000_000_000;
const LASTS_MAX_MS: u64 = 400 * 86_400_000;

/// In whose name something is said.
#[derive(Clone, Copy, Debug)]
enum Name {
    Own,
    Honest(usize),
    Invented(u8),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Beat,
    Delta,
    Draining,
    Goodbye,
    Facts,
    Hello,
}

/// One message: to which node, in whose name, as relayed or not, and its numbers.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    to: usize,
    kind: Kind,
    name: Name,
    relayed: bool,
    /// Over a link in that name, if it is an honest node's.
    impersonates: bool,
    /// The start that it claims; `None`: the true one.
    start: Option<u64>,
    numbers: [u64; 4],
    counts: u32,
    pause_ms: u64,
}

fn number() -> impl Strategy<Value = u64> {
    let far = [0, 1, 2, 1 << 32, (1 << 48) - 1, 1 << 48, 1 << 63, u64::MAX - 1, u64::MAX];
    let near = [WALL_MS - 86_400_000, WALL_MS, WALL_MS + 30_000, WALL_MS + 86_400_000, 1_010_000];
    prop_oneof![proptest::sample::select(far.to_vec()), proptest::sample::select(near.to_vec()), 0..10_000_u64]
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = [Kind::Beat, Kind::Beat, Kind::Delta, Kind::Draining, Kind::Goodbye, Kind::Facts, Kind::Hello];
    let kind = proptest::sample::select(kinds.to_vec());
    let name = prop_oneof![
        2 => Just(Name::Own),
        2 => (0..HONEST).prop_map(Name::Honest),
        1 => (0..200_u8).prop_map(Name::Invented),
    ];
    let counts = prop_oneof![Just(0), Just(1), Just(u32::MAX), Just(u32::MAX / 2 + 1)];
    let start = proptest::option::of(number());
    let numbers = [number(), number(), number(), number()];
    let path = (any::<bool>(), proptest::bool::weighted(0.2));
    (0..HONEST, kind, name, path, start, numbers, counts, 0..1_500_u64).prop_map(
        |(to, kind, name, (relayed, impersonates), start, numbers, counts, pause_ms)| Step {
            to,
            kind,
            name,
            relayed,
            impersonates,
            start,
            numbers,
            counts,
            pause_ms,
        },
    )
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..40)
}

fn node_hash(world: &World, host: usize) -> NodeHash {
    NodeHash::of(&world.hosts[host].name, sha256)
}

/// The present start of a host's node.
fn start_of(world: &World, host: usize) -> u64 {
    world.hosts[host].mesh.as_ref().map_or(0, |mesh| mesh.nodes[0].incarnation)
}

/// The start of a node that a host knows.
fn incarnation_of(host: &Host, name: &NodeName) -> Option<u64> {
    let mesh = host.mesh.as_ref()?;
    mesh.nodes.iter().find(|node| node.name == *name).map(|node| node.incarnation)
}

fn sender(world: &World, name: Name, start: Option<u64>) -> Sender {
    let (name, true_start) = match name {
        Name::Own => (world.hosts[MEMBER].name.to_string(), start_of(world, MEMBER)),
        Name::Honest(host) => (world.hosts[host].name.to_string(), start_of(world, host)),
        Name::Invented(number) => (format!("invented-{number}"), 1),
    };
    Sender { name, incarnation: start.unwrap_or(true_start), birth: 1 }
}

fn say(world: &mut World, step: &Step) {
    let (author, own) = (sender(world, step.name, step.start), sender(world, Name::Own, None));
    let [first, second, third, fourth] = step.numbers;
    let honest = usize::try_from(fourth % 3).expect("small");
    let (victim, victims_start) = (node_hash(world, honest), start_of(world, honest));
    let bytes = match step.kind {
        Kind::Beat => {
            let left = vec![(victim, victims_start, third)];
            let (wall_ms, mono_ms, sequence, cut) = (first, second, third, fourth);
            let nodes = (0..=MEMBER).map(|host| node_hash(world, host).0).fold(0, u64::wrapping_add);
            let large = match step.counts {
                0 => None,
                1 => Some((4, nodes, vec![victim])),
                _ => Some((first, second, vec![victim; 3])),
            };
            Beat { wall_ms, mono_ms, sequence, cut, hears: vec![victim], left, root: first, large }.write(&author)
        }
        Kind::Delta => {
            let user = 100 + u8::try_from(first % 50).expect("small");
            let took = vec![(victim, victims_start, step.counts); 40];
            let row = SaidRow { user, number: second.max(1), counts: step.counts, info: vec![b'x'; 3_000], took };
            delta(&author, third.min(second), second, &[row])
        }
        Kind::Draining => leaving(&author, false, first, second),
        Kind::Goodbye => leaving(&author, true, first, second),
        Kind::Facts => bundle(&author, &[said::fact(first % 1_000, second, third)]),
        Kind::Hello => {
            let from = node_hash(world, MEMBER);
            let bytes = hello(&author, &["host-3".to_owned()]);
            return world.deliver(step.to, Input::Asked { question: u64::MAX, from, bytes });
        }
    };
    if let (Name::Honest(host), true) = (step.name, step.impersonates) {
        return world.impersonate(step.to, host, MEMBER, &bytes);
    }
    let bytes = if step.relayed { relayed(&own, first % 10_000, &bytes) } else { bytes };
    world.inject(step.to, MEMBER, &bytes);
}

/// Three honest nodes with a user each, and what a member says to them; then it falls silent for good.
pub(crate) fn honest_nodes_stay_right(steps: &[Step]) {
    let mut world = World::new(7, &["ams", "iad", "maa", "yyz"]);
    // Two of them name who is not heard, as in a large mesh.
    (world.hosts[0].named_max, world.hosts[1].named_max) = (0, 0);
    for host in 0..=MEMBER {
        world.start(host);
    }
    world.run_until(6_000);
    for (host, user) in (0..HONEST).zip(1..) {
        join(&mut world, host, u64::from(user), "demo", user, seen(""));
    }
    for step in steps {
        say(&mut world, step);
        wait(&mut world, step.pause_ms);
        for host in &world.hosts[..HONEST] {
            assert!(host.node.as_ref().is_some_and(presence_core::Node::counts_are_right), "{} miscounts", host.name);
            for honest in 0..HONEST {
                let known = incarnation_of(host, &world.hosts[honest].name);
                assert_eq!(known, Some(start_of(&world, honest)), "{} as {} knows it", honest, host.name);
            }
        }
    }
    world.crash(MEMBER);
    wait(&mut world, 75_000);
    for host in &world.hosts[..HONEST] {
        let view = host.view.as_ref().expect("drawn");
        assert_eq!((view.users, view.tabs, view.unsure), (3, 3, 0), "{} counts {:?}", host.name, host.tabs);
        let mesh = host.mesh.as_ref().expect("drawn");
        for other in &world.hosts[..HONEST] {
            let state = mesh.nodes.iter().find(|node| node.name == other.name).map(|node| node.state);
            assert_eq!(state, Some(PeerState::Live), "{} as {} sees it", other.name, host.name);
        }
        assert!(mesh.nodes.len() <= 4, "{} knows {:?}", host.name, mesh.nodes);
        assert_eq!(mesh.facts_root, world.hosts[0].mesh.as_ref().expect("drawn").facts_root);
        let times = host.node.as_ref().expect("up").fact_times();
        let now = WALL_MS + world.now;
        for (stamped, ends) in times {
            assert!(stamped <= now + 60_000 && ends - stamped <= LASTS_MAX_MS, "a fact from {stamped} to {ends}");
        }
    }
}

#[test]
fn a_node_that_a_member_says_has_left_stays_where_it_says_so_itself() {
    let step = |kind, name, numbers, pause_ms| Step {
        to: 1,
        kind,
        name,
        relayed: false,
        impersonates: matches!(name, Name::Honest(_)),
        start: None,
        numbers,
        counts: 0,
        pause_ms,
    };
    // Its link is lost for a moment, and meanwhile the member says that it has left.
    for (first_ms, pause_ms) in (0..10).flat_map(|first| (5..15).map(move |pause| (first * 100, pause * 100))) {
        let first = step(Kind::Beat, Name::Own, [1 << 48, 1 << 32, 1 << 63, u64::MAX], 5_000 + first_ms);
        let lost = step(Kind::Draining, Name::Honest(0), [0; 4], pause_ms);
        let lie =
            Step { start: Some((1 << 48) - 1), ..step(Kind::Beat, Name::Own, [1 << 48, 1 << 40, 8_275, 0], 8_887) };
        honest_nodes_stay_right(&[first, lost, lie]);
    }
}
