//! TLS for browsers, for a node without a proxy in front of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use parking_lot::RwLock;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::server::TlsStream;

use crate::watched_files::WatchedFiles;

/// The files of a certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct CertificateFiles {
    /// The certificate, followed by the intermediate ones.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The certificate that browsers are sent now.
#[derive(Debug)]
struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

impl CurrentCertificate {
    /// Reads the files again. What they hold is used once the two match.
    fn reload(&self, files: &CertificateFiles, provider: &CryptoProvider) -> anyhow::Result<()> {
        *self.0.write() = Arc::new(read(files, provider)?);
        Ok(())
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

/// TLS for browsers, and when its certificate ends.
#[derive(Clone)]
pub(crate) struct BrowserTls {
    pub(crate) acceptor: TlsAcceptor,
    current: Arc<CurrentCertificate>,
    handshakes: Arc<Handshakes>,
}

/// How handshakes have ended.
#[derive(Debug, Default)]
struct Handshakes {
    done: AtomicU64,
    /// The peer speaks no TLS, or nothing that this node can use.
    failed: AtomicU64,
    late: AtomicU64,
}

impl BrowserTls {
    /// Takes over a connection. `None`: the peer speaks no TLS, or takes longer than this for it.
    pub(super) async fn accept(&self, stream: TcpStream, within: Duration) -> Option<TlsStream<TcpStream>> {
        let (count, accepted) = match tokio::time::timeout(within, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => (&self.handshakes.done, Some(stream)),
            Ok(Err(_)) => (&self.handshakes.failed, None),
            Err(_) => (&self.handshakes.late, None),
        };
        count.fetch_add(1, Relaxed);
        accepted
    }

    /// How many handshakes there were, by result.
    pub(super) fn handshakes(&self) -> [(&'static str, u64); 3] {
        let Handshakes { done, failed, late } = &*self.handshakes;
        [("done", done), ("failed", failed), ("late", late)].map(|(result, count)| (result, count.load(Relaxed)))
    }

    /// Whether the certificate that browsers are sent now is for this host, a name or an IP address.
    pub(crate) fn is_for(&self, host: &str) -> bool {
        let certified = Arc::clone(&self.current.0.read());
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let certificate = certified.cert.first().and_then(|first| webpki::EndEntityCert::try_from(first).ok());
        let name = ServerName::try_from(host).ok();
        certificate
            .zip(name)
            .is_some_and(|(certificate, name)| certificate.verify_is_valid_for_subject_name(&name).is_ok())
    }

    /// When the certificate that browsers are sent now ends: seconds since 1970. `None` if it does not say so as X.509 asks for.
    pub(crate) fn ends_at(&self) -> Option<i64> {
        let certified = Arc::clone(&self.current.0.read());
        let (_, certificate) = x509_parser::parse_x509_certificate(certified.cert.first()?).ok()?;
        Some(certificate.validity().not_after.timestamp())
    }
}

/// Accepts TLS connections. Files that change while the node runs are read again within a minute, and on SIGHUP at once.
/// Errors name the file.
pub(crate) fn open(files: CertificateFiles) -> anyhow::Result<BrowserTls> {
    let provider = Arc::new(ring::default_provider());
    let watched = WatchedFiles::new("the certificate for browsers", [files.certificate.clone(), files.key.clone()]);
    let current = Arc::new(CurrentCertificate(RwLock::new(Arc::new(read(&files, &provider)?))));
    let (weak, of) = (Arc::downgrade(&current), Arc::clone(&provider));
    tokio::spawn(watched.follow(move || weak.upgrade().map(|current| current.reload(&files, &of))));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("this build has no version of TLS")?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(BrowserTls { acceptor: TlsAcceptor::from(Arc::new(config)), current, handshakes: Arc::default() })
}

fn read(files: &CertificateFiles, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let certificates = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("--tls-key {} holds no private key in PEM", files.key.display()))?;
    CertifiedKey::from_der(certificates, key, provider).with_context(|| {
        format!("--tls-cert {} and --tls-key {} do not match", files.certificate.display(), files.key.display())
    })
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.with_context(|| format!("--tls-cert {} is not readable PEM", file.display()))?;
    if all.is_empty() {
        return Err(anyhow!("--tls-cert {} holds no certificate", file.display()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(folder: &Path, name: &str) -> (CertificateFiles, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let files = CertificateFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        (files, made.cert.der().to_vec())
    }

    #[test]
    fn a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let provider = Arc::new(ring::default_provider());
        let (files, first) = write(folder.path(), "one.example");
        let current = CurrentCertificate(RwLock::new(Arc::new(read(&files, &provider).unwrap())));
        let now = |current: &CurrentCertificate| current.0.read().cert[0].to_vec();
        assert_eq!(now(&current), first);
        fs::write(&files.key, "half a fi").unwrap();
        assert!(current.reload(&files, &provider).is_err());
        assert_eq!(now(&current), first);
        let (_, second) = write(folder.path(), "two.example");
        current.reload(&files, &provider).unwrap();
        assert_eq!(now(&current), second);
    }

    #[tokio::test]
    async fn the_end_of_the_certificate_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["one.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let files =
            CertificateFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        fs::write(&files.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        assert_eq!(open(files).unwrap().ends_at(), Some(1_924_992_000));
    }

    #[tokio::test]
    async fn a_certificate_is_for_the_names_that_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let (files, _) = write(folder.path(), "*.one.example");
        let tls = open(files).unwrap();
        for (host, is_for) in
            [("ams.one.example", true), ("one.example", false), ("two.example", false), ("[::1]", false)]
        {
            assert_eq!(tls.is_for(host), is_for, "{host}");
        }
    }

    #[tokio::test]
    async fn errors_name_the_wrong_file() {
        let folder = tempfile::tempdir().unwrap();
        let (files, _) = write(folder.path(), "one.example");
        let error =
            |files: &CertificateFiles| open(files.clone()).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(error(&files), "");
        let missing = CertificateFiles { certificate: folder.path().join("none.pem"), ..files.clone() };
        assert!(error(&missing).starts_with("--tls-cert ") && error(&missing).contains("none.pem"));
        let swapped = CertificateFiles { certificate: files.key.clone(), key: files.certificate.clone() };
        assert!(error(&swapped).ends_with("holds no certificate"), "{}", error(&swapped));
        let other = rcgen::KeyPair::generate().unwrap();
        fs::write(&files.key, other.serialize_pem()).unwrap();
        assert!(error(&files).ends_with("do not match"), "{}", error(&files));
    }
}
