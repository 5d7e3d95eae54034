//! The measurements, one file each, and their order.

mod broadcasts;
mod click;
mod connect;
mod idle;
mod requests;
mod soak;
mod storm;

use anyhow::Context;
use presence_bench::process::Processes;
use serde_json::Value;

use crate::args::{LoadArgs, LoadScenario};
use crate::connections::Connections;
use crate::page::PageFetcher;
use crate::publisher::Publisher;

/// State that all measurements share.
pub(crate) struct LoadRun<'a> {
    pub(crate) args: &'a LoadArgs,
    pub(crate) server: Processes,
    pub(crate) connections: Connections,
    pub(crate) pages: PageFetcher,
    /// The server's memory before the first connection.
    pub(crate) rss_kib_at_first: u64,
}

/// Prints a measurement.
pub(crate) fn report(measured: &Value) {
    println!("{measured}");
}

/// Runs the measurements of the command line.
pub(crate) fn run(args: &LoadArgs) -> anyhow::Result<()> {
    let server = Processes(args.pid.clone());
    let connections = Connections::new(args.address, args.protocol)?;
    let pages = PageFetcher::new(args.address, &connections.host);
    let rss_kib_at_first = server.rss_kib();
    let mut run = LoadRun { args, server, connections, pages, rss_kib_at_first };
    for scenario in &args.scenario {
        match scenario {
            LoadScenario::Storm => report(&storm::storm(&mut run, args.connections[0])?),
            LoadScenario::Soak => soak::soak(&mut run, args.connections[0])?,
            LoadScenario::Click => {
                let other = args.other.context("clicks need a second node: --other")?;
                let mut clicks = click::Clicks::begin(&mut run, other)?;
                for rate in &args.rates {
                    report(&clicks.at(&mut run, *rate)?);
                }
            }
            LoadScenario::Http => {
                for path in &args.paths {
                    report(&requests::requests(&mut run, path)?);
                }
            }
            // These share their connections.
            LoadScenario::Idle | LoadScenario::Fanout | LoadScenario::Sustain => return run.on_open_connections(),
        }
    }
    Ok(())
}

impl LoadRun<'_> {
    /// Runs the measurements that share open connections.
    fn on_open_connections(&mut self) -> anyhow::Result<()> {
        let args = self.args;
        let most = args.windows.iter().copied().max().unwrap_or(1);
        let mut publisher = Publisher::new(args, &mut self.connections, most)?;
        for connections in &args.connections {
            report(&connect::grow(self, *connections)?);
            for scenario in &args.scenario {
                match scenario {
                    LoadScenario::Idle => report(&idle::idle(self, &publisher)?),
                    LoadScenario::Fanout => report(&broadcasts::fanout(self, &mut publisher)?),
                    LoadScenario::Sustain => {
                        for window in &args.windows {
                            report(&broadcasts::sustain(self, &mut publisher, *window)?);
                        }
                    }
                    LoadScenario::Storm | LoadScenario::Soak | LoadScenario::Click | LoadScenario::Http => {}
                }
            }
        }
        Ok(())
    }
}
