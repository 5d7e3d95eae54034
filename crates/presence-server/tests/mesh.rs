//! Links between nodes: found, authenticated, delayed and lost, over both carriers on loopback.

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use presence_core::{DialError, Input, LinkId, Linked, NodeHash, NodeName, Output, Urgency};
use presence_server::certificate::Authority;
use presence_server::mesh::{Mesh, MeshConfig};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, filter::LevelFilter};

/// Longer than anything here takes on a busy machine; nothing waits for it to pass.
const SOON: Duration = Duration::from_secs(40);

pub(crate) struct TestNode {
    pub(crate) mesh: Mesh,
    pub(crate) inputs: mpsc::Receiver<Input>,
}

/// What a test may choose.
pub(crate) struct Chosen {
    pub(crate) authority: Authority,
    pub(crate) peers: Vec<String>,
    pub(crate) listen: String,
    pub(crate) delays: Vec<(String, Duration)>,
}

impl Default for Chosen {
    fn default() -> Self {
        Self { authority: secret(1, None), peers: Vec::new(), listen: at("quic"), delays: Vec::new() }
    }
}

/// Any free port of this machine, for one of the two carriers.
pub(crate) fn at(carrier: &str) -> String {
    format!("{carrier}/127.0.0.1:0")
}

fn over(carrier: &str) -> Chosen {
    Chosen { listen: at(carrier), ..Chosen::default() }
}

pub(crate) fn secret(current: u8, previous: Option<u8>) -> Authority {
    Authority::Secret { current: [current; 32], previous: previous.map(|p| [p; 32]) }
}

impl TestNode {
    pub(crate) async fn start(name: &str, chosen: Chosen) -> Self {
        log();
        let (inputs_tx, inputs) = mpsc::channel(1_024);
        let config = MeshConfig {
            listen: vec![chosen.listen],
            advertise: Vec::new(),
            peers: chosen.peers,
            name: NodeName::new(name).unwrap(),
            authority: chosen.authority,
            reset_key: [3; 32],
            delays: chosen.delays,
        };
        Self { mesh: Mesh::start(config, inputs_tx).await.unwrap(), inputs }
    }

    pub(crate) fn address(&self) -> String {
        self.mesh.advertised().remove(0)
    }

    pub(crate) async fn until<T>(&mut self, wanted: impl Fn(Input) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = wanted(self.inputs.recv().await.expect("the mesh runs")) {
                    return found;
                }
            }
        };
        timeout(SOON, search).await.expect("it happens soon")
    }

    pub(crate) async fn dial(&mut self, address: String) -> Result<LinkId, DialError> {
        self.dial_node(address).await.map(|linked| linked.link)
    }

    pub(crate) async fn dial_node(&mut self, address: String) -> Result<Linked, DialError> {
        self.mesh.carry_out(Output::Dial { address: address.clone() });
        self.until(|input| match input {
            Input::Dialled { address: at, result } if at == address => Some(result),
            _ => None,
        })
        .await
    }

    fn say(&self, to: Option<NodeHash>, text: &str) {
        self.mesh.carry_out(Output::Publish { to, bytes: text.into(), urgency: Urgency::High });
    }

    async fn hears(&mut self) -> (LinkId, String) {
        self.until(|input| match input {
            Input::Received { link, bytes } => Some((link, String::from_utf8(bytes).unwrap())),
            _ => None,
        })
        .await
    }

    /// Asks, and lets `other` answer what `answer` makes of the question.
    async fn ask(
        &mut self,
        link: LinkId,
        text: &str,
        other: &mut Self,
        answer: fn(Vec<u8>) -> Vec<u8>,
    ) -> Option<Vec<u8>> {
        self.mesh.carry_out(Output::Ask { link, question: 7, bytes: text.into(), urgency: Urgency::Low });
        let asked = other.until(|input| match input {
            Input::Asked { question, bytes, .. } => Some((question, bytes)),
            _ => None,
        });
        let (question, bytes) = asked.await;
        other.mesh.carry_out(Output::Reply { question, bytes: answer(bytes), urgency: Urgency::Low });
        self.answer(7).await
    }

    async fn lost(&mut self, wanted: LinkId) {
        self.until(|input| (input == Input::LinkLost { link: wanted }).then_some(())).await;
    }

    async fn answer(&mut self, wanted: u64) -> Option<Vec<u8>> {
        self.until(|input| match input {
            Input::Answered { question, bytes } if question == wanted => Some(bytes),
            _ => None,
        })
        .await
    }
}

