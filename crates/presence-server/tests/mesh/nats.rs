//! The same links through a NATS server: what the other tests say of QUIC and of TLS.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::*;

/// Debian's server, for one test.
struct TestServer {
    process: Child,
    url: String,
}

impl TestServer {
    async fn start() -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
        let process = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
            .env("PATH", path)
            .stderr(Stdio::null())
            .spawn()
            .expect("scripts/prepare.sh installs nats-server");
        let listens = async {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, listens).await.expect("the server listens");
        Self { process, url: format!("nats://127.0.0.1:{port}") }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_say_ask_and_answer() {
    let server = TestServer::start().await;
    links::three_nodes_say_ask_and_answer(&server.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_an_answer_ends_within_its_time() {
    let server = TestServer::start().await;
    links::a_question_without_an_answer_ends_within_its_time(&server.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_no_hindrance_to_messages() {
    let server = TestServer::start().await;
    links::a_page_is_no_hindrance_to_messages(&server.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_over_the_limit_are_dropped_and_counted() {
    let server = TestServer::start().await;
    links::messages_over_the_limit_are_dropped_and_counted(&server.url).await;
}

/// A node that closes says so, and another start of it is another link.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_link_is_told_and_another_start_is_dialled() {
    let server = TestServer::start().await;
    let a = TestNode::start("a", over(&server.url)).await;
    let first = a.address();
    let mut b = TestNode::start("b", over(&server.url)).await;
    let link = b.dial(first.clone()).await.unwrap();
    a.mesh.close().await;
    b.lost(link).await;
    assert_eq!(b.dial(first).await, Err(DialError::NoAnswer));
    let again = TestNode::start("a", over(&server.url)).await;
    let found = b.until(|input| match input {
        Input::Resolved { addresses } if addresses.contains(&again.address()) => Some(addresses),
        _ => None,
    });
    assert_eq!(found.await, [again.address()], "it has been found, and its earlier start is forgotten");
    let link = b.dial(again.address()).await.unwrap();
    assert_eq!(heard_at_last(&again, &mut b, None, "after").await, link);
    close([again, b]).await;
}
