//! A socket whose browser does not read.

use tokio::net::{TcpListener, TcpStream};
use tungstenite::protocol::frame::coding::Control;

use super::*;

const LIMIT: usize = 256 * 1_024;

/// A transport whose other end reads nothing, with an outbox in which this frame waits.
async fn full(frame: &Frame) -> (Transport, TcpStream, Outbox) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (transport, mut outbox) = (Transport::Bare(listener.accept().await.unwrap().0), Outbox::default());
    transport.writable().await.unwrap();
    while outbox.send(frame, None, &transport, LIMIT) == Sent::Whole {}
    (transport, silent, outbox)
}

#[tokio::test]
async fn frames_count_what_they_take_in_memory() {
    let (transport, _silent, mut outbox) = full(&Frame::text(&"x".repeat(8_192))).await;
    while outbox.send(&Frame::text("x"), None, &transport, LIMIT) == Sent::Waits {}
    let least = outbox.backlog().waiting.len() * (size_of::<QueuedFrame>() + 3);
    assert!(outbox.backlog().waiting.capacity() * size_of::<QueuedFrame>() <= LIMIT && least <= LIMIT / 2, "{least}");
    let backlog = outbox.backlog();
    assert_eq!(backlog.bytes, backlog.waiting.iter().map(QueuedFrame::cost).sum::<usize>());
    // The other end reads again: nothing is counted that has gone.
    let reading = tokio::spawn(async move {
        let mut stream = _silent;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    });
    while !outbox.is_empty() {
        transport.writable().await.unwrap();
        outbox.write(&transport).unwrap();
    }
    assert_eq!(outbox.backlog().bytes, 0);
    reading.abort();
}

#[tokio::test]
async fn of_many_pongs_the_newest_waits() {
    let (transport, _silent, mut outbox) = full(&Frame::text(&"x".repeat(8_192))).await;
    let (frames, bytes) = (outbox.backlog().waiting.len(), outbox.backlog().bytes);
    for number in 0..=99 {
        assert_eq!(outbox.send(&Frame::control(Control::Pong, &[number]), None, &transport, LIMIT), Sent::Waits);
        outbox.send(&Frame::text("x"), None, &transport, LIMIT);
    }
    let pongs: Vec<_> = outbox.backlog().waiting.iter().filter(|queued| queued.frame.is_pong()).collect();
    assert_eq!(pongs.len(), 1);
    assert!(pongs[0].frame.pieces().next().unwrap().ends_with(&[99]));
    assert_eq!(outbox.backlog().waiting.len(), frames + 101);
    assert_eq!(outbox.backlog().bytes, bytes + 3 + QUEUED_BYTES + 100 * (3 + QUEUED_BYTES));
}
