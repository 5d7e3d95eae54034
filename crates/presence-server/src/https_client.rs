//! Requests to other servers: to receivers of webhooks, and from commands to a running node.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme};

/// An unused connection is closed after this time.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// A client for HTTP and HTTPS; cheap to clone.
pub(crate) type HttpsClient = Client<HttpsConnector<HttpConnector>, Body>;

/// Trusts the system's certificates, or Mozilla's if the system has none.
pub(crate) fn https_client(connect_within: Duration) -> HttpsClient {
    let builder = HttpsConnectorBuilder::new();
    let builder = builder.with_native_roots().unwrap_or_else(|reason| {
        tracing::debug!(%reason, "the system has no certificates; Mozilla's are trusted");
        HttpsConnectorBuilder::new().with_webpki_roots()
    });
    client(builder.https_or_http().enable_http1().wrap_connector(tcp(connect_within)))
}

/// Accepts any certificate: for a node on this machine, whose certificate is for the name that visitors know.
pub(crate) fn local_client(connect_within: Duration) -> HttpsClient {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring has all versions of TLS")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    let builder = HttpsConnectorBuilder::new().with_tls_config(config);
    client(builder.https_or_http().enable_http1().wrap_connector(tcp(connect_within)))
}

fn tcp(connect_within: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_within));
    tcp
}

fn client(connector: HttpsConnector<HttpConnector>) -> HttpsClient {
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_MAX).build(connector)
}

/// Accepts every certificate whose key the server holds.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Why there is no answer, in one sentence: what to do about a certificate that is not accepted, or else the error with its
/// causes, since the outermost says only that the connection failed.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(advice) = tls_error(error).and_then(tls_advice) {
            return advice;
        }
        cause = error.source();
        text = cause.map_or_else(|| text.clone(), |cause| format!("{text}: {cause}"));
    }
    text
}

/// TLS' error, which I/O errors may hold without naming it as their source.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut inside = error;
    loop {
        match inside.downcast_ref::<Error>() {
            Some(error) => return Some(error),
            None => inside = inside.downcast_ref::<std::io::Error>()?.get_ref()?,
        }
    }
}

/// What to do about an error of TLS, in a sentence; `None`: its own text says it.
fn tls_advice(error: &Error) -> Option<String> {
    let certificate = match error {
        Error::InvalidCertificate(certificate) => certificate,
        Error::InvalidMessage(_) => return Some("it does not speak TLS: write http:// if that is meant".to_owned()),
        _ => return None,
    };
    let advice = match certificate {
        // The last two are of another authority of the same name.
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its certificate is of an authority that this machine does not trust: name the file with the authority's certificate in the environment, SSL_CERT_FILE=FILE".to_owned()
        }
        CertificateError::Other(other) if is_authority(other) => {
            "its certificate is an authority's own (CA:TRUE), which no server may use: make one with CA:FALSE".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("{certificate}: use a name that the certificate has").replace("certificate not valid", "its certificate is not valid")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has ended: renew it, or correct this machine's clock".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: correct this machine's clock, or wait".to_owned()
        }
        _ => return None,
    };
    Some(advice)
}

fn is_authority(error: &OtherError) -> bool {
    matches!(error.0.downcast_ref::<webpki::Error>(), Some(webpki::Error::CaUsedAsEndEntity))
}
