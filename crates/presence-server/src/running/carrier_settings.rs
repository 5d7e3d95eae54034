//! The settings of what carries messages to other nodes, from a node's options.

use std::sync::Arc;

use anyhow::anyhow;
use presence_core::NodeName;

use crate::carrier::CarrierConfig;
use crate::certificate::Authority;
use crate::config::{Config, check_name};
use crate::http::Readiness;
use crate::mesh::MeshConfig;
use crate::nats::NatsConfig;
use crate::secret::{Purpose, Secret};

/// What carries messages to other nodes, if there are any.
pub(super) fn carrier(
    config: &Config,
    secret: &Secret,
    name: &NodeName,
    readiness: &Readiness,
) -> anyhow::Result<Option<CarrierConfig>> {
    if config.nats.mesh.is_empty() {
        return Ok(embedded(config, secret, name).map(CarrierConfig::Embedded));
    }
    check_name(name.as_str()).map_err(|mistake| anyhow!(mistake))?;
    let (signing, accepted) = secret.pair(Purpose::MeshAuthority);
    let node_key = Authority::Secret { signing, accepted }.node_key(name.as_str())?;
    let keys = secret.keys(Purpose::MeshSealing).accepted;
    let options = &config.nats;
    let (servers, mesh) = (options.mesh.clone(), options.mesh_name.as_deref());
    let mut nats = NatsConfig::new(servers, name.clone(), config.own_region(), mesh, keys, node_key);
    nats.credentials.clone_from(&options.mesh_creds);
    readiness.watch_nats(Arc::clone(&nats.health));
    Ok(Some(CarrierConfig::Nats(nats)))
}

fn embedded(config: &Config, secret: &Secret, name: &NodeName) -> Option<MeshConfig> {
    let listen = config.mesh_listen.clone()?;
    let authority = match (&config.mesh_ca, &config.mesh_cert, &config.mesh_key) {
        (Some(ca), Some(certificate), Some(key)) => {
            Authority::Files { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() }
        }
        _ => {
            let (signing, accepted) = secret.pair(Purpose::MeshAuthority);
            Authority::Secret { signing, accepted }
        }
    };
    Some(MeshConfig {
        listen: vec![listen],
        advertise: config.mesh_advertise.clone(),
        peers: config.mesh_peer.clone(),
        name: name.clone(),
        authority,
        reset_key: secret.keys(Purpose::MeshResets).signing,
        delays: config.mesh_delay.clone(),
    })
}
