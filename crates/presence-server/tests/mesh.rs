//! Links between nodes: found, authenticated, delayed and lost, over QUIC, over TLS and through NATS on loopback.

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use presence_core::Recipients::{All, One, Several};
use presence_core::{DialError, Input, LinkId, Linked, NodeHash, NodeName, Output, Recipients, Region, Urgency};
use presence_server::carrier::{Carrier, CarrierConfig};
use presence_server::certificate::Authority;
use presence_server::mesh::MeshConfig;
use presence_server::nats::NatsConfig;
use presence_server::sha256;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, filter::LevelFilter};

/// Longer than anything here takes on a busy machine; nothing waits for it to pass.
const SOON: Duration = Duration::from_secs(40);

pub(crate) struct TestNode {
    pub(crate) mesh: Carrier,
    pub(crate) inputs: mpsc::Receiver<Input>,
}

/// What a test may choose.
pub(crate) struct Chosen {
    pub(crate) region: &'static str,
    pub(crate) authority: Authority,
    pub(crate) peers: Vec<String>,
    pub(crate) listen: String,
    pub(crate) delays: Vec<(String, Duration)>,
}

impl Default for Chosen {
    fn default() -> Self {
        Self { region: "ams", authority: secret(1, None), peers: Vec::new(), listen: at("quic"), delays: Vec::new() }
    }
}

/// Any free port of this machine, over QUIC or TLS; or the server of NATS that is named.
pub(crate) fn at(carrier: &str) -> String {
    if carrier.starts_with("nats://") { carrier.to_owned() } else { format!("{carrier}/127.0.0.1:0") }
}

fn over(carrier: &str) -> Chosen {
    Chosen { listen: at(carrier), ..Chosen::default() }
}

pub(crate) fn secret(signing: u8, accepted: Option<u8>) -> Authority {
    Authority::Secret { signing: [signing; 32], accepted: accepted.map(|other| [other; 32]) }
}

impl TestNode {
    pub(crate) async fn start(name: &str, chosen: Chosen) -> Self {
        log();
        let (inputs_tx, inputs) = mpsc::channel(1_024);
        let node = NodeName::new(name).unwrap();
        let config = if chosen.listen.starts_with("nats://") {
            let key = chosen.authority.node_key(name).unwrap();
            let Authority::Secret { signing, accepted } = chosen.authority else { panic!("NATS takes secrets only") };
            let keys = [Some(signing), accepted].into_iter().flatten().collect();
            let region = Region::new(chosen.region).unwrap();
            CarrierConfig::Nats(NatsConfig::new(vec![chosen.listen], node, region, None, keys, key))
        } else {
            CarrierConfig::Embedded(MeshConfig {
                listen: vec![chosen.listen],
                advertise: Vec::new(),
                peers: chosen.peers,
                name: node,
                authority: chosen.authority,
                reset_key: [3; 32],
                delays: chosen.delays,
            })
        };
        Self { mesh: Carrier::start(config, inputs_tx).await.unwrap(), inputs }
    }

    pub(crate) fn address(&self) -> String {
        self.mesh.advertised().remove(0)
    }

