//! A broken member of the mesh: a node survives whatever it sends.

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use presence_core::{Input, LinkId, Output, Recipients, Urgency};
use presence_server::Secrets;
use presence_server::certificate::Authority;

use crate::common::{TestServer, config, within};
use crate::mesh::{Chosen, TestNode, files};

/// Long enough for about 10,000 messages of every kind.
const MADNESS: Duration = Duration::from_secs(4);

/// Three files of one authority, which the test's member reads too.
fn authority(folder: &Path) -> (Authority, String) {
    let Authority::Files { ca, certificate, key } = files(folder, "127.0.0.1") else { unreachable!("it is in files") };
    let line = format!("--mesh-ca {} --mesh-cert {} --mesh-key {}", ca.display(), certificate.display(), key.display());
    (Authority::Files { ca, certificate, key }, line)
}

/// A node, and its mesh address.
async fn node(name: &str, authority: &str, peer: &str) -> (TestServer, String) {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = format!("quic/{free}");
    let mut config =
        config(&format!("--node {name} --region {name} --mesh-listen {at} --mesh-peer {peer} {authority}"));
    config.secrets =
        Secrets { secret: Some("a secret for tests alone, of thirty-two bytes".to_owned()), ..Secrets::default() };
    (TestServer::with(config).await, at)
}

/// Pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    /// A valid message that was cut, repeated or changed, or random bytes.
    fn spoil(&mut self, right: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = match right.len() {
            0 => b"GP\x01".to_vec(),
            count => right[self.below(count)].clone(),
        };
        match self.below(4) {
            0 => bytes.truncate(self.below(bytes.len() + 1)),
            1 => bytes.extend((0..self.below(2_000)).map(|_| self.below(256) as u8).collect::<Vec<_>>()),
            _ if bytes.is_empty() => {}
            _ => {
                for _ in 0..=self.below(4) {
                    let at = self.below(bytes.len());
                    bytes[at] = self.below(256) as u8;
                }
            }
        }
        bytes
    }
}

/// Sends spoiled messages, requests and answers for a while, made from `right` and from what arrives. Where the victim has had
/// enough and closes the link, the member dials again.
async fn rave(member: &mut TestNode, victim: &str, mut link: LinkId, mut right: Vec<Vec<u8>>) -> usize {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut said = 0;
    let began = Instant::now();
    while began.elapsed() < MADNESS {
        for _ in 0..20 {
            let urgency = Urgency::High;
            member.mesh.carry_out(Output::Publish { to: Recipients::All, bytes: dice.spoil(&right), urgency });
            member.mesh.carry_out(Output::Ask { link, question: said, bytes: dice.spoil(&right), urgency });
            said += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        while let Ok(input) = member.inputs.try_recv() {
            match input {
                Input::Asked { question, bytes, .. } => {
                    right.push(bytes);
                    member.mesh.carry_out(Output::Reply {
                        question,
                        bytes: dice.spoil(&right),
                        urgency: Urgency::High,
                    });
                }
                Input::LinkLost { .. } => member.mesh.carry_out(Output::Dial { address: victim.to_owned() }),
                Input::Dialled { result: Ok(linked), .. } => link = linked.link,
                Input::Received { bytes, .. } | Input::Answered { bytes: Some(bytes), .. } => right.push(bytes),
                _ => {}
            }
        }
        right.truncate(500);
    }
    right.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_member_stops_no_node() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, line) = authority(folder.path());
    let mut member = TestNode::start("mad", Chosen { authority, ..Chosen::default() }).await;
    let (model, model_at) = node("model", &line, &member.address()).await;
    let link = member.dial(model_at).await.unwrap();
    // Valid messages, requests and answers.
    let right = within(|| {
        let heard: Vec<_> = std::iter::from_fn(|| member.inputs.try_recv().ok()).collect();
        async move { Some(heard).filter(|heard| !heard.is_empty()) }
    })
    .await;
    let right = right.into_iter().filter_map(|input| match input {
        Input::Asked { bytes, .. } | Input::Received { bytes, .. } => Some(bytes),
        _ => None,
    });
    let right = right.collect();
    let (victim, victim_at) = node("victim", &line, &member.address()).await;
    member.mesh.carry_out(Output::HangUp { link });
    let link = member.dial(victim_at.clone()).await.unwrap();
    // A heartbeat a second, and the requests of a node that has not closed its link yet.
    let heard = rave(&mut member, &victim_at, link, right).await;
    assert!(heard > 3, "the node sent {heard} messages that could be spoiled");

    assert_eq!(victim.get("/").await.status(), 200);
    let (sane, _) = node("sane", &line, &victim_at).await;
    for (here, there) in [(&sane, "victim"), (&victim, "sane")] {
        within(|| async move {
            let mesh: serde_json::Value = here.get("/api/v1/mesh").await.json().await.unwrap();
            let region = mesh["regions"].as_array()?.iter().find(|region| region["region"] == there)?.clone();
            (region["state"] == "live" && region["whole"] == true).then_some(())
        })
        .await;
    }
    drop(model);
    member.mesh.close().await;
}
