//! The thread of a node: its driver and what carries its messages, and nothing of the app.

use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, bail};
use presence_core::{Input, KnownRegion, Node, Settings};
use tokio::sync::{mpsc, oneshot};

use crate::carrier::{Carrier, CarrierConfig};
use crate::clock::Clocks;
use crate::driver::{Driver, DriverQueues, Ending, Outlets};
use crate::mesh::Counts;
use crate::planted;
use crate::supervision::{DriverTurns, Supervisor};

/// What a node starts with.
pub(crate) struct NodeStart {
    /// Without addresses and key, which the mesh has once it listens.
    pub(crate) settings: Settings,
    /// Records of facts from the disk.
    pub(crate) records: Vec<Vec<u8>>,
    /// Addresses of other nodes from the disk.
    pub(crate) addresses: Vec<String>,
    /// Regions of other nodes from the disk.
    pub(crate) regions: Vec<KnownRegion>,
    pub(crate) carrier: Option<CarrierConfig>,
    /// Where the counters of the mesh are put once it listens.
    pub(crate) mesh_counts: Arc<OnceLock<Arc<Counts>>>,
    /// Where the mesh says what it hears.
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) clock: Clocks,
    pub(crate) waiting: DriverQueues,
    pub(crate) outlets: Outlets,
    /// Where the driver notes its turns.
    pub(crate) driver_turns: DriverTurns,
}

/// Starts a node, once its mesh listens. How it ends is sent; nothing is sent if it panics.
pub(crate) async fn start(start: NodeStart, supervisor: &Supervisor) -> anyhow::Result<oneshot::Receiver<Ending>> {
    let (started_tx, started_rx) = oneshot::channel();
    let (ended_tx, ended_rx) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = supervisor.guard_of_node("thread of the driver and the mesh");
    let run = async move {
        planted::plant_in_this_thread();
        match start.open().await {
            Ok(driver) => {
                let _ = started_tx.send(Ok(()));
                let _ = ended_tx.send(driver.run(guard).await);
            }
            Err(error) => drop(started_tx.send(Err(error))),
        }
    };
    // As a task of its own: what a runtime blocks on is polled only after a look at all sockets, one more for each message.
    let run = move || drop(runtime.block_on(async { tokio::spawn(run).await }));
    std::thread::Builder::new().name("node".to_owned()).spawn(run)?;
    started_rx.await.context("the thread of the node has ended")??;
    Ok(ended_rx)
}

impl NodeStart {
    async fn open(self) -> anyhow::Result<Driver> {
        let Self {
            mut settings, records, addresses, regions, inputs, clock, waiting, mut outlets, driver_turns, ..
        } = self;
        if let Some(config) = self.carrier {
            let carrier = Carrier::start(config, inputs).await?;
            (settings.advertised, settings.key) = (carrier.advertised(), Some(carrier.node_key()));
            drop(self.mesh_counts.set(carrier.counts()));
            outlets.carrier = Some(carrier);
        }
        let node = Node::new(settings, &records, addresses, clock.now()).with_known_regions(regions);
        let mut driver = Driver { node, clock, waiting, outlets, driver_turns };
        match driver.begin() {
            Some(ending) => bail!("the node ended at once: {ending:?}"),
            None => Ok(driver),
        }
    }
}
