//! TLS that ends here, for a node without a proxy in front; without it such a node's visitors could be listened to.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// How often the files are looked at: certificates are renewed days before they end.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Where certificate and key are kept, both in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// The certificate, followed by those between it and an authority that browsers know.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What is shown to browsers now.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// What takes TLS connections. Files that change while the node runs are read anew, within a minute.
///
/// # Errors
///
/// One sentence that names the file.
pub(crate) fn acceptor(files: Files) -> anyhow::Result<TlsAcceptor> {
    let provider = Arc::new(ring::default_provider());
    let shown = Arc::new(Shown(RwLock::new(Arc::new(read(&files, &provider)?))));
    let mut followed = Followed { read_at: changed(&files), files, provider: Arc::clone(&provider) };
    let showing = Arc::downgrade(&shown);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(shown) = showing.upgrade() else { return };
            followed.look(&shown);
        }
    });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("this build has no version of TLS")?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Files whose content is shown, and when they were last changed as far as that is known.
struct Followed {
    files: Files,
    read_at: [Option<SystemTime>; 2],
    provider: Arc<CryptoProvider>,
}

impl Followed {
    fn look(&mut self, shown: &Shown) {
        let now = changed(&self.files);
        if now == self.read_at {
            return;
        }
        // Two files are not written at one moment: until they fit together the old ones are shown.
        match read(&self.files, &self.provider) {
            Ok(key) => {
                *shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                self.read_at = now;
                tracing::info!("the certificate in {} is shown from now on", self.files.certificate.display());
            }
            Err(error) => tracing::warn!("the certificate of before is shown still: {error:#}"),
        }
    }
}

fn changed(files: &Files) -> [Option<SystemTime>; 2] {
    [&files.certificate, &files.key].map(|file| fs::metadata(file).and_then(|data| data.modified()).ok())
}

fn read(files: &Files, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let certificates = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("--tls-key {} holds no private key in PEM", files.key.display()))?;
    CertifiedKey::from_der(certificates, key, provider).with_context(|| {
        format!("--tls-cert {} and --tls-key {} don't fit together", files.certificate.display(), files.key.display())
    })
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.with_context(|| format!("--tls-cert {} can't be read as PEM", file.display()))?;
    if all.is_empty() {
        return Err(anyhow!("--tls-cert {} holds no certificate", file.display()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str) -> (Files, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let files = Files { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        (files, made.cert.der().to_vec())
    }

    #[test]
    fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let provider = Arc::new(ring::default_provider());
        let (files, first) = write(folder.path(), "one.example");
        let shown = Shown(RwLock::new(Arc::new(read(&files, &provider).unwrap())));
        let now = |shown: &Shown| shown.0.read().unwrap().cert[0].to_vec();
        let mut followed = Followed { read_at: changed(&files), files: files.clone(), provider };
        followed.look(&shown);
        assert_eq!(now(&shown), first);
        let touch = |second| {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            fs::File::options().write(true).open(&files.key).unwrap().set_modified(at).unwrap();
        };
        fs::write(&files.key, "half a fi").unwrap();
        touch(1);
        followed.look(&shown);
        assert_eq!(now(&shown), first);
        let (_, second) = write(folder.path(), "two.example");
        touch(2);
        followed.look(&shown);
        assert_eq!(now(&shown), second);
    }

    #[tokio::test]
    async fn files_that_are_wrong_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let (files, _) = write(folder.path(), "one.example");
        let told = |files: &Files| acceptor(files.clone()).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(told(&files), "");
        let missing = Files { certificate: folder.path().join("none.pem"), ..files.clone() };
        assert!(told(&missing).starts_with("--tls-cert ") && told(&missing).contains("none.pem"));
        let swapped = Files { certificate: files.key.clone(), key: files.certificate.clone() };
        assert!(told(&swapped).ends_with("holds no certificate"), "{}", told(&swapped));
        let other = rcgen::KeyPair::generate().unwrap();
        fs::write(&files.key, other.serialize_pem()).unwrap();
        assert!(told(&files).ends_with("don't fit together"), "{}", told(&files));
    }
}
