//! What is measured, one file each, and the order of it.

mod broadcasts;
mod click;
mod connect;
mod idle;
mod requests;
mod soak;
mod storm;

use anyhow::Context;
use serde_json::Value;

use crate::args::{Args, Scenario};
use crate::crowd::Crowd;
use crate::page::Pages;
use crate::process::Processes;
use crate::publisher::Publisher;

/// What all scenarios work with.
pub(crate) struct Run<'a> {
    pub(crate) args: &'a Args,
    pub(crate) server: Processes,
    pub(crate) crowd: Crowd,
    pub(crate) pages: Pages,
    /// The server's memory before anybody came.
    pub(crate) rss_kib_at_first: u64,
}

/// Prints a measurement.
pub(crate) fn tell(measured: &Value) {
    println!("{measured}");
}

/// Measures what the command line asks for.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let server = Processes(args.pid.clone());
    let crowd = Crowd::new(args.address, args.protocol)?;
    let pages = Pages::new(args.address, &crowd.host);
    let rss_kib_at_first = server.rss_kib();
    let mut run = Run { args, server, crowd, pages, rss_kib_at_first };
    for scenario in &args.scenario {
        match scenario {
            Scenario::Storm => tell(&storm::storm(&mut run, args.connections[0])?),
            Scenario::Soak => soak::soak(&mut run, args.connections[0])?,
            Scenario::Click => {
                let other = args.other.context("clicks are looked for at another node: --other")?;
                let mut clicks = click::Clicks::begin(&mut run, other)?;
                for rate in &args.rates {
                    tell(&clicks.at(&mut run, *rate)?);
                }
            }
            Scenario::Http => {
                for path in &args.paths {
                    tell(&requests::requests(&mut run, path)?);
                }
            }
            // Those go on with the connections of one another.
            Scenario::Idle | Scenario::Fanout | Scenario::Sustain => return run.held(),
        }
    }
    Ok(())
}

impl Run<'_> {
    /// Those scenarios that are measured on connections that are held.
    fn held(&mut self) -> anyhow::Result<()> {
        let args = self.args;
        let most = args.windows.iter().copied().max().unwrap_or(1);
        let mut publisher = Publisher::new(args, &mut self.crowd, most)?;
        for connections in &args.connections {
            tell(&connect::grow(self, *connections)?);
            for scenario in &args.scenario {
                match scenario {
                    Scenario::Idle => tell(&idle::idle(self, &publisher)?),
                    Scenario::Fanout => tell(&broadcasts::fanout(self, &mut publisher)?),
                    Scenario::Sustain => {
                        for window in &args.windows {
                            tell(&broadcasts::sustain(self, &mut publisher, *window)?);
                        }
                    }
                    Scenario::Storm | Scenario::Soak | Scenario::Click | Scenario::Http => {}
                }
            }
        }
        Ok(())
    }
}
