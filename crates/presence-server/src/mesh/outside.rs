//! What a session of the engine that is not one of ours can do to us, with our secret and without.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use presence_core::{Input, NodeHash, NodeName, Output, Urgency};
use tokio::sync::mpsc;
use tokio::time::timeout;
use zenoh::Wait;

use super::engine::{ASK, Engine, SAY_ALL};
use super::{Address, Authority, Mesh, MeshConfig};

const AUTHORITY: Authority = Authority::Secret { current: [7; 32], previous: None };

async fn mesh(name: &str) -> (Mesh, mpsc::Receiver<Input>) {
    let (inputs_tx, inputs_rx) = mpsc::channel(1_024);
    let config = MeshConfig {
        listen: vec!["quic/127.0.0.1:0".to_owned()],
        advertise: Vec::new(),
        peers: Vec::new(),
        name: NodeName::new(name).unwrap(),
        hash: NodeHash(name.len() as u64),
        authority: AUTHORITY,
        delays: Vec::new(),
    };
    (Mesh::start(config, inputs_tx).await.unwrap(), inputs_rx)
}

async fn until<T>(inputs: &mut mpsc::Receiver<Input>, wanted: impl Fn(Input) -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = wanted(inputs.recv().await.expect("the mesh runs")) {
                return found;
            }
        }
    };
    timeout(Duration::from_secs(10), search).await.expect("it happens within 10 s")
}

fn say(text: &str) -> Output {
    Output::Publish { to: None, bytes: text.into(), urgency: Urgency::High }
}

fn heard(input: Input) -> Option<Vec<u8>> {
    match input {
        Input::Received { bytes, .. } => Some(bytes),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_can_neither_speak_nor_answer_in_our_place() {
    let (speaker, _speaker_inputs) = mesh("speaker").await;
    let (reader, mut inputs) = mesh("reader").await;
    let at = Address::parse(&speaker.advertised()[0]).unwrap();
    reader.carry_out(Output::Dial { address: at.to_string() });
    until(&mut inputs, |input| matches!(input, Input::Dialled { result: Ok(_), .. }).then_some(())).await;

    let outside = tokio::task::spawn_blocking(move || {
        let engine = Engine::new(AUTHORITY.certify("outside", &[]).unwrap());
        let session = engine.read_from(&at).unwrap();
        session.declare_queryable(ASK).callback(|_| panic!("asked in our place")).background().wait().unwrap();
        for _ in 0..100 {
            session.put(SAY_ALL, "a lie").wait().unwrap();
            session.put("gp/1/anything", "a lie").wait().unwrap();
        }
        session
    });
    let outside = outside.await.unwrap();
    // The first words may be said before the reader's subscription is known: once they arrive, lies would too.
    let truth = async {
        loop {
            speaker.carry_out(say("the truth"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        bytes = until(&mut inputs, heard) => assert_eq!(bytes, b"the truth"),
        () = truth => {}
    }
    tokio::task::spawn_blocking(move || {
        for _ in 0..100 {
            outside.put(SAY_ALL, "a lie").wait().unwrap();
        }
        outside.close().wait().unwrap();
    })
    .await
    .unwrap();
    for _ in 0..100 {
        speaker.carry_out(say("the last word"));
        let bytes = until(&mut inputs, heard).await;
        assert_ne!(bytes, b"a lie");
        if bytes == b"the last word" {
            break;
        }
    }
    speaker.close().await;
    reader.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_on_the_port_stops_nothing() {
    let (speaker, _speaker_inputs) = mesh("speaker").await;
    let (reader, mut inputs) = mesh("reader").await;
    let at = Address::parse(&speaker.advertised()[0]).unwrap();
    let junk = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in (0..1_400).step_by(7) {
        let bytes: Vec<u8> = (0..length).map(|i| (i * 31 + length) as u8).collect();
        junk.send_to(&bytes, (at.host.as_str(), at.port)).unwrap();
    }
    reader.carry_out(Output::Dial { address: at.to_string() });
    until(&mut inputs, |input| matches!(input, Input::Dialled { result: Ok(_), .. }).then_some(())).await;
    speaker.close().await;
    reader.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_sends_too_long_is_left_aside() {
    let (listener, mut inputs) = mesh("listener").await;
    let at = Address::parse(&listener.advertised()[0]).unwrap();
    let asked = tokio::task::spawn_blocking(move || {
        let engine = Arc::new(Engine::new(AUTHORITY.certify("outside", &[]).unwrap()));
        let session = engine.read_from(&at).unwrap();
        for length in [16, super::MESSAGE_BYTES_MAX + 1, 8 << 20, 17] {
            session.get(ASK).payload(vec![1; length]).timeout(Duration::from_secs(2)).callback(|_| ()).wait().unwrap();
        }
        session
    });
    let session = asked.await.unwrap();
    let length = |input| match input {
        Input::Asked { bytes, .. } => Some(bytes.len()),
        _ => None,
    };
    assert_eq!(until(&mut inputs, length).await, 16);
    assert_eq!(until(&mut inputs, length).await, 17);
    drop(session);
    listener.close().await;
}
