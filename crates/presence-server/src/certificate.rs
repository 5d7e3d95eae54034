//! Certificates for the links between nodes.
//!
//! Every node derives the authority's key from the shared secret and, at each start, makes a certificate of its own in
//! memory. So there is nothing to set up, and without the secret there is no link. The certificate contains the node's name,
//! not its addresses, which may change while it runs.

mod node_key;
pub(crate) mod renewals;
pub(crate) mod tls;

use std::path::{Path, PathBuf};
use std::{fmt, fs};

use anyhow::Context;
use data_encoding::HEXLOWER;
use presence_core::NodeHash;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ED25519, SanType, date_time_ymd,
};
use sha2::{Digest, Sha256};

/// The name that is dialled at every node whose certificate is made from the secret.
pub const ANY_NODE: &str = "mesh.gp.internal";

/// Follows the hash of a node's name in the certificate name of that node.
pub const NODE_SUFFIX: &str = ".node.gp.internal";

/// The bytes before the 32 bytes of an ed25519 key in PKCS#8 (RFC 8410).
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The certificate authority of the mesh.
#[derive(Clone)]
pub enum Authority {
    /// An authority that is derived from the shared secret.
    Secret {
        /// 32 bytes, derived from the secret for this purpose.
        signing: [u8; 32],
        /// The same of the other secret that is accepted, during a rotation.
        accepted: Option<[u8; 32]>,
    },
    /// An authority of the operator's own, three files in PEM.
    Files {
        /// The authority's certificates.
        ca: PathBuf,
        /// This node's certificate, followed by the intermediate ones.
        certificate: PathBuf,
        /// Its key, PKCS#8.
        key: PathBuf,
    },
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret { accepted, .. } => {
                f.debug_struct("Secret").field("rotating", &accepted.is_some()).finish_non_exhaustive()
            }
            Self::Files { ca, certificate, key } => {
                f.debug_struct("Files").field("ca", ca).field("certificate", certificate).field("key", key).finish()
            }
        }
    }
}

/// A node's certificate and the authorities that it trusts, in PEM. The key never leaves the process.
#[derive(Clone)]
pub struct Certificate {
    /// The trusted authorities.
    pub authorities: String,
    /// This node's certificate, followed by the intermediate ones.
    pub chain: String,
    /// Its key, PKCS#8.
    pub key: String,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

impl Authority {
    /// The certificate of the node of that name. Fails if a file can't be read.
    pub fn certify(&self, name: &str, node: NodeHash) -> anyhow::Result<Certificate> {
        match self {
            Self::Secret { signing, accepted } => certify_by_secret(name, node, signing, accepted.as_ref()),
            Self::Files { ca, certificate, key } => Ok(Certificate {
                authorities: read_pem(ca, "--mesh-ca", "CERTIFICATE")?,
                chain: read_pem(certificate, "--mesh-cert", "CERTIFICATE")?,
                key: read_pem(key, "--mesh-key", "PRIVATE KEY")?,
            }),
        }
    }
}

fn certify_by_secret(
    name: &str,
    node: NodeHash,
    signing: &[u8; 32],
    accepted: Option<&[u8; 32]>,
) -> anyhow::Result<Certificate> {
    let key = authority_key(signing)?;
    let params = authority_params(&key);
    let mut authorities = params.self_signed(&key)?.pem();
    let mut between = String::new();
    if let Some(accepted) = accepted {
        let accepted_key = authority_key(accepted)?;
        let accepted_params = authority_params(&accepted_key);
        authorities.push_str(&accepted_params.self_signed(&accepted_key)?.pem());
        // The authority of this node, certified by the other one, for nodes that know only the other secret.
        between = params.signed_by(&key, &Issuer::new(accepted_params, accepted_key))?.pem();
    }
    let leaf_key = KeyPair::generate_for(&PKCS_ED25519)?;
    let leaf = leaf_params(name, node)?.signed_by(&leaf_key, &Issuer::new(params, key))?;
    Ok(Certificate { authorities, chain: leaf.pem() + &between, key: leaf_key.serialize_pem() })
}

fn authority_key(seed: &[u8; 32]) -> anyhow::Result<KeyPair> {
    let pkcs8 = [&PKCS8_ED25519[..], &seed[..]].concat();
    Ok(KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.into(), &PKCS_ED25519)?)
}

fn authority_params(key: &KeyPair) -> CertificateParams {
    let mut params = dated();
    // Each secret has its own name, so that a wrong secret is reported as an unknown issuer, not as a broken signature.
    let mark = HEXLOWER.encode(&Sha256::digest(key.public_key_raw())[..4]);
    params.distinguished_name.push(DnType::CommonName, format!("Global Presence mesh {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn leaf_params(name: &str, node: NodeHash) -> anyhow::Result<CertificateParams> {
    let mut params = dated();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    for held in [ANY_NODE.to_owned(), format!("{node}{NODE_SUFFIX}")] {
        params.subject_alt_names.push(SanType::DnsName(held.try_into()?));
    }
    Ok(params)
}

/// Certificates are valid for a century: a wrong clock must not cut a link.
fn dated() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}

fn read_pem(path: &Path, option: &str, holds: &str) -> anyhow::Result<String> {
    let path_shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("{option} {path_shown} is not readable"))?;
    anyhow::ensure!(
        text.contains("-----BEGIN ") && text.contains(&format!("{holds}-----")),
        "{option} {path_shown} contains no {holds} in PEM"
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(signing: u8, accepted: Option<u8>) -> Authority {
        Authority::Secret { signing: [signing; 32], accepted: accepted.map(|other| [other; 32]) }
    }

    #[test]
    fn nodes_with_the_same_secret_have_the_same_authority() {
        let a = secret(1, None).certify("a", NodeHash(1)).unwrap();
        let b = secret(1, None).certify("b", NodeHash(2)).unwrap();
        assert_ne!(a.key, b.key);
        assert_eq!(a.chain.matches("BEGIN CERTIFICATE").count(), 1);
        let rotating = secret(2, Some(1)).certify("c", NodeHash(3)).unwrap();
        assert_eq!(rotating.chain.matches("BEGIN CERTIFICATE").count(), 2);
        assert_eq!(rotating.authorities.matches("BEGIN CERTIFICATE").count(), 2);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let shown = format!("{:?} {:?}", secret(7, Some(8)), secret(7, None).certify("a", NodeHash(1)).unwrap());
        assert!(!shown.contains("PRIVATE") && !shown.contains('7'), "{shown}");
    }

    #[test]
    fn a_missing_or_wrong_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let authority = Authority::Files { ca: ca.clone(), certificate: ca.clone(), key: ca.clone() };
        let missing = authority.certify("a", NodeHash(1)).unwrap_err();
        assert!(format!("{missing}").contains("--mesh-ca"), "{missing}");
        fs::write(&ca, "hello").unwrap();
        let wrong = authority.certify("a", NodeHash(1)).unwrap_err();
        assert!(format!("{wrong}").contains("contains no CERTIFICATE"), "{wrong}");
    }
}
