//! What a quiet socket holds: a node has thousands of them.

use super::super::action_cable::ActionCableSession;
use super::harness::transport;
use super::*;

/// The allocator has blocks of 192, 224, 256, 320, 384, 448 and 512 bytes, so a few bytes more can cost 64. A connection has 16
/// bytes more than are counted here, a task about 100.
#[tokio::test]
async fn a_quiet_socket_is_small() {
    let test = TestHub::new("");
    let (transport, _browser) = transport().await;
    let socket = UpgradedSocket { transport, unread: Bytes::new(), id: ConnectionId(1) };
    let visitor =
        Visitor { signed: None, user: None, version: Version::Plain, sid: None, grant: None, tab: None, trace: None };
    // A node has two permits for each socket, which take 40 bytes.
    let permits = [0_u64; 5];
    let task = serve(socket, test.context.session(visitor), Arc::clone(&test.hub), test.inputs.clone(), permits);
    assert!(size_of_val(&task) <= 256, "the task takes {} bytes", size_of_val(&task));
    assert!(size_of::<Connection>() <= 304, "the connection takes {} bytes", size_of::<Connection>());
    assert!(size_of::<ActionCableSession>() <= 224, "the session takes {} bytes", size_of::<ActionCableSession>());
}
