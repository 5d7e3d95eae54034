//! An attacker without the secret: first packets of links that never continue, or silent connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use presence_bench::random::Random;
use presence_bench::schedule::Schedule;
use presence_core::Output;
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};

use crate::args::{AttackArgs, AttackPacket};
use crate::initial_packet::{InitialPacket, noise};
use crate::node::start;
use crate::print;

/// A connection that takes longer than this counts as refused.
const CONNECTS_WITHIN: Duration = Duration::from_secs(3);
/// Connections that are opened at the same time.
const CONNECTING_MAX: usize = 64;

pub(crate) async fn run(args: &AttackArgs) -> anyhow::Result<()> {
    if args.tcp { connections(args).await } else { packets(args).await }
}

async fn packets(args: &AttackArgs) -> anyhow::Result<()> {
    let mut sockets = Vec::new();
    for place in 0..args.sockets.max(1) {
        let from = if args.spread { Ipv4Addr::from(u32::from(args.from) + place) } else { args.from };
        sockets.push(UdpSocket::bind((from, 0)).await.with_context(|| format!("no socket at {from}"))?);
    }
    let hello = InitialPacket::open(&first_packet(&UdpSocket::bind("127.0.0.1:0").await?).await?)?;
    let mut random = Random::of(std::process::id().into());
    let mut schedule = Schedule::new(args.rate, Some(args.seconds), Instant::now());
    let (mut sent, mut answers, mut retries) = (0_usize, 0_u64, 0_u64);
    let mut answer = [0; 2_048];
    print(&json!({ "kind": "attacking" }));
    while let Some(at) = schedule.next_at() {
        sleep_until(at.into()).await;
        for _ in 0..schedule.take_due(Instant::now()) {
            let well_formed = args.kind == AttackPacket::Hello || (args.kind == AttackPacket::Both && sent % 2 == 0);
            let packet = if well_formed { hello.seal(&mut random)? } else { noise(&mut random)? };
            // A full buffer drops it, as a network does.
            let _ = sockets[sent % sockets.len()].try_send_to(&packet, args.to);
            sent += 1;
        }
        for socket in &sockets {
            while let Ok((length, _)) = socket.try_recv_from(&mut answer) {
                answers += 1;
                retries += u64::from(length > 0 && answer[0] & 0xf0 == 0xf0);
            }
        }
    }
    print(&json!({ "kind": "attacked", "sent": sent, "answers": answers, "retries": retries }));
    Ok(())
}

/// Receives the first packet of a node with another secret.
async fn first_packet(socket: &UdpSocket) -> anyhow::Result<Vec<u8>> {
    let (inputs_tx, _inputs) = mpsc::channel(64);
    let stranger = start("stranger", 99, vec!["quic/127.0.0.1:0".to_owned()], inputs_tx).await?;
    stranger.carry_out(Output::Dial { address: format!("quic/{}", socket.local_addr()?) });
    let mut packet = vec![0; 2_048];
    let received = timeout(CONNECTS_WITHIN, socket.recv_from(&mut packet)).await;
    packet.truncate(received.context("the stranger sent nothing")??.0);
    stranger.close().await;
    Ok(packet)
}

async fn connections(args: &AttackArgs) -> anyhow::Result<()> {
    let mut schedule = Schedule::new(args.rate, Some(args.seconds), Instant::now());
    let (mut held, mut connecting) = (Vec::new(), tokio::task::JoinSet::new());
    let (mut sent, mut refused) = (0_u64, 0_u64);
    print(&json!({ "kind": "attacking" }));
    while let Some(at) = schedule.next_at() {
        tokio::select! {
            () = sleep_until(at.into()) => {
                for _ in 0..schedule.take_due(Instant::now()) {
                    sent += 1;
                    if connecting.len() < CONNECTING_MAX {
                        connecting.spawn(connect(args.from, args.to));
                    } else {
                        refused += 1;
                    }
                }
            }
            Some(made) = connecting.join_next() => match made {
                Ok(Some(connection)) => held.push(connection),
                _ => refused += 1,
            },
        }
    }
    print(&json!({ "kind": "attacked", "sent": sent, "held": held.len(), "refused": refused }));
    Ok(())
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((from, 0).into()).ok()?;
    timeout(CONNECTS_WITHIN, socket.connect(to)).await.ok()?.ok()
}