/// Until the reader hears it: the publisher may learn of a new reader a moment later than the reader does.
async fn heard_at_last(speaker: &TestNode, reader: &mut TestNode, to: Option<NodeHash>, text: &str) -> LinkId {
    let again = async {
        loop {
            speaker.say(to, text);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let hears = async {
        loop {
            let (link, heard) = reader.hears().await;
            if heard == text {
                return link;
            }
        }
    };
    tokio::select! {
        link = hears => link,
        () = again => unreachable!("it goes on for ever"),
    }
}

pub(crate) fn hash(name: &str) -> NodeHash {
    NodeHash(name.bytes().fold(17, |h, b| h * 31 + u64::from(b)))
}

/// Lines of our own log.
fn log() -> &'static Mutex<Vec<String>> {
    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    static INSTALLED: OnceLock<()> = OnceLock::new();
    struct Keep;
    struct Text(String);
    impl tracing::field::Visit for Text {
        fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            self.0 += &format!("{value:?} ");
        }
    }
    impl<S: tracing::Subscriber> Layer<S> for Keep {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            let mut text = Text(String::new());
            event.record(&mut text);
            LINES.lock().unwrap().push(text.0);
        }
    }
    INSTALLED.get_or_init(|| {
        let ours = tracing_subscriber::filter::Targets::new().with_target("presence_server", LevelFilter::INFO);
        let _ = tracing_subscriber::registry().with(Keep.with_filter(ours)).try_init();
    });
    &LINES
}

async fn logged(words: &str) {
    let search = async {
        while !log().lock().unwrap().iter().any(|line| line.contains(words)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, search).await.unwrap_or_else(|_| panic!("no line holds {words:?}: {:?}", log().lock().unwrap()));
}

/// Each of these runs over QUIC and over TLS.
macro_rules! over_both {
    ($($name:ident),* $(,)?) => {
        mod quic {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name("quic").await;
            })*
        }

        mod tls {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name("tls").await;
            })*
        }
    };
}

over_both!(
    three_nodes_say_ask_and_answer,
    a_question_without_an_answer_ends_within_its_time,
    a_lost_link_is_told_and_can_be_dialled_again,
    a_dial_is_begun_again_by_a_second_order,
    another_secret_gets_no_link_and_both_sides_say_why,
    a_secret_is_changed_in_two_rounds_and_no_link_falls,
    an_authority_in_files_serves_as_well,
    a_certificate_for_another_address_gets_no_link,
    what_comes_over_the_ocean_waits_in_order,
    a_page_is_no_hindrance_to_messages,
    messages_over_the_limit_are_dropped_and_counted,
);

