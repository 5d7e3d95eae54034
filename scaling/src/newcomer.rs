//! What visitors cost who come in the first seconds of a node's life, as after a restart: each is kept in mind until it is
//! known what they left elsewhere.

use presence_core::Input;

use crate::cpu;
use crate::host::Host;
use crate::scenario::{Scenario, Shape};
use crate::visitors::{self, Act};

/// CPU in milliseconds to take so many visitors within four seconds that begin at this moment of a node's life.
#[must_use]
pub fn taking_ms(visitors: u64, from_ms: u64) -> f64 {
    let scenario = Scenario { nodes: 1, visitors, shape: Shape::One, joins: 0, clicks: 0, seed: 1 };
    let mut host = Host::start(&scenario, 0);
    let mut nanos = 0;
    let mut take = |host: &mut Host, input: Input, at_ms: u64| {
        let began = cpu::nanos();
        drop(host.take(input, at_ms));
        nanos += cpu::nanos() - began;
    };
    for visitor in 0..visitors {
        let at_ms = from_ms + visitor * 4_000 / visitors;
        while host.wakes_ms() <= at_ms {
            let wakes_ms = host.wakes_ms();
            take(&mut host, Input::Ticked, wakes_ms);
        }
        take(&mut host, visitors::input(&scenario, Act::Join(visitor)), at_ms);
    }
    nanos as f64 / 1e6
}
