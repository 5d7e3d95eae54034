//! What is different from world to world before anything happens: clocks, which form of heartbeats the nodes know, and what carries
//! their messages.

use super::REGIONS;
use crate::world::World;

/// How the clocks of a world are wrong.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    fast: usize,
    /// How far one clock is behind.
    slow_ms: i64,
    pub(super) jumps: bool,
}

impl Clocks {
    pub(super) fn draw(world: &mut World) -> Self {
        let clocks = Self {
            fast: usize::try_from(world.chance.between(0, 3)).expect("small"),
            slow_ms: *world.chance.pick(&[0, 0, 0, 3_600_000, 72_000_000]),
            jumps: world.chance.one_in(3),
        };
        set_clocks(world, clocks);
        clocks
    }
}

fn set_clocks(world: &mut World, clocks: Clocks) {
    for host in 0..REGIONS.len() {
        let skew = world.chance.between(0, 3_000);
        world.hosts[host].skew_ms = i64::try_from(skew).expect("small") - 1_500;
    }
    for host in 0..clocks.fast {
        world.hosts[host].skew_ms = 300_000;
    }
    if clocks.slow_ms > 0 {
        world.hosts[3].skew_ms = -clocks.slow_ms;
    }
}

pub(super) fn set_forms(world: &mut World, seed: u64) {
    world.whole_regions = seed % 4 >= 2;
    for (index, host) in world.hosts.iter_mut().enumerate() {
        host.named_max = named_max(seed, index);
    }
}

/// In a third of the worlds heartbeats name the nodes that are heard, in a third those that are not, as in a large mesh. In the
/// rest some nodes know no other form than the first, as an earlier version does.
fn named_max(seed: u64, host: usize) -> usize {
    match seed % 3 {
        0 => 0,
        1 if !host.is_multiple_of(2) => 0,
        _ => 32,
    }
}