async fn three_nodes_say_ask_and_answer(carrier: &str) {
    let mut a = TestNode::start("a", over(carrier)).await;
    let mut b = TestNode::start("b", over(carrier)).await;
    let mut c = TestNode::start("c", over(carrier)).await;
    let linked = b.dial_node(a.address()).await.unwrap();
    assert_eq!(linked.node, hash("a"));
    let b_reads_a = linked.link;
    let c_reads_a = c.dial(a.address()).await.unwrap();
    assert_eq!(heard_at_last(&a, &mut b, None, "to all").await, b_reads_a);
    assert_eq!(heard_at_last(&a, &mut c, None, "to all").await, c_reads_a);

    heard_at_last(&a, &mut b, Some(hash("b")), "to b").await;
    heard_at_last(&a, &mut c, Some(hash("c")), "to c").await;
    a.say(Some(hash("b")), "to b again");
    let strangers = ["to b", "to b again"].map(|words| words.to_owned());
    heard_at_last(&a, &mut b, None, "to all again").await;
    loop {
        let heard = c.hears().await.1;
        assert!(!strangers.contains(&heard), "what is said to one is heard by no other");
        if heard == "to all again" {
            break;
        }
    }

    let answer = b.ask(b_reads_a, "who?", &mut a, |question| [&question[..], b" a"].concat()).await;
    assert_eq!(answer.as_deref(), Some(&b"who? a"[..]));
    // A page is larger than anything that fits one packet.
    let page = c.ask(c_reads_a, "page", &mut a, |_| vec![9; 250_000]).await;
    assert_eq!(page.unwrap(), vec![9; 250_000]);

    b.mesh.carry_out(Output::HangUp { link: b_reads_a });
    b.mesh.carry_out(Output::Ask { link: b_reads_a, question: 8, bytes: Vec::new(), urgency: Urgency::High });
    assert_eq!(b.answer(8).await, None, "there is no such link any more");
    assert_eq!(heard_at_last(&a, &mut c, None, "still here").await, c_reads_a);
    for node in [a, b, c] {
        node.mesh.close().await;
    }
}

async fn a_question_without_an_answer_ends_within_its_time(carrier: &str) {
    let mut a = TestNode::start("a", over(carrier)).await;
    let mut b = TestNode::start("b", over(carrier)).await;
    let link = b.dial(a.address()).await.unwrap();
    let began = Instant::now();
    b.mesh.carry_out(Output::Ask { link, question: 1, bytes: b"?".to_vec(), urgency: Urgency::High });
    a.until(|input| matches!(input, Input::Asked { .. }).then_some(())).await;
    assert_eq!(b.answer(1).await, None);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());

    a.mesh.close().await;
    b.mesh.carry_out(Output::Ask { link, question: 2, bytes: b"?".to_vec(), urgency: Urgency::High });
    assert_eq!(b.answer(2).await, None);
    b.mesh.close().await;
}

async fn a_lost_link_is_told_and_can_be_dialled_again(carrier: &str) {
    let a = TestNode::start("a", over(carrier)).await;
    let at = a.address();
    let mut b = TestNode::start("b", over(carrier)).await;
    let link = b.dial(at.clone()).await.unwrap();
    heard_at_last(&a, &mut b, None, "before").await;
    let closed = Instant::now();
    a.mesh.close().await;
    b.lost(link).await;
    // The other end says that it closes; by its silence it would take three seconds to know.
    assert!(closed.elapsed() < Duration::from_secs(2), "{:?}", closed.elapsed());
    // It refuses for as long as it closes.
    assert!(matches!(b.dial(at.clone()).await, Err(DialError::NoAnswer | DialError::Refused)));
    let again = TestNode::start("a", Chosen { listen: at.clone(), ..Chosen::default() }).await;
    let link = b.dial(at).await.unwrap();
    assert_eq!(heard_at_last(&again, &mut b, None, "after").await, link);
    again.mesh.close().await;
    b.mesh.close().await;
}

/// A node that comes back is dialled at once, not when the dial that found it away has run out.
async fn a_dial_is_begun_again_by_a_second_order(carrier: &str) {
    let a = TestNode::start("a", over(carrier)).await;
    let at = a.address();
    a.mesh.close().await;
    let mut b = TestNode::start("b", over(carrier)).await;
    b.mesh.carry_out(Output::Dial { address: at.clone() });
    let a = TestNode::start("a", Chosen { listen: at.clone(), ..Chosen::default() }).await;
    let began = Instant::now();
    // Over TLS the first dial may have been refused by then.
    while b.dial(at.clone()).await.is_err() {}
    // Packets of the first dial would be sent again after 0.3, 0.9 and 2.1 s, and by the next one later still.
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    a.mesh.close().await;
    b.mesh.close().await;
}

