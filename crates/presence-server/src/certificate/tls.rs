//! TLS of the links between nodes, and the names in their certificates.

use std::fmt;
use std::sync::Arc;

use anyhow::Context as _;
use parking_lot::RwLock;
use presence_core::{DialError, NodeHash};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{AlertDescription, ClientConfig, RootCertStore, ServerConfig};

use super::{ANY_NODE, Authority, Certificate, NODE_SUFFIX};
use crate::config::MeshAddress;

/// The protocol between nodes and its version. Nodes of different versions make no link, and each logs that.
const PROTOCOL: &[u8] = b"gp/1";

/// Both ends of a link's TLS: version 1.3, certificates on both sides, the mesh's authorities only, and no resumption, since a
/// resumed session would outlive a secret that was removed.
pub(crate) struct Trust {
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) client: Arc<ClientConfig>,
    /// Certificates of an operator contain addresses, those from the secret do not.
    by_address: bool,
    /// When the first certificate of an operator ends that links of this node need: its own, one between, or that of the
    /// authority which signed it. Seconds since 1970.
    ends_at: Option<i64>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("by_address", &self.by_address).finish_non_exhaustive()
    }
}

/// What new links use: it changes when the files of an operator's authority are renewed.
pub(crate) type SharedTrust = Arc<RwLock<Trust>>;

impl Trust {
    pub(crate) fn new(authority: &Authority, name: &str, node: NodeHash) -> anyhow::Result<Self> {
        let Certificate { authorities, chain, key } = authority.certify(name, node)?;
        let by_address = matches!(authority, Authority::Files { .. });
        let authorities = certificates(&authorities, "--mesh-ca")?;
        let chain = certificates(&chain, "--mesh-cert")?;
        let ends_at = if by_address { first_end(&chain, &authorities) } else { None };
        let (provider, roots) = (Arc::new(ring::default_provider()), Arc::new(roots(authorities)?));
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).context("--mesh-key contains no private key in PEM")?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let verifier = verifier.build().context("--mesh-ca can't be used to check other nodes")?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .context("--mesh-cert and --mesh-key do not match")?;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let client = client(provider, roots, chain, key)?;
        Ok(Self { server: Arc::new(server), client: Arc::new(client), by_address, ends_at })
    }

    /// When the first certificate of an operator ends without which this node has no links: seconds since 1970. `None` for
    /// certificates that are made from the secret, which last longer than any node.
    pub(crate) fn ends_at(&self) -> Option<i64> {
        self.ends_at
    }

    /// The certificate of the node at `address` must contain one of these names. `known_as`: the configured name that
    /// resolved to the address.
    pub(crate) fn names(&self, address: &MeshAddress, known_as: Option<&MeshAddress>) -> Vec<String> {
        if !self.by_address {
            return vec![ANY_NODE.to_owned()];
        }
        let hosts = [Some(address), known_as].into_iter().flatten().map(|address| address.host.clone());
        hosts.filter(|host| ServerName::try_from(host.as_str()).is_ok()).collect()
    }
}

fn client(
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> anyhow::Result<ClientConfig> {
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_webpki_verifier(verifier)
        .with_client_auth_cert(chain, key)?;
    client.alpn_protocols = vec![PROTOCOL.to_vec()];
    client.resumption = Resumption::disabled();
    Ok(client)
}

/// The first end of a chain, of which the authority that signed its last certificate is a part.
fn first_end(chain: &[CertificateDer<'_>], authorities: &[CertificateDer<'_>]) -> Option<i64> {
    let parse = |certificate: &CertificateDer<'_>| {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let names = (parsed.subject().as_raw().to_vec(), parsed.issuer().as_raw().to_vec());
        Some((names, parsed.validity().not_after.timestamp()))
    };
    let issuer = chain.last().and_then(parse).map(|((_, issuer), _)| issuer);
    let signed_it = authorities.iter().filter_map(parse).filter(|((subject, _), _)| Some(subject) == issuer.as_ref());
    // Of two with one name either may have signed it: one that is renewed is valid for longer.
    let authority = signed_it.map(|(_, ends_at)| ends_at).max();
    chain.iter().filter_map(parse).map(|(_, ends_at)| ends_at).chain(authority).min()
}

fn roots(authorities: Vec<CertificateDer<'static>>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in authorities {
        roots.add(certificate).context("--mesh-ca contains a certificate that is not an authority")?;
    }
    Ok(roots)
}

fn certificates(pem: &str, option: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>();
    all.with_context(|| format!("{option} is not readable PEM"))
}

/// Whether a certificate may speak for this node. A certificate without a node's name may speak for any, since an operator's
/// authority need not know the names.
pub(crate) fn speaks_for(certificate: &CertificateDer<'_>, node: NodeHash) -> bool {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return false };
    let own = format!("{node}{NODE_SUFFIX}");
    let names = certificate.valid_dns_names().map(str::to_ascii_lowercase);
    let mut nodes = names.filter(|name| name.ends_with(NODE_SUFFIX)).peekable();
    nodes.peek().is_none() || nodes.any(|name| name == own)
}

/// What a TLS alert of either side says about the two nodes; `None`: nothing that helps an operator.
pub(crate) fn reason_of_alert(alert: u8) -> Option<DialError> {
    match AlertDescription::from(alert) {
        AlertDescription::NoApplicationProtocol | AlertDescription::ProtocolVersion => Some(DialError::OtherVersion),
        // rustls sends this for a certificate with another name.
        AlertDescription::BadCertificate => Some(DialError::WrongName),
        AlertDescription::UnknownCA
        | AlertDescription::DecryptError
        | AlertDescription::CertificateRequired
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => Some(DialError::WrongSecret),
        _ => None,
    }
}
