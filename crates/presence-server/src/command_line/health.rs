//! The command that asks a running node whether it works: for containers, which have no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use axum::http::{Method, StatusCode, Uri};
use clap::Args;

use super::node_request::{ANSWERED_WITHIN, Certificates, NodeRequest, send};
use crate::config::{Secrets, address, duration};

/// How long a node has for the last answer, at least.
const LAST_TRY: Duration = Duration::from_secs(1);
/// How often a node is asked that is not as it should be yet.
const ASKED_EVERY: Duration = Duration::from_millis(200);

/// Asks a node whether it works, as its health checks say.
///
/// ```no_run
/// # #[tokio::main] async fn main() -> anyhow::Result<()> {
/// use clap::Parser;
/// use presence_server::HealthCommand;
///
/// #[derive(Parser)]
/// struct Line {
///     #[command(flatten)]
///     health: HealthCommand,
/// }
///
/// let line = Line::parse_from(["health", "--ready", "--within", "30s"]);
/// println!("{}", line.health.run().await?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Args)]
#[command(about = "Asks a running node whether it works: the exit status is 0 or 1", long_about = None)]
pub struct HealthCommand {
    /// Also asks whether the node is ready for visitors: not starting, and not draining
    #[arg(long)]
    ready: bool,

    /// Asks again until the node answers so, for this long
    #[arg(long, value_name = "TIME", value_parser = duration)]
    within: Option<Duration>,

    /// The node's address [default: the one that it listens on, on this machine]
    #[arg(long, value_name = "URL")]
    url: Option<Uri>,

    /// The address that the node listens on
    #[arg(long, env = "GP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:4000", value_parser = address)]
    listen: SocketAddr,

    /// The node's certificate for browsers: if it has one, it is asked over TLS
    #[arg(long, env = "GP_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
}

impl HealthCommand {
    /// What the node answers. With `GP_API_KEY` in the environment, that names all that is wrong.
    ///
    /// # Errors
    ///
    /// If the node does not answer, does not work, or is not ready although that is asked for.
    pub async fn run(self) -> anyhow::Result<String> {
        let scheme = if self.tls_cert.is_some() { "https" } else { "http" };
        let (url, certificates) = match self.url {
            Some(url) => (url, Certificates::OfAuthorities),
            None => {
                let url = format!("{scheme}://{}", local(self.listen)).parse().context("the address is a URL")?;
                (url, Certificates::Any)
            }
        };
        let target = if self.ready { "/readyz" } else { "/healthz" };
        let deadline = Instant::now() + self.within.unwrap_or_default();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let within = if self.within.is_some() { left.clamp(LAST_TRY, ANSWERED_WITHIN) } else { ANSWERED_WITHIN };
            match ask(&url, certificates, target, within).await {
                Err(_) if Instant::now() < deadline => tokio::time::sleep(ASKED_EVERY).await,
                answered => return answered,
            }
        }
    }
}

async fn ask(url: &Uri, certificates: Certificates, target: &str, within: Duration) -> anyhow::Result<String> {
    let key = Secrets::from_environment().api_key;
    let (method, key) = (Method::GET, key.as_deref());
    let (status, body) = send(NodeRequest { url, certificates, method, target, key, json: None, within }).await?;
    let body = String::from_utf8_lossy(&body).trim().to_owned();
    if status != StatusCode::OK {
        bail!("{url} answers {status}: {body}");
    }
    Ok(body)
}

/// Where this machine reaches what listens on `address`.
fn local(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::http::tls::{self, CertificateFiles};

    #[test]
    fn a_node_that_listens_everywhere_is_asked_on_loopback() {
        for (listen, asked) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:4000", "[::1]:4000"), ("192.0.2.1:4000", "192.0.2.1:4000")]
        {
            assert_eq!(local(listen.parse().unwrap()).to_string(), asked);
        }
    }

    #[tokio::test]
    async fn a_node_with_a_certificate_is_asked_over_tls_whatever_name_that_is_for() {
        let folder = tempfile::tempdir().unwrap();
        let made = generate_simple_self_signed(vec!["shop.example".to_owned()]).unwrap();
        let files =
            CertificateFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        let (tls, tls_cert) = (tls::open(files.clone()).unwrap().acceptor, Some(files.certificate));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let node = tokio::spawn(async move {
            let mut stream = tls.accept(listener.accept().await.unwrap().0).await.expect("it speaks TLS");
            let mut asked = [0; 13];
            stream.read_exact(&mut asked).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            stream.flush().await.unwrap();
            asked
        });
        let health = HealthCommand { ready: false, within: None, url: None, listen, tls_cert };
        assert_eq!(health.run().await.unwrap(), "ok");
        assert_eq!(&node.await.unwrap(), b"GET /healthz ");
    }
}
