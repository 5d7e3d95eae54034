//! What carries messages between nodes: the embedded mesh, or NATS. Core knows neither, and there is no third.

use std::sync::Arc;

use presence_core::{Input, NodeKey, Output};
use tokio::sync::mpsc;

use crate::mesh::{Counts, Mesh, MeshConfig};
use crate::nats::{Nats, NatsConfig};

/// The settings of a carrier.
pub enum CarrierConfig {
    /// Links of the nodes' own.
    Embedded(MeshConfig),
    /// Links through NATS.
    Nats(NatsConfig),
}

/// A carrier that runs.
pub enum Carrier {
    /// Links of the nodes' own.
    Embedded(Mesh),
    /// Links through NATS.
    Nats(Nats),
}

impl Carrier {
    /// Starts it in tasks of the current runtime. Fails if its settings can't be used.
    pub async fn start(config: CarrierConfig, inputs: mpsc::Sender<Input>) -> anyhow::Result<Self> {
        Ok(match config {
            CarrierConfig::Embedded(config) => Self::Embedded(Mesh::start(config, inputs).await?),
            CarrierConfig::Nats(config) => Self::Nats(Nats::start(config, inputs).await?),
        })
    }

    /// Carries out core's outputs for other nodes and ignores others. Never waits.
    pub fn carry_out(&self, output: Output) {
        match self {
            Self::Embedded(mesh) => mesh.carry_out(output),
            Self::Nats(nats) => nats.carry_out(output),
        }
    }

    /// This node's addresses as others reach them, for core's settings.
    pub fn advertised(&self) -> Vec<String> {
        match self {
            Self::Embedded(mesh) => mesh.advertised(),
            Self::Nats(nats) => nats.advertised(),
        }
    }

    /// The key that signs what others relay for this node, for core's settings.
    pub fn node_key(&self) -> NodeKey {
        match self {
            Self::Embedded(mesh) => mesh.node_key(),
            Self::Nats(nats) => nats.node_key(),
        }
    }

    /// Counters of what goes over the links and of what is dropped.
    pub fn counts(&self) -> Arc<Counts> {
        match self {
            Self::Embedded(mesh) => mesh.counts(),
            Self::Nats(nats) => nats.counts(),
        }
    }

    /// Closes every link, so that the others know at once.
    pub async fn close(self) {
        match self {
            Self::Embedded(mesh) => mesh.close().await,
            Self::Nats(nats) => nats.close().await,
        }
    }
}