    pub(crate) async fn until<T>(&mut self, wanted: impl Fn(Input) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = wanted(self.inputs.recv().await.expect("the mesh runs")) {
                    return found;
                }
            }
        };
        timeout(SOON, search).await.expect("it happens soon")
    }

    pub(crate) async fn dial(&mut self, address: String) -> Result<LinkId, DialError> {
        self.dial_node(address).await.map(|linked| linked.link)
    }

    pub(crate) async fn dial_node(&mut self, address: String) -> Result<Linked, DialError> {
        self.mesh.carry_out(Output::Dial { address: address.clone() });
        self.until(|input| match input {
            Input::Dialled { address: at, result } if at == address => Some(result),
            _ => None,
        })
        .await
    }

    fn say(&self, to: &Recipients, text: &str) {
        self.mesh.carry_out(Output::Publish { to: to.clone(), bytes: text.into(), urgency: Urgency::High });
    }

    async fn hears(&mut self) -> (LinkId, String) {
        self.until(|input| match input {
            Input::Received { link, bytes } => Some((link, String::from_utf8(bytes).unwrap())),
            _ => None,
        })
        .await
    }

    /// Asks, and lets `other` answer what `answer` makes of the question.
    async fn ask(
        &mut self,
        link: LinkId,
        text: &str,
        other: &mut Self,
        answer: fn(Vec<u8>) -> Vec<u8>,
    ) -> Option<Vec<u8>> {
        self.mesh.carry_out(Output::Ask { link, question: 7, bytes: text.into(), urgency: Urgency::Low });
        let asked = other.until(|input| match input {
            Input::Asked { question, bytes, .. } => Some((question, bytes)),
            _ => None,
        });
        let (question, bytes) = asked.await;
        other.mesh.carry_out(Output::Reply { question, bytes: answer(bytes), urgency: Urgency::Low });
        self.answer(7).await
    }

    async fn lost(&mut self, wanted: LinkId) {
        self.until(|input| (input == Input::LinkLost { link: wanted }).then_some(())).await;
    }

    async fn answer(&mut self, wanted: u64) -> Option<Vec<u8>> {
        self.until(|input| match input {
            Input::Answered { question, bytes } if question == wanted => Some(bytes),
            _ => None,
        })
        .await
    }
}

/// Closes these nodes, one after the other.
pub(crate) async fn close<const COUNT: usize>(nodes: [TestNode; COUNT]) {
    for node in nodes {
        node.mesh.close().await;
    }
}

/// Until the reader hears it: the publisher may learn of a new reader a moment later than the reader does.
async fn heard_at_last(speaker: &TestNode, reader: &mut TestNode, to: &Recipients, text: &str) -> LinkId {
    let again = async {
        loop {
            speaker.say(to, text);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let hears = async {
        loop {
            let (link, heard) = reader.hears().await;
            if heard == text {
                return link;
            }
        }
    };
    tokio::select! {
        link = hears => link,
        () = again => unreachable!("it goes on for ever"),
    }
}

pub(crate) fn hash(name: &str) -> NodeHash {
    NodeHash::of(&NodeName::new(name).unwrap(), sha256)
}

/// Lines of our own log.
fn log() -> &'static Mutex<Vec<String>> {
    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    static INSTALLED: OnceLock<()> = OnceLock::new();
    struct Keep;
    struct Text(String);
    impl tracing::field::Visit for Text {
        fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            self.0 += &format!("{value:?} ");
        }
    }
    impl<S: tracing::Subscriber> Layer<S> for Keep {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            let mut text = Text(String::new());
            event.record(&mut text);
            LINES.lock().unwrap().push(text.0);
        }
    }
    INSTALLED.get_or_init(|| {
        let ours = tracing_subscriber::filter::Targets::new().with_target("presence_server", LevelFilter::INFO);
        let _ = tracing_subscriber::registry().with(Keep.with_filter(ours)).try_init();
    });
    &LINES
}

async fn logged(words: &str) {
    let search = async {
        while !log().lock().unwrap().iter().any(|line| line.contains(words)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, search).await.unwrap_or_else(|_| panic!("no line holds {words:?}: {:?}", log().lock().unwrap()));
}

/// Each of these runs over QUIC and over TLS.
macro_rules! over_both {
    ($($name:ident),* $(,)?) => {
        mod quic {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name("quic").await;
            })*
        }

        mod tls {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name("tls").await;
            })*
        }
    };
}

mod addresses;
mod links;
mod nats;
mod trust;

/// An operator's own authority, and a certificate of it for this host.
pub(crate) fn files(folder: &std::path::Path, host: &str) -> Authority {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&key).unwrap().pem();
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &rcgen::Issuer::new(authority, key)).unwrap().pem();
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    Authority::Files {
        ca: file("ca.pem", ca),
        certificate: file("certificate.pem", leaf),
        key: file("key.pem", leaf_key.serialize_pem()),
    }
}
