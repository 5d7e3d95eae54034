//! How the engine is configured, in one place: most of its defaults are wrong for this pattern.

use anyhow::Context;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use presence_core::Urgency;
use serde_json::{Value, json};
use zenoh::Wait;
use zenoh::qos::Priority;

use super::MESSAGE_BYTES_MAX;
use super::address::{Address, Protocol};
use crate::certificate::Certificate;

/// What everybody reads.
pub(super) const SAY_ALL: &str = "gp/1/say/all";
/// Where questions are asked.
pub(super) const ASK: &str = "gp/1/ask";

/// What one reader reads. Keys name nodes and kinds, never a room or a user: the engine pays quadratically for keys.
pub(super) fn say_to(hash: presence_core::NodeHash) -> String {
    format!("gp/1/say/{hash}")
}

/// Pages must never delay a heartbeat on the same link.
pub(super) fn priority(urgency: Urgency) -> Priority {
    match urgency {
        Urgency::High => Priority::InteractiveHigh,
        Urgency::Low => Priority::Background,
    }
}

/// Over TLS the engine blocks its workers for 10 s at every dead link, and has too few of them.
const THREADS: &str = "(rx: (worker_threads: 16), net: (worker_threads: 4), tx: (worker_threads: 16), \
                       app: (worker_threads: 4), acc: (worker_threads: 4))";

/// Says so where links over TLS lack the threads that they need.
pub(super) fn warn_of_few_threads<'a>(addresses: impl Iterator<Item = &'a Address>) {
    let mut addresses = addresses;
    if addresses.any(|a| a.protocol == Protocol::Tls) && std::env::var_os("ZENOH_RUNTIME").is_none() {
        tracing::warn!("links over tls/ stall when one of them dies: set ZENOH_RUNTIME='{THREADS}' in the environment");
    }
}

/// Opens sessions.
pub(super) struct Engine {
    /// What listening and reading sessions have in common.
    common: Value,
}

impl Engine {
    pub(super) fn new(certificate: Certificate) -> Self {
        let Certificate { authorities, chain, key } = certificate;
        let [authorities, chain, key] = [authorities, chain, key].map(|pem| BASE64_STANDARD.encode(pem));
        // One slow region must stall nobody: short queues, and what does not fit is dropped.
        let size = json!({ "control": 16, "real_time": 16, "interactive_high": 16, "interactive_low": 16,
                           "data_high": 16, "data": 16, "data_low": 16, "background": 16 });
        let common = json!({
            "scouting": { "delay": 0, "multicast": { "enabled": false }, "gossip": { "enabled": false } },
            "transport": {
                "unicast": { "open_timeout": 2000, "accept_timeout": 2000, "max_sessions": 1000 },
                "link": {
                    // Below core's own lease of 4 s, so that a node that can't be reached directly is heard through
                    // another before anybody doubts it.
                    "tx": { "lease": 2500, "keep_alive": 4, "queue": { "size": size } },
                    // Some more than a message, for what the engine wraps it in.
                    "rx": { "max_message_size": MESSAGE_BYTES_MAX + 65_536 },
                    // With names unverified anybody with a certificate of the public web could be a member: the
                    // dialling side trusts that web's roots too.
                    "tls": { "enable_mtls": true, "verify_name_on_connect": true,
                             "root_ca_certificate_base64": authorities,
                             "listen_certificate_base64": chain, "listen_private_key_base64": key,
                             "connect_certificate_base64": chain, "connect_private_key_base64": key },
                },
            },
        });
        Self { common }
    }

    /// The one session that listens. Blocks.
    pub(super) fn listen(&self, at: &[Address]) -> anyhow::Result<zenoh::Session> {
        let mut config = self.common.clone();
        let endpoints: Vec<_> = at.iter().map(ToString::to_string).collect();
        config["mode"] = json!("router");
        config["listen"] = json!({ "endpoints": endpoints });
        config["connect"] = json!({ "endpoints": [] });
        config["access_control"] = only_readers();
        open(&config)
    }

    /// A session that reads from one node. Blocks until there is a link, or none within 2 s; after that the session
    /// brings a lost link back by itself.
    pub(super) fn read_from(&self, address: &Address) -> anyhow::Result<zenoh::Session> {
        let mut config = self.common.clone();
        config["mode"] = json!("client");
        config["listen"] = json!({ "endpoints": [] });
        config["connect"] = json!({
            "endpoints": [address.to_string()],
            "timeout_ms": 0,
            "retry": { "period_init_ms": 250, "period_max_ms": 1000, "period_increase_factor": 2 },
        });
        open(&config)
    }
}

/// Who comes to the listening session may read there and ask there. It would pass on to our readers whatever a member
/// publishes, in our name, and let a member answer in our place.
fn only_readers() -> Value {
    let rule = |id: &str, flow: &str, messages: &[&str], keys: &[&str]| json!({ "id": id, "permission": "allow", "flows": [flow], "messages": messages, "key_exprs": keys });
    json!({
        "enabled": true,
        "default_permission": "deny",
        "rules": [
            rule("read", "ingress", &["declare_subscriber"], &["gp/1/say/*"]),
            rule("ask", "ingress", &["query"], &[ASK]),
            rule("say", "egress", &["put"], &["gp/1/say/*"]),
            rule("answer", "egress", &["reply", "declare_queryable"], &[ASK]),
        ],
        "subjects": [{ "id": "anybody" }],
        "policies": [{ "rules": ["read", "ask", "say", "answer"], "subjects": ["anybody"] }],
    })
}

fn open(config: &Value) -> anyhow::Result<zenoh::Session> {
    let config = zenoh::Config::from_json5(&config.to_string()).map_err(anyhow::Error::from_boxed)?;
    zenoh::open(config).wait().map_err(anyhow::Error::from_boxed).context("the engine did not start")
}
