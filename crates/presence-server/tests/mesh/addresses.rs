//! Where nodes listen, and which addresses they dial.

use super::*;

/// One socket for both kinds of address, where others dial either.
#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_listens_for_both_kinds_of_address_and_dials_both() {
    for carrier in ["quic", "tls"] {
        let wild = |port: &str| Chosen { listen: format!("{carrier}/[::]:{port}"), ..Chosen::default() };
        let mut a = TestNode::start("a", wild("0")).await;
        let port = a.address().rsplit_once(':').unwrap().1.to_owned();
        let mut b = TestNode::start("b", wild("0")).await;
        let other = b.address().rsplit_once(':').unwrap().1.to_owned();
        b.dial(format!("{carrier}/127.0.0.1:{port}")).await.unwrap();
        a.dial(format!("{carrier}/[::1]:{other}")).await.unwrap();
        close([a, b]).await;
    }
}

/// A node that listens over one carrier can read one that listens over the other.
#[tokio::test(flavor = "multi_thread")]
async fn the_two_carriers_make_one_mesh() {
    let mut a = TestNode::start("a", over("quic")).await;
    let mut b = TestNode::start("b", over("tls")).await;
    b.dial(a.address()).await.unwrap();
    a.dial(b.address()).await.unwrap();
    heard_at_last(&a, &mut b, &All, "hello").await;
    heard_at_last(&b, &mut a, &All, "hello").await;
    close([a, b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_become_numbers_and_our_own_are_left_out() {
    let a = TestNode::start("a", Chosen::default()).await;
    let port = a.address().rsplit_once(':').unwrap().1.to_owned();
    let peers = vec![format!("quic/localhost:{port}"), "quic/[::1]:5".to_owned()];
    let mut b = TestNode::start("b", Chosen { peers: peers.clone(), ..Chosen::default() }).await;
    let resolved = |input| match input {
        Input::Resolved { addresses } => Some(addresses),
        _ => None,
    };
    let addresses = b.until(resolved).await;
    assert!(addresses.contains(&a.address()) && addresses.contains(&"quic/[::1]:5".to_owned()), "{addresses:?}");
    let at = a.address();
    a.mesh.close().await;

    let mut itself = TestNode::start("a", Chosen { peers, listen: at.clone(), ..Chosen::default() }).await;
    let addresses = itself.until(resolved).await;
    assert!(!addresses.contains(&at), "{addresses:?}");
    close([itself, b]).await;
}
