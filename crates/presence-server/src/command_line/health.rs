//! The command that asks a running node whether it works: for containers, which have no curl.

use std::time::{Duration, Instant};

use anyhow::bail;
use axum::http::{Method, StatusCode};
use clap::Args;

use super::node_request::{ANSWERED_WITHIN, AskedNode, NodeAddress, NodeRequest, send};
use crate::config::{Secrets, duration};

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

    #[command(flatten)]
    node: NodeAddress,
}

impl HealthCommand {
    /// What the node answers. With `GP_API_KEY` in the environment, that names all that is wrong.
    ///
    /// # Errors
    ///
    /// If the node does not answer, does not work, or is not ready although that is asked for.
    pub async fn run(self) -> anyhow::Result<String> {
        let node = self.node.node();
        let target = if self.ready { "/readyz" } else { "/healthz" };
        let deadline = Instant::now() + self.within.unwrap_or_default();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let within = if self.within.is_some() { left.clamp(LAST_TRY, ANSWERED_WITHIN) } else { ANSWERED_WITHIN };
            match ask(&node, target, within).await {
                Err(_) if Instant::now() < deadline => tokio::time::sleep(ASKED_EVERY).await,
                answered => return answered,
            }
        }
    }
}

async fn ask(node: &AskedNode, target: &str, within: Duration) -> anyhow::Result<String> {
    let key = Secrets::from_environment().api_key;
    let (method, key) = (Method::GET, key.as_deref());
    let (status, body) = send(NodeRequest { node, method, target, key, json: None, within }).await?;
    let body = String::from_utf8_lossy(&body).trim().to_owned();
    if status != StatusCode::OK {
        bail!("{} answers {status}: {body}", node.url);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::http::tls::{self, CertificateFiles};

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
        let node_address = NodeAddress { url: None, listen, tls_cert, public_url: Vec::new() };
        let health = HealthCommand { ready: false, within: None, node: node_address };
        assert_eq!(health.run().await.unwrap(), "ok");
        assert_eq!(&node.await.unwrap(), b"GET /healthz ");
    }
}
