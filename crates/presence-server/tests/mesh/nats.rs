//! The same links through a NATS server: what the other tests say of QUIC and of TLS.

use std::io::{BufRead, BufReader, Read, Write};
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
async fn several_nodes_of_a_region_hear_what_is_for_them() {
    let server = TestServer::start().await;
    links::several_nodes_of_a_region_hear_what_is_for_them(&server.url).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_changed_in_three_rounds_and_no_link_falls() {
    let server = TestServer::start().await;
    trust::a_secret_is_changed_in_three_rounds_and_no_link_falls(&server.url).await;
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
    assert_eq!(heard_at_last(&again, &mut b, &All, "after").await, link);
    close([again, b]).await;
}

/// Another client of the server, which reads everything and may publish anything.
struct Tap {
    reader: BufReader<TcpStream>,
}

struct TappedMessage {
    subject: String,
    reply: Option<String>,
    payload: Vec<u8>,
}

impl Tap {
    fn connect(server: &TestServer) -> Self {
        let socket = TcpStream::connect(server.url.trim_start_matches("nats://")).unwrap();
        let mut tap = Self { reader: BufReader::new(socket) };
        tap.send(b"CONNECT {\"verbose\":false}\r\nSUB > 1\r\n");
        tap.messages();
        tap
    }

    fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    /// Everything that was published since the last call.
    fn messages(&mut self) -> Vec<TappedMessage> {
        self.send(b"PING\r\n");
        let mut messages = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words[..] {
                ["MSG", subject, _, ref reply @ .., size] => {
                    let mut payload = vec![0; size.parse::<usize>().unwrap() + 2];
                    self.reader.read_exact(&mut payload).unwrap();
                    payload.truncate(payload.len() - 2);
                    let reply = reply.first().map(|reply| (*reply).to_owned());
                    messages.push(TappedMessage { subject: subject.to_owned(), reply, payload });
                }
                ["PING"] => self.send(b"PONG\r\n"),
                ["PONG"] => return messages,
                _ => {}
            }
        }
    }

    fn publish(&mut self, message: &TappedMessage) {
        let TappedMessage { subject, reply, payload } = message;
        let reply = reply.as_deref().unwrap_or_default();
        self.send(format!("PUB {subject} {reply} {}\r\n", payload.len()).as_bytes());
        self.send(&[payload, &b"\r\n"[..]].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_message_is_heard_once() {
    let server = TestServer::start().await;
    let mut tap = Tap::connect(&server);
    let a = TestNode::start("a", over(&server.url)).await;
    let mut b = TestNode::start("b", over(&server.url)).await;
    b.dial_node(a.address()).await.unwrap();
    heard_at_last(&a, &mut b, &All, "linked").await;
    a.say(&All, "once");
    a.say(&All, "marked");
    while b.hears().await.1 != "marked" {}
    for message in tap.messages() {
        tap.publish(&message);
    }
    tap.messages();
    a.say(&All, "last");
    // What was said before, again, would come before this.
    assert_eq!(b.hears().await.1, "last");
    close([a, b]).await;
}

/// Who has just started knows no numbers of another node: it hears a node only once that has answered it.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_of_a_dead_node_is_never_heard() {
    let server = TestServer::start().await;
    let mut tap = Tap::connect(&server);
    let dead = TestNode::start("dead", over(&server.url)).await;
    let mut b = TestNode::start("b", over(&server.url)).await;
    let address = dead.address();
    b.dial_node(address.clone()).await.unwrap();
    heard_at_last(&dead, &mut b, &All, "linked").await;
    // Not that it leaves.
    let recorded = tap.messages();
    close([dead, b]).await;
    let live = TestNode::start("live", over(&server.url)).await;
    let mut fresh = TestNode::start("fresh", over(&server.url)).await;
    for message in &recorded {
        tap.publish(message);
    }
    tap.messages();
    assert_eq!(fresh.dial(address).await, Err(DialError::NoAnswer));
    let found = fresh.dial_node(live.address()).await.unwrap();
    assert_eq!(heard_at_last(&live, &mut fresh, &All, "live").await, found.link);
    close([live, fresh]).await;
}
