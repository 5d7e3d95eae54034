//! Starts a node's parts, and stops them in the right order.

mod carrier_settings;
mod parts;
mod serving;
mod signalled;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use presence_core::{App, Input};
use tokio::sync::{Semaphore, oneshot, watch};

use self::carrier_settings::carrier;
use self::parts::{LiveParts, connection_permits, identify, listener, observed, open_store, outlets, services, sites};
pub(crate) use self::parts::{open_tls, place, settings};
use self::serving::serve;
use crate::Site;
use crate::clock::{Clocks, wall_ms};
use crate::config::Config;
use crate::contained_app::ContainedApp;
use crate::driver::{Ending, Inputs, queues};
use crate::http::api_key::ApiKeys;
use crate::http::{HttpState, Readiness};
use crate::hub::Hub;
use crate::memory::MemoryUse;
use crate::node_thread::{self, NodeStart};
use crate::queries::Queries;
use crate::secret::Secret;
use crate::service_manager;
use crate::socket::ENCODERS;
#[cfg(test)]
use crate::supervision::Supervisor;
use crate::supervision::{PartEnds, supervision};
use crate::telemetry;
use crate::traces::Traces;
use crate::views::Views;
use crate::webhooks::Webhooks;

/// The goodbye is repeated for 1 s. A node that takes much longer has failed.
const GOODBYE_WITHIN: Duration = Duration::from_secs(5);
/// How long open requests may take to finish, those that are still on their way included.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// A node that serves, made by [`Server::start`](crate::Server::start); an example is at [`Server`](crate::Server).
pub struct Running {
    address: SocketAddr,
    drain_over: Duration,
    readiness: Arc<Readiness>,
    hub: Arc<Hub>,
    inputs: Inputs,
    traces: Traces,
    ended: oneshot::Receiver<Ending>,
    permits: Arc<Semaphore>,
    connections: u32,
    closing: watch::Sender<bool>,
    parts: PartEnds,
    #[cfg(test)]
    supervisor: Supervisor,
}

pub(crate) async fn start(config: Config, app: Arc<dyn App>, site: Site) -> anyhow::Result<Running> {
    config.check().map_err(|mistake| anyhow!(mistake))?;
    let region = config.own_region();
    let place = place(&config, &site, &region);
    telemetry::follow_filter_file();
    let (supervisor, parts) = supervision();
    let readiness = Arc::new(Readiness::new(config.is_meshed(), MemoryUse::new(config.limits.memory)));
    let (store, kept) = open_store(&config, &readiness, &supervisor).await?;
    let (secret, warning) = Secret::find(&config.secrets, config.data_dir.as_deref());
    warning.inspect(|warning| tracing::warn!("{warning}"));
    let (name, incarnation) = identify(&config, store.as_ref(), &kept);
    let (tls, api_keys, sites) = (open_tls(&config)?, ApiKeys::open(&config)?, sites(&config, &secret, &site)?);
    let listener = listener(&config).await?;
    let address = listener.local_addr().context("the listener has no address")?;
    let (inputs, waiting) = queues();
    let hub = Hub::start(config.limits.clone(), incarnation, ENCODERS, &supervisor);
    let views = Arc::new(Views::new(region.clone(), place.clone(), wall_ms()));
    let (carrier, clock) = (carrier(&config, &secret, &name, &readiness)?, Clocks::started());
    let live = LiveParts {
        app: Arc::new(ContainedApp::new(app)),
        views,
        queries: Queries::new(inputs.sockets.clone()),
        hub: Arc::clone(&hub),
        inputs: inputs.clone(),
        readiness: Arc::clone(&readiness),
        traces: Traces::start(&config, &name, &supervisor)?,
    };
    let webhooks = Webhooks::start(&config, name.clone(), incarnation, clock, &live.app, &live.views, &supervisor)?;
    let observed = observed(&region, &name, &inputs, store.as_ref(), webhooks.as_ref(), &live.traces, &supervisor);
    let (facts, traces) = (config.limits.facts(store.is_some()), live.traces.clone());
    let outlets = outlets(&live, &observed, store, webhooks, &supervisor)?;
    let start = NodeStart {
        settings: settings(region.clone(), place, name.clone(), incarnation, carrier.is_some(), facts),
        records: kept.records.into_values().collect(),
        addresses: kept.addresses,
        regions: kept.regions,
        carrier,
        mesh_counts: Arc::clone(&observed.mesh),
        inputs: inputs.mesh.clone(),
        clock,
        waiting,
        outlets,
        driver_turns: readiness.driver_turns(),
    };
    let ended = node_thread::start(start, &supervisor).await?;
    let (connections, permits) = connection_permits(&config);
    live.watch(&sites, &supervisor);
    let services = services(&config, &secret, &site, live, api_keys, sites, &permits);
    let state = Arc::new(HttpState::new(&config, site, services));
    let scheme = if tls.is_some() { "https" } else { "http" };
    let closing = serve(&config, listener, tls, &state, observed, &permits, &supervisor).await?;
    tracing::info!(node.region = %region, node.name = %name, node.incarnation = incarnation, "serving on {scheme}://{address}");
    service_manager::serving();
    Ok(Running {
        address,
        drain_over: config.limits.drain_over,
        readiness,
        hub,
        inputs,
        traces,
        ended,
        permits,
        connections,
        closing,
        parts,
        #[cfg(test)]
        supervisor,
    })
}

impl Running {
    /// The address that it listens on, with the port that was chosen for a 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Announces the stop, closes the sockets one after the other, tells the other nodes goodbye, and writes the last facts to
    /// disk.
    ///
    /// # Errors
    ///
    /// If the node does not stop in time.
    pub async fn drain(mut self) -> anyhow::Result<()> {
        tracing::info!("draining: closing all sockets within {} s", self.drain_over.as_secs_f32());
        self.readiness.drain();
        service_manager::stopping();
        self.tell(Input::Drained).await;
        self.hub.close_all(self.drain_over).await;
        // In the same queue as the last clicks, and so after them.
        drop(self.inputs.sockets.send(Input::Emptied).await);
        let ended = tokio::time::timeout(GOODBYE_WITHIN, &mut self.ended).await;
        self.closing.send_replace(true);
        let all = self.permits.acquire_many(self.connections);
        let (_answered, ()) = tokio::join!(tokio::time::timeout(ANSWERS_WITHIN, all), self.traces.flush());
        let ending = ended.context("the node did not stop in time")?.context("the node panicked")?;
        tracing::info!("drained");
        result(ending)
    }

    async fn tell(&self, input: Input) {
        drop(self.inputs.mesh.send(input).await);
    }
}

fn result(ending: Ending) -> anyhow::Result<()> {
    match ending {
        Ending::Finished => Ok(()),
        Ending::Aborted(reason) => Err(anyhow!(reason)),
        Ending::Deserted => Err(anyhow!("all inputs of the node were closed")),
    }
}
