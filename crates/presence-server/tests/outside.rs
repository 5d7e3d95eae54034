//! What a peer that is not one of our nodes can do at the mesh port, with the secret and without.

mod load;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use presence_core::{DialError, Input, NodeHash};
use presence_server::certificate::Certificate;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::rustls::crypto::ring::default_provider;
use quinn::rustls::pki_types::pem::PemObject as _;
use quinn::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use quinn::rustls::server::WebPkiClientVerifier;
use quinn::rustls::version::TLS13;
use quinn::rustls::{ClientConfig, RootCertStore, ServerConfig};
use quinn::{Connection, Endpoint, TransportConfig};
use tokio::time::timeout;

use crate::mesh::{Chosen, TestNode, hash, secret};

const LONGEST: usize = 1 << 20;

/// A member's certificate, for the node of that name.
struct Member {
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Member {
    fn named(name: &str) -> Self {
        let Certificate { authorities, chain, key } = secret(1, None).certify(name, hash(name)).unwrap();
        let read = |pem: &str| CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect::<Vec<_>>();
        let mut roots = RootCertStore::empty();
        read(&authorities).into_iter().for_each(|root| roots.add(root).unwrap());
        Self {
            roots: Arc::new(roots),
            chain: read(&chain),
            key: PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        }
    }

    /// Dials that node as a reader would, and sends nothing.
    async fn dial(&self, to: SocketAddr) -> Connection {
        self.dial_with(to, TransportConfig::default()).await
    }

    async fn dial_with(&self, to: SocketAddr, transport: TransportConfig) -> Connection {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let mut config = config
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .unwrap();
        config.alpn_protocols = vec![b"gp/1".to_vec()];
        let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
        config.transport_config(Arc::new(transport));
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.connect_with(config, to, "mesh.gp.internal").unwrap().await.unwrap()
    }

    /// Listens as a node would, and says to the first reader that it is the node of that hash.
    fn listen(&self, as_node: NodeHash) -> (Endpoint, tokio::task::JoinHandle<Connection>) {
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(&provider));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .unwrap();
        config.alpn_protocols = vec![b"gp/1".to_vec()];
        let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(config).unwrap()));
        let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let listening = endpoint.clone();
        let speaking = tokio::spawn(async move {
            let connection = listening.accept().await.unwrap().await.unwrap();
            let (mut answer, mut question) = connection.accept_bi().await.unwrap();
            question.read_to_end(LONGEST).await.unwrap();
            answer.write_all(&as_node.0.to_be_bytes()).await.unwrap();
            answer.finish().unwrap();
            connection
        });
        (endpoint, speaking)
    }
}

/// Asks over a stream of its own; `None` where there is no answer.
async fn ask(connection: &Connection, question: &[u8]) -> Option<Vec<u8>> {
    let (mut send, mut receive) = timeout(Duration::from_secs(5), connection.open_bi()).await.ok()?.ok()?;
    // A question that is too long is stopped while it is being written.
    let _ = send.write_all(question).await;
    let _ = send.finish();
    receive.read_to_end(LONGEST).await.ok()
}

async fn introduced(member: &Member, name: &str, to: &TestNode) -> Connection {
    introduced_with(member, name, to, TransportConfig::default()).await
}

async fn introduced_with(member: &Member, name: &str, to: &TestNode, transport: TransportConfig) -> Connection {
    let connection = member.dial_with(socket(to), transport).await;
    assert!(ask(&connection, &hash(name).0.to_be_bytes()).await.is_some(), "the node says who it is");
    connection
}

fn socket(node: &TestNode) -> SocketAddr {
    node.address().strip_prefix("quic/").unwrap().parse().unwrap()
}

async fn until_links(reader: &mut TestNode, speaker: &TestNode) {
    reader.dial(speaker.address()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_can_publish_nothing() {
    let speaker = TestNode::start("speaker", Chosen::default()).await;
    let member = Member::named("outside");
    let connection = introduced(&member, "outside", &speaker).await;
    let published = timeout(Duration::from_millis(300), connection.open_uni()).await;
    assert!(published.is_err(), "a stream for messages was granted");
    speaker.mesh.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_speaker_can_ask_nothing() {
    let mut reader = TestNode::start("reader", Chosen::default()).await;
    let (endpoint, speaking) = Member::named("outside").listen(hash("outside"));
    let at = format!("quic/{}", endpoint.local_addr().unwrap());
    assert_eq!(reader.dial_node(at).await.unwrap().node, hash("outside"));
    let connection = speaking.await.unwrap();
    let asked = timeout(Duration::from_millis(300), connection.open_bi()).await;
    assert!(asked.is_err(), "a stream for questions was granted");
    reader.mesh.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_speaks_for_its_own_node_alone() {
    let mut node = TestNode::start("node", Chosen::default()).await;
    let liar = Member::named("liar");
    // As a reader: it would be sent what is meant for the other.
    let connection = liar.dial(socket(&node)).await;
    assert_eq!(ask(&connection, &hash("victim").0.to_be_bytes()).await, None);
    assert!(connection.close_reason().is_some(), "the connection is closed");
    // As a speaker: it would say what the other never said.
    let (endpoint, _speaking) = liar.listen(hash("victim"));
    let at = format!("quic/{}", endpoint.local_addr().unwrap());
    assert_eq!(node.dial(at).await, Err(DialError::WrongName));
    node.mesh.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_introduction_is_no_reader() {
    let mut speaker = TestNode::start("speaker", Chosen::default()).await;
    let member = Member::named("outside");
    for said in [&b""[..], b"seven b", b"more than eight bytes", &vec![0; LONGEST + 1]] {
        let connection = member.dial(socket(&speaker)).await;
        assert_eq!(ask(&connection, said).await, None, "{} bytes", said.len());
    }
    // One that says nothing is closed in time, and is no reader meanwhile.
    let silent = member.dial(socket(&speaker)).await;
    timeout(Duration::from_secs(10), silent.closed()).await.expect("a silent stranger is closed");
    let connection = introduced(&member, "outside", &speaker).await;
    ask_in_background(&connection, 16);
    assert_eq!(asked_length(&mut speaker).await, 16);
    speaker.mesh.close().await;
}

fn ask_in_background(connection: &Connection, length: usize) {
    let connection = connection.clone();
    tokio::spawn(async move { ask(&connection, &vec![1; length]).await });
}

async fn asked_length(node: &mut TestNode) -> usize {
    node.until(|input| match input {
        Input::Asked { bytes, .. } => Some(bytes.len()),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_too_long_is_left_aside() {
    let mut speaker = TestNode::start("speaker", Chosen::default()).await;
    let member = Member::named("outside");
    let connection = introduced(&member, "outside", &speaker).await;
    for length in [LONGEST + 1, 8 << 20] {
        assert_eq!(ask(&connection, &vec![1; length]).await, None);
    }
    ask_in_background(&connection, 17);
    assert_eq!(asked_length(&mut speaker).await, 17);
    speaker.mesh.close().await;
}
