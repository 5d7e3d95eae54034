//! What a peer does at the mesh port to hold others up: unending messages, junk, handshakes, silence.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use presence_core::{Input, Output, Recipients, Urgency};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::rustls::ClientConfig;
use quinn::rustls::crypto::ring::default_provider;
use quinn::rustls::version::TLS13;
use quinn::{Endpoint, TransportConfig, VarInt};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Member, introduced_with, socket, until_links};
use crate::mesh::{Chosen, TestNode, at, close, hash};

/// Messages are begun and not ended until the reader takes none: other links don't suffer, and this one goes on after it.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_do_not_end_hold_up_no_other_link() {
    let mut reader = TestNode::start("reader", Chosen::default()).await;
    let (endpoint, speaking) = Member::named("outside").listen(hash("outside"));
    reader.dial(format!("quic/{}", endpoint.local_addr().unwrap())).await.unwrap();
    let connection = speaking.await.unwrap();
    let mut begun = Vec::new();
    // Until no stream is granted any longer, or no window.
    while let Ok(Ok(mut stream)) = timeout(Duration::from_millis(500), connection.open_uni()).await {
        if !matches!(timeout(Duration::from_millis(50), stream.write_all(&vec![1; 64 << 10])).await, Ok(Ok(()))) {
            break;
        }
        begun.push(stream);
    }
    assert!(begun.len() <= 512, "{} streams were granted", begun.len());
    // Another link is as quick as ever.
    let speaker = TestNode::start("speaker", Chosen::default()).await;
    until_links(&mut reader, &speaker).await;
    speaker.mesh.carry_out(Output::Publish { to: Recipients::All, bytes: b"on time".to_vec(), urgency: Urgency::High });
    reader.until(|input| matches!(input, Input::Received { bytes, .. } if bytes == b"on time").then_some(())).await;
    drop(begun);
    let again = async {
        loop {
            if let Ok(mut stream) = connection.open_uni().await {
                let _ = stream.write_all(b"whole").await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = reader.until(|input| matches!(input, Input::Received { bytes, .. } if bytes == b"whole").then_some(())) => {}
        () = again => unreachable!("it goes on for ever"),
    }
    close([speaker, reader]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_on_the_port_stops_nothing() {
    let speaker = TestNode::start("speaker", Chosen::default()).await;
    let mut reader = TestNode::start("reader", Chosen::default()).await;
    let junk = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in (0..1_400).step_by(7) {
        let bytes: Vec<u8> = (0..length).map(|i| (i * 31 + length) as u8).collect();
        junk.send_to(&bytes, socket(&speaker)).unwrap();
    }
    until_links(&mut reader, &speaker).await;
    close([speaker, reader]).await;
}

/// Six hundred handshakes of one address that has shown to be its own, by a client without a certificate: whoever dials from
/// another address is linked at once.
#[tokio::test(flavor = "multi_thread")]
async fn handshakes_of_one_address_hold_up_no_other() {
    let speaker = TestNode::start("speaker", Chosen::default()).await;
    let mut reader = TestNode::start("reader", Chosen::default()).await;
    let member = Member::named("outside");
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(Arc::clone(&member.roots))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"gp/1".to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
    let endpoint = Endpoint::client("127.0.0.2:0".parse().unwrap()).unwrap();
    let dial = || endpoint.connect_with(config.clone(), socket(&speaker), "mesh.gp.internal").unwrap();
    let dials: Vec<_> = (0..600).map(|_| dial()).collect();
    let began = std::time::Instant::now();
    until_links(&mut reader, &speaker).await;
    // By the time for a handshake alone it would be three seconds.
    assert!(began.elapsed() < Duration::from_millis(2_500), "{:?}", began.elapsed());
    drop(dials);
    close([speaker, reader]).await;
}

/// Questions that core never answers are over after two seconds, and others can be asked: there are sixteen at a time.
#[tokio::test(flavor = "multi_thread")]
async fn unanswered_questions_block_no_later_ones() {
    for carrier in ["quic", "tls"] {
        let mut speaker = TestNode::start("speaker", Chosen { listen: at(carrier), ..Chosen::default() }).await;
        let mut reader = TestNode::start("reader", Chosen { listen: at(carrier), ..Chosen::default() }).await;
        let link = reader.dial(speaker.address()).await.unwrap();
        let ask = |question| Output::Ask { link, question, bytes: vec![1; 8], urgency: Urgency::High };
        let is_asked = |input| matches!(input, Input::Asked { .. }).then_some(());
        (0..16).for_each(|question| reader.mesh.carry_out(ask(question)));
        // QUIC gives back the place of the introduction later, with others.
        for _ in 0..15 {
            speaker.until(is_asked).await;
        }
        for _ in 0..16 {
            reader.until(|input| matches!(input, Input::Answered { bytes: None, .. }).then_some(())).await;
        }
        reader.mesh.carry_out(ask(16));
        speaker.until(is_asked).await;
        close([speaker, reader]).await;
    }
}

fn publish(node: &TestNode, bytes: &[u8]) {
    node.mesh.carry_out(Output::Publish { to: Recipients::All, bytes: bytes.to_vec(), urgency: Urgency::High });
}

/// Until a counter of the node says so.
async fn counted(node: &TestNode, least: u64) {
    let dropped = async {
        while node.mesh.counts().messages_dropped.load(Ordering::Relaxed) < least {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), dropped).await.expect("messages are dropped and counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_is_not_waited_for() {
    let speaker = TestNode::start("speaker", Chosen::default()).await;
    let member = Member::named("outside");
    let mut transport = TransportConfig::default();
    transport.max_concurrent_uni_streams(VarInt::from_u32(4));
    let _connection = introduced_with(&member, "outside", &speaker, transport).await;
    let mut reader = TestNode::start("reader", Chosen::default()).await;
    until_links(&mut reader, &speaker).await;
    for _ in 0..100 {
        publish(&speaker, b"one of a hundred");
    }
    counted(&speaker, 96).await;
    for _ in 0..100 {
        reader.until(|input| matches!(input, Input::Received { .. }).then_some(())).await;
    }
    close([speaker, reader]).await;
}

/// It would be stale by the time that it came: its author has said something newer since.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_can_not_be_sent_for_a_second_is_broken_off() {
    let speaker = TestNode::start("speaker", Chosen::default()).await;
    let member = Member::named("outside");
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(1_000));
    let connection = introduced_with(&member, "outside", &speaker, transport).await;
    publish(&speaker, &[7; 50_000]);
    let mut message = connection.accept_uni().await.unwrap();
    let mut first = [0; 1_000];
    message.read_exact(&mut first).await.unwrap();
    let began = std::time::Instant::now();
    // What is read makes room for more, which is not taken for another second.
    let reset = timeout(Duration::from_secs(10), message.received_reset()).await.expect("it is broken off");
    assert!(matches!(reset, Ok(Some(_))), "{reset:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    speaker.mesh.close().await;
}

/// A reader's address changes, as behind a NAT that was restarted: the link goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_survives_a_new_address_of_the_reader() {
    let speaker = TestNode::start("speaker", Chosen::default()).await;
    let mut reader = TestNode::start("reader", Chosen::default()).await;
    let nat = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = nat.local_addr().unwrap();
    let (rebind, mut rebound) = tokio::sync::watch::channel(());
    let to = socket(&speaker);
    tokio::spawn(async move {
        let (mut inside, mut packet, mut back) = (None, [0; 65_536], [0; 65_536]);
        let mut outside = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        loop {
            tokio::select! {
                Ok((length, from)) = nat.recv_from(&mut packet) => {
                    inside = Some(from);
                    let _ = outside.send_to(&packet[..length], to).await;
                }
                Ok((length, _)) = outside.recv_from(&mut back) => {
                    if let Some(inside) = inside {
                        let _ = nat.send_to(&back[..length], inside).await;
                    }
                }
                changed = rebound.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    outside = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
                }
            }
        }
    });
    let link = reader.dial(format!("quic/{at}")).await.unwrap();
    rebind.send(()).unwrap();
    // The next packet of the reader, a keep-alive, shows the new address.
    let again = async {
        loop {
            publish(&speaker, b"after it");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let heard = reader.until(|input| match input {
        Input::Received { bytes, .. } if bytes == b"after it" => Some(true),
        Input::LinkLost { link: lost } if lost == link => Some(false),
        _ => None,
    });
    tokio::select! {
        went_on = heard => assert!(went_on, "the link was lost"),
        () = again => unreachable!("it goes on for ever"),
    }
    close([speaker, reader]).await;
}

/// One address may have 128 handshakes under way; the oldest makes room, so that a node from there still gets its link.
#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_of_one_address_are_bounded() {
    let speaker = TestNode::start("speaker", Chosen { listen: at("tls"), ..Chosen::default() }).await;
    let to: SocketAddr = speaker.address().strip_prefix("tls/").unwrap().parse().unwrap();
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(to).await.unwrap());
    }
    let mut reader = TestNode::start("reader", Chosen { listen: at("tls"), ..Chosen::default() }).await;
    let began = std::time::Instant::now();
    until_links(&mut reader, &speaker).await;
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
    // The first to come are the first to go; by the time for a handshake alone they would stay for three seconds.
    for mut oldest in silent.drain(..72) {
        let read = timeout(Duration::from_millis(1_500), oldest.read(&mut [0])).await.expect("it is closed");
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
    close([speaker, reader]).await;
}
