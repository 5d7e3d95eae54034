//! A node of which a part ends.

use presence_core::{Change, Click, Fragment, Refusal, RoomView, Visit, Write};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::signals::Signals;

/// An app without pages.
struct NoPages;

impl App for NoPages {
    fn page(&self, _: &RoomView, _: &Visit<'_>) -> String {
        String::new()
    }

    fn reflex(&self, _: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        Err(Refusal::Unknown)
    }

    fn render(&self, _: &Change, _: &RoomView) -> Vec<Fragment> {
        Vec::new()
    }
}

async fn health(address: SocketAddr) -> u16 {
    reqwest::get(format!("http://{address}/healthz")).await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_loses_a_part_fails_its_health_check_and_ends_with_an_error_that_names_it() {
    let config = Config::of(["--listen", "127.0.0.1:0", "--drain-over", "2s"]).unwrap();
    let running = start(config, Arc::new(NoPages), Site::new("shop")).await.unwrap();
    let (address, supervisor) = (running.address(), running.supervisor.clone());
    assert_eq!(health(address).await, 200);
    let ended = tokio::spawn(running.until(Signals::listen().unwrap()));
    supervisor.spawn("part of a test", async { panic!("a test's own") });
    tokio::time::timeout(Duration::from_secs(10), async { while health(address).await != 503 {} })
        .await
        .expect("the check fails while the node drains");
    let error = ended.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "a part of the node, the part of a test, has panicked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_late_over_a_connection_of_a_node_that_stops_is_answered() {
    let config = Config::of(["--listen", "127.0.0.1:0", "--drain-over", "1s"]).unwrap();
    let running = start(config, Arc::new(NoPages), Site::new("shop")).await.unwrap();
    let address = running.address();
    let mut late = TcpStream::connect(address).await.unwrap();
    // What is accepted later is answered later: the first connection is the node's by now.
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    idle.readable().await.unwrap();
    let drained = tokio::spawn(running.drain());
    // A node that stops closes what is idle.
    idle.read_to_string(&mut String::new()).await.unwrap();
    // A client on a busy machine is late, and the node keeps its connection open.
    let closed = tokio::time::timeout(Duration::from_millis(400), late.peek(&mut [0])).await;
    assert!(closed.is_err(), "{closed:?}");
    late.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drained.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_wrong_file_of_api_keys_ends_before_it_joins_the_mesh() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, "{}").unwrap();
    // A node that joined the mesh would fail at this port, which is in use.
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mesh = format!("quic/{}", taken.local_addr().unwrap());
    let words = ["--listen", "127.0.0.1:0", "--mesh-listen", &mesh, "--api-keys-file", file.to_str().unwrap()];
    let mut config = Config::of(words).unwrap();
    config.secrets.secret = Some("s".repeat(32));
    let start = async |config: Config| match start(config, Arc::new(NoPages), Site::new("shop")).await {
        Ok(_) => panic!("it can't start"),
        Err(error) => format!("{error:#}"),
    };
    assert!(start(config.clone()).await.contains("--api-keys-file"));
    config.api_keys_file = None;
    let mistake = start(config).await;
    assert!(mistake.contains("mesh"), "{mistake}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_of_one_name_one_ends_with_that_reason_and_not_with_the_end_of_its_store() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let free = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let addresses = [free(), free()].map(|address| format!("quic/{address}"));
    let start_at = async |here: usize| {
        let (mesh, peer) = (&addresses[here], &addresses[1 - here]);
        let folder = folders[here].path().to_str().unwrap();
        let words = ["--listen", "127.0.0.1:0", "--node", "ams-1", "--data-dir", folder];
        let mesh = ["--mesh-listen", mesh, "--mesh-peer", peer];
        let mut config = Config::of(words.into_iter().chain(mesh)).unwrap();
        config.secrets.secret = Some("s".repeat(32));
        start(config, Arc::new(NoPages), Site::new("shop")).await.unwrap()
    };
    let first = start_at(0).await.until(Signals::listen().unwrap());
    let second = start_at(1).await.until(Signals::listen().unwrap());
    // Usually it is the second one.
    let one_ends = async {
        tokio::select! { ended = first => ended, ended = second => ended }
    };
    let error = tokio::time::timeout(Duration::from_secs(60), one_ends).await.expect("one ends").unwrap_err();
    assert!(error.to_string().starts_with("Another node is called ams-1 too: ours is at quic/"), "{error:#}");
}