async fn another_secret_gets_no_link_and_both_sides_say_why(carrier: &str) {
    let a = TestNode::start("a", over(carrier)).await;
    let mut stranger = TestNode::start("s", Chosen { authority: secret(2, None), ..over(carrier) }).await;
    assert_eq!(stranger.dial(a.address()).await, Err(DialError::WrongSecret));
    assert_eq!(stranger.mesh.counts().dials_failed(DialError::WrongSecret), 1);
    logged("refused a node that does not know our GP_SECRET").await;
    assert_eq!(stranger.dial(format!("{carrier}/127.0.0.1:9")).await, Err(DialError::NoAnswer));
    a.mesh.close().await;
    stranger.mesh.close().await;
}

async fn a_secret_is_changed_in_two_rounds_and_no_link_falls(carrier: &str) {
    let mut old = TestNode::start("old", over(carrier)).await;
    let mut both = TestNode::start("both", Chosen { authority: secret(2, Some(1)), ..over(carrier) }).await;
    let mut new = TestNode::start("new", Chosen { authority: secret(2, None), ..over(carrier) }).await;
    both.dial(old.address()).await.unwrap();
    old.dial(both.address()).await.unwrap();
    both.dial(new.address()).await.unwrap();
    new.dial(both.address()).await.unwrap();
    assert_eq!(new.dial(old.address()).await, Err(DialError::WrongSecret));
    for node in [old, both, new] {
        node.mesh.close().await;
    }
}

/// An operator's own authority, and a certificate of it for this host.
pub(crate) fn files(folder: &std::path::Path, host: &str) -> Authority {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&key).unwrap().pem();
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &rcgen::Issuer::new(authority, key)).unwrap().pem();
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    Authority::Files {
        ca: file("ca.pem", ca),
        certificate: file("certificate.pem", leaf),
        key: file("key.pem", leaf_key.serialize_pem()),
    }
}

async fn an_authority_in_files_serves_as_well(carrier: &str) {
    let folder = tempfile::tempdir().unwrap();
    let authority = files(folder.path(), "127.0.0.1");
    let mut a = TestNode::start("a", Chosen { authority: authority.clone(), ..over(carrier) }).await;
    let mut b = TestNode::start("b", Chosen { authority, ..over(carrier) }).await;
    b.dial(a.address()).await.unwrap();
    a.dial(b.address()).await.unwrap();
    heard_at_last(&a, &mut b, None, "hello").await;
    heard_at_last(&b, &mut a, None, "hello").await;
    let mut stranger = TestNode::start("s", over(carrier)).await;
    assert_eq!(stranger.dial(a.address()).await, Err(DialError::WrongSecret));
    for node in [a, b, stranger] {
        node.mesh.close().await;
    }
}

async fn a_certificate_for_another_address_gets_no_link(carrier: &str) {
    let folder = tempfile::tempdir().unwrap();
    let authority = files(folder.path(), "192.0.2.7");
    let a = TestNode::start("a", Chosen { authority: authority.clone(), ..over(carrier) }).await;
    let mut b = TestNode::start("b", Chosen { authority, ..over(carrier) }).await;
    assert_eq!(b.dial(a.address()).await, Err(DialError::WrongName));
    a.mesh.close().await;
    b.mesh.close().await;
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
    a.mesh.close().await;
    b.mesh.close().await;
}

