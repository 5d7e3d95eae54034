//! A network in user space that delays and loses UDP packets, so that tests need neither privileges nor a kernel module.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{self, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use presence_bench::random::Random;
use rustix::net::sockopt;
use serde_json::json;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::args::RelayArgs;
use crate::{lines, print};

/// Limit of packets in flight; more are lost.
const IN_FLIGHT_MAX: usize = 1 << 16;
/// Limit of packets that wait to join them.
const QUEUE: usize = 4_096;
/// Limit of clients of one pair.
const CLIENTS_MAX: usize = 1_024;
const BUFFER_BYTES: usize = 2 << 20;

/// A packet in flight.
struct Packet {
    due: Instant,
    number: u64,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl PartialEq for Packet {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Packet {}

impl PartialOrd for Packet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Packet {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

/// What the network does to every packet.
struct Network {
    loss: f64,
    delay_ms: f64,
    jitter_ms: f64,
    in_order: bool,
    chance: Mutex<(Random, u64)>,
    queue: mpsc::Sender<Packet>,
    lost: AtomicU64,
    overflowed: AtomicU64,
}

/// One direction between two sockets.
struct Direction {
    network: Arc<Network>,
    last_due: Instant,
}

impl Direction {
    fn new(network: &Arc<Network>) -> Self {
        Self { network: Arc::clone(network), last_due: Instant::now() }
    }

    fn send(&mut self, bytes: &[u8], socket: &Arc<UdpSocket>, to: SocketAddr) {
        let network = &self.network;
        let (lost, part, number) = {
            let mut chance = network.chance.lock().unwrap_or_else(PoisonError::into_inner);
            chance.1 += 1;
            (chance.0.fraction() * 100.0 < network.loss, chance.0.fraction(), chance.1)
        };
        if lost {
            network.lost.fetch_add(1, atomic::Ordering::Relaxed);
            return;
        }
        let ms = network.delay_ms + network.jitter_ms * (2.0 * part - 1.0);
        let mut due = Instant::now() + Duration::from_secs_f64(ms.max(0.0) / 1_000.0);
        if network.in_order {
            due = due.max(self.last_due);
            self.last_due = due;
        }
        let packet = Packet { due, number, socket: Arc::clone(socket), to, bytes: bytes.to_vec() };
        if network.queue.try_send(packet).is_err() {
            network.overflowed.fetch_add(1, atomic::Ordering::Relaxed);
        }
    }
}

/// Runs until standard input ends.
pub(crate) async fn run(args: &RelayArgs) -> anyhow::Result<()> {
    let (queue, packets) = mpsc::channel(QUEUE);
    let network = Arc::new(Network {
        loss: args.loss,
        delay_ms: args.delay,
        jitter_ms: args.jitter,
        in_order: args.in_order,
        chance: Mutex::new((Random::of(args.seed), 0)),
        queue,
        lost: AtomicU64::new(0),
        overflowed: AtomicU64::new(0),
    });
    let mut listens = Vec::new();
    for (listen, to) in args.pairs() {
        let front = Arc::new(bind(listen).await?);
        listens.push(front.local_addr()?.to_string());
        tokio::spawn(relay(front, to, Arc::clone(&network)));
    }
    anyhow::ensure!(!listens.is_empty(), "write --pair LISTEN=TO, or --listen and --to");
    print(&json!({ "kind": "relaying", "addresses": listens }));
    let carried = tokio::spawn(carry(packets, Arc::clone(&network)));
    let mut input = lines();
    while input.recv().await.is_some() {}
    carried.abort();
    let read = |counter: &AtomicU64| counter.load(atomic::Ordering::Relaxed);
    let all = network.chance.lock().unwrap_or_else(PoisonError::into_inner).1;
    print(&json!({
        "kind": "relayed", "packets": all, "lost": read(&network.lost), "overflowed": read(&network.overflowed),
    }));
    Ok(())
}

async fn bind(address: SocketAddr) -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind(address).await.map_err(|error| anyhow::anyhow!("{address}: {error}"))?;
    let _ = sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES);
    let _ = sockopt::set_socket_send_buffer_size(&socket, BUFFER_BYTES);
    Ok(socket)
}

/// Forwards packets from `front` to `to`, through a socket of each client's own, and the answers back to the client.
async fn relay(front: Arc<UdpSocket>, to: SocketAddr, network: Arc<Network>) {
    let mut clients: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut there = Direction::new(&network);
    let mut bytes = vec![0; 1 << 16];
    loop {
        // An error is about an earlier packet that was not accepted.
        let Ok((length, client)) = front.recv_from(&mut bytes).await else { continue };
        let back = match clients.get(&client) {
            Some(back) => Arc::clone(back),
            None if clients.len() >= CLIENTS_MAX => continue,
            None => {
                let Ok(back) = bind(SocketAddr::new(to.ip(), 0)).await.map(Arc::new) else { continue };
                tokio::spawn(come_back(Arc::clone(&back), Arc::clone(&front), client, Arc::clone(&network)));
                clients.insert(client, Arc::clone(&back));
                back
            }
        };
        there.send(&bytes[..length], &back, to);
    }
}

async fn come_back(back: Arc<UdpSocket>, front: Arc<UdpSocket>, client: SocketAddr, network: Arc<Network>) {
    let mut direction = Direction::new(&network);
    let mut bytes = vec![0; 1 << 16];
    loop {
        if let Ok((length, _)) = back.recv_from(&mut bytes).await {
            direction.send(&bytes[..length], &front, client);
        }
    }
}

/// Sends every packet when it is due.
async fn carry(mut packets: mpsc::Receiver<Packet>, network: Arc<Network>) {
    let mut in_flight: BinaryHeap<Reverse<Packet>> = BinaryHeap::new();
    loop {
        let due = in_flight.peek().map(|Reverse(packet)| packet.due);
        tokio::select! {
            packet = packets.recv() => match packet {
                Some(packet) if in_flight.len() < IN_FLIGHT_MAX => in_flight.push(Reverse(packet)),
                Some(_) => {
                    network.overflowed.fetch_add(1, atomic::Ordering::Relaxed);
                }
                None => return,
            },
            () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                let now = Instant::now();
                while in_flight.peek().is_some_and(|Reverse(packet)| packet.due <= now) {
                    if let Some(Reverse(packet)) = in_flight.pop() {
                        // A full buffer drops it, as a network does.
                        let _ = packet.socket.try_send_to(&packet.bytes, packet.to);
                    }
                }
            }
        }
    }
}
