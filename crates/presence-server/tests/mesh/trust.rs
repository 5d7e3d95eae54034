//! Which nodes get a link: secrets, authorities, certificates.

use super::*;

over_both!(
    another_secret_gets_no_link_and_both_sides_say_why,
    a_secret_is_changed_in_three_rounds_and_no_link_falls,
    an_authority_in_files_serves_as_well,
    a_certificate_for_another_address_gets_no_link,
    renewed_certificates_are_for_new_links_and_broken_ones_are_not_used,
);

async fn another_secret_gets_no_link_and_both_sides_say_why(carrier: &str) {
    let a = TestNode::start("a", over(carrier)).await;
    let mut stranger = TestNode::start("s", Chosen { authority: secret(2, None), ..over(carrier) }).await;
    assert_eq!(stranger.dial(a.address()).await, Err(DialError::WrongSecret));
    assert_eq!(stranger.mesh.counts().dials_failed(DialError::WrongSecret), 1);
    logged("refused a node that does not know our GP_SECRET").await;
    assert_eq!(stranger.dial(format!("{carrier}/127.0.0.1:9")).await, Err(DialError::NoAnswer));
    close([a, stranger]).await;
}

pub(super) async fn a_secret_is_changed_in_three_rounds_and_no_link_falls(carrier: &str) {
    let start = async |name, signing, accepted| {
        TestNode::start(name, Chosen { authority: secret(signing, accepted), ..over(carrier) }).await
    };
    let mut nodes = [
        start("old", 1, None).await,
        start("accepts", 1, Some(2)).await,
        start("signs", 2, Some(1)).await,
        start("new", 2, None).await,
    ];
    let addresses = nodes.each_ref().map(TestNode::address);
    for one in 0..3 {
        nodes[one].dial(addresses[one + 1].clone()).await.unwrap();
        nodes[one + 1].dial(addresses[one].clone()).await.unwrap();
    }
    // Through NATS the two do not even read each other's subjects.
    let refused = if carrier.starts_with("nats://") { DialError::NoAnswer } else { DialError::WrongSecret };
    assert_eq!(nodes[3].dial(addresses[0].clone()).await, Err(refused));
    close(nodes).await;
}

async fn an_authority_in_files_serves_as_well(carrier: &str) {
    let folder = tempfile::tempdir().unwrap();
    let authority = files(folder.path(), "127.0.0.1");
    let mut a = TestNode::start("a", Chosen { authority: authority.clone(), ..over(carrier) }).await;
    let mut b = TestNode::start("b", Chosen { authority, ..over(carrier) }).await;
    b.dial(a.address()).await.unwrap();
    a.dial(b.address()).await.unwrap();
    heard_at_last(&a, &mut b, &All, "hello").await;
    heard_at_last(&b, &mut a, &All, "hello").await;
    let mut stranger = TestNode::start("s", over(carrier)).await;
    assert_eq!(stranger.dial(a.address()).await, Err(DialError::WrongSecret));
    close([a, b, stranger]).await;
}

async fn a_certificate_for_another_address_gets_no_link(carrier: &str) {
    let folder = tempfile::tempdir().unwrap();
    let authority = files(folder.path(), "192.0.2.7");
    let a = TestNode::start("a", Chosen { authority: authority.clone(), ..over(carrier) }).await;
    let mut b = TestNode::start("b", Chosen { authority, ..over(carrier) }).await;
    assert_eq!(b.dial(a.address()).await, Err(DialError::WrongName));
    close([a, b]).await;
}

async fn renewed_certificates_are_for_new_links_and_broken_ones_are_not_used(carrier: &str) {
    let (folder, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = files(folder.path(), "127.0.0.1");
    let a = TestNode::start("a", Chosen { authority: authority.clone(), ..over(carrier) }).await;
    let mut b = TestNode::start("b", Chosen { authority, ..over(carrier) }).await;
    let open = b.dial(a.address()).await.unwrap();
    let mut c = TestNode::start("c", Chosen { authority: files(others.path(), "127.0.0.1"), ..over(carrier) }).await;
    assert_eq!(c.dial(a.address()).await, Err(DialError::WrongSecret));
    for name in ["ca.pem", "certificate.pem", "key.pem"] {
        std::fs::copy(others.path().join(name), folder.path().join(name)).unwrap();
    }
    hang_up();
    let renewed = async {
        while c.dial(a.address()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, renewed).await.expect("the renewed certificates are used");
    assert_eq!(heard_at_last(&a, &mut b, &All, "still here").await, open);
    std::fs::write(folder.path().join("key.pem"), "half a fi").unwrap();
    hang_up();
    logged("could not load the certificates of the mesh again").await;
    c.dial(a.address()).await.unwrap();
    close([a, b, c]).await;
}

/// Sends SIGHUP to this process, which listens for it since a mesh with files began.
fn hang_up() {
    let sent = std::process::Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// The name of a node stands in its certificate: behind a configured name it is right for whichever number that has.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_may_hold_the_name_that_was_configured() {
    let folder = tempfile::tempdir().unwrap();
    let authority = files(folder.path(), "localhost");
    let a = TestNode::start("a", Chosen { authority: authority.clone(), ..over("quic") }).await;
    let port = a.address().rsplit_once(':').unwrap().1.to_owned();
    let peers = vec![format!("quic/localhost:{port}")];
    let mut b = TestNode::start("b", Chosen { authority, peers, ..over("quic") }).await;
    b.until(|input| matches!(input, Input::Resolved { .. }).then_some(())).await;
    b.dial(a.address()).await.unwrap();
    close([a, b]).await;
}