async fn what_comes_over_the_ocean_waits_in_order(carrier: &str) {
    let one_way = Duration::from_millis(150);
    let mut far = TestNode::start("far", over(carrier)).await;
    let delays = vec![(far.address(), one_way)];
    let mut near = TestNode::start("near", Chosen { delays, ..over(carrier) }).await;
    let link = near.dial(far.address()).await.unwrap();
    heard_at_last(&far, &mut near, None, "hello").await;

    let said = Instant::now();
    for number in 0..50 {
        far.say(None, &number.to_string());
    }
    let mut heard = Vec::new();
    while heard.len() < 50 {
        let text = near.hears().await.1;
        if text != "hello" {
            assert!(said.elapsed() >= one_way, "{text} after {:?}", said.elapsed());
            heard.push(text);
        }
    }
    assert!(heard.is_sorted_by_key(|text| text.parse::<u32>().unwrap()), "{heard:?}");

    let asked = Instant::now();
    assert!(near.ask(link, "?", &mut far, |question| question).await.is_some());
    assert!(asked.elapsed() >= one_way * 2, "{:?}", asked.elapsed());
    far.mesh.close().await;
    near.mesh.close().await;
}

/// Sixteen pages are on their way; a heartbeat that is published then arrives before them.
async fn a_page_is_no_hindrance_to_messages(carrier: &str) {
    let mut a = TestNode::start("a", over(carrier)).await;
    let mut b = TestNode::start("b", over(carrier)).await;
    let link = b.dial(a.address()).await.unwrap();
    heard_at_last(&a, &mut b, None, "hello").await;
    for question in 0..16 {
        b.mesh.carry_out(Output::Ask { link, question, bytes: vec![1], urgency: Urgency::High });
    }
    let asked = |input| match input {
        Input::Asked { question, .. } => Some(question),
        _ => None,
    };
    for _ in 0..16 {
        let question = a.until(asked).await;
        a.mesh.carry_out(Output::Reply { question, bytes: vec![9; 250_000], urgency: Urgency::Low });
    }
    a.mesh.carry_out(Output::Publish { to: None, bytes: b"alive".to_vec(), urgency: Urgency::Heartbeat });
    let (mut pages, mut before) = (0, None);
    while pages < 16 {
        match b.inputs.recv().await.unwrap() {
            Input::Received { bytes, .. } if bytes == b"alive" => before = Some(pages),
            Input::Answered { bytes: Some(bytes), .. } => {
                assert_eq!(bytes.len(), 250_000);
                pages += 1;
            }
            Input::Answered { bytes: None, .. } => panic!("a page was lost"),
            _ => {}
        }
    }
    assert!(before.is_some_and(|pages| pages < 16), "the heartbeat came after all pages: {before:?}");
    a.mesh.close().await;
    b.mesh.close().await;
}

async fn messages_over_the_limit_are_dropped_and_counted(carrier: &str) {
    let mut a = TestNode::start("a", over(carrier)).await;
    let mut b = TestNode::start("b", over(carrier)).await;
    let link = b.dial(a.address()).await.unwrap();
    a.mesh.carry_out(Output::Publish { to: None, bytes: vec![0; (1 << 20) + 1], urgency: Urgency::High });
    heard_at_last(&a, &mut b, None, "after it").await;
    assert_eq!(a.mesh.counts().oversized.load(std::sync::atomic::Ordering::Relaxed), 1);
    b.mesh.carry_out(Output::Ask { link, question: 1, bytes: vec![0; (1 << 20) + 1], urgency: Urgency::High });
    assert_eq!(b.answer(1).await, None);
    let answer = b.ask(link, "page", &mut a, |_| vec![9; (1 << 20) + 1]).await;
    assert_eq!(answer, None, "an answer over the limit is none");
    a.mesh.close().await;
    b.mesh.close().await;
}

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
        a.mesh.close().await;
        b.mesh.close().await;
    }
}

/// A node that listens over one carrier can read one that listens over the other.
#[tokio::test(flavor = "multi_thread")]
async fn the_two_carriers_make_one_mesh() {
    let mut a = TestNode::start("a", over("quic")).await;
    let mut b = TestNode::start("b", over("tls")).await;
    b.dial(a.address()).await.unwrap();
    a.dial(b.address()).await.unwrap();
    heard_at_last(&a, &mut b, None, "hello").await;
    heard_at_last(&b, &mut a, None, "hello").await;
    a.mesh.close().await;
    b.mesh.close().await;
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
    itself.mesh.close().await;
    b.mesh.close().await;
}
