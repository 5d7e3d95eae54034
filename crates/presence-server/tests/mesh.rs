//! Links between nodes: found, authenticated, delayed and lost, over the real engine on loopback.

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use presence_core::{Input, LinkId, NodeHash, NodeName, Output, Urgency};
use presence_server::certificate::Authority;
use presence_server::mesh::{self, Mesh, MeshConfig};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, filter::LevelFilter};

/// Longer than anything here takes on a busy machine; nothing waits for it to pass.
const SOON: Duration = Duration::from_secs(15);

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
        let listen = "quic/127.0.0.1:0".to_owned();
        Self { authority: secret(1, None), peers: Vec::new(), listen, delays: Vec::new() }
    }
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
            hash: hash(name),
            authority: chosen.authority,
            delays: chosen.delays,
        };
        Self { mesh: Mesh::start(config, inputs_tx).await.unwrap(), inputs }
    }

    pub(crate) fn address(&self) -> String {
        self.mesh.advertised().remove(0)
    }

    async fn until<T>(&mut self, wanted: impl Fn(Input) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = wanted(self.inputs.recv().await.expect("the mesh runs")) {
                    return found;
                }
            }
        };
        timeout(SOON, search).await.expect("it happens soon")
    }

    pub(crate) async fn dial(&mut self, address: String) -> Result<LinkId, String> {
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
            Input::Asked { question, bytes } => Some((question, bytes)),
            _ => None,
        });
        let (question, bytes) = asked.await;
        other.mesh.carry_out(Output::Reply { question, bytes: answer(bytes), urgency: Urgency::Low });
        self.answer(7).await
    }

    async fn answer(&mut self, wanted: u64) -> Option<Vec<u8>> {
        self.until(|input| match input {
            Input::Answered { question, bytes } if question == wanted => Some(bytes),
            _ => None,
        })
        .await
    }
}

/// Until the reader hears it: a subscription takes a moment to reach the other end.
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

fn hash(name: &str) -> NodeHash {
    NodeHash(name.bytes().fold(17, |h, b| h * 31 + u64::from(b)))
}

/// Lines of our own log, and the layer that reads the engine's.
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
        let _ = tracing_subscriber::registry().with(mesh::layer()).with(Keep.with_filter(ours)).try_init();
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

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_say_ask_and_answer() {
    let mut a = TestNode::start("a", Chosen::default()).await;
    let mut b = TestNode::start("b", Chosen::default()).await;
    let mut c = TestNode::start("c", Chosen::default()).await;
    let b_reads_a = b.dial(a.address()).await.unwrap();
    let c_reads_a = c.dial(a.address()).await.unwrap();
    assert_eq!(heard_at_last(&a, &mut b, None, "to all").await, b_reads_a);
    assert_eq!(heard_at_last(&a, &mut c, None, "to all").await, c_reads_a);

    heard_at_last(&a, &mut b, Some(hash("b")), "to b").await;
    heard_at_last(&a, &mut c, Some(hash("c")), "to c").await;
    a.say(Some(hash("b")), "to b again");
    a.say(None, "to all again");
    let strangers = ["to b", "to b again"].map(|words| words.to_owned());
    loop {
        let heard = c.hears().await.1;
        assert!(!strangers.contains(&heard), "what is said to one is heard by nobody else");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_an_answer_ends_within_its_time() {
    let mut a = TestNode::start("a", Chosen::default()).await;
    let mut b = TestNode::start("b", Chosen::default()).await;
    let link = b.dial(a.address()).await.unwrap();
    heard_at_last(&a, &mut b, None, "hello").await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_link_comes_back_by_itself() {
    let a = TestNode::start("a", Chosen::default()).await;
    let at = a.address();
    let mut b = TestNode::start("b", Chosen::default()).await;
    let link = b.dial(at.clone()).await.unwrap();
    heard_at_last(&a, &mut b, None, "before").await;
    a.mesh.close().await;
    let again = TestNode::start("a", Chosen { listen: at, ..Chosen::default() }).await;
    assert_eq!(heard_at_last(&again, &mut b, None, "after").await, link);
    again.mesh.close().await;
    b.mesh.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_secret_gets_no_link_and_both_sides_say_why() {
    let a = TestNode::start("a", Chosen::default()).await;
    let mut stranger = TestNode::start("s", Chosen { authority: secret(2, None), ..Chosen::default() }).await;
    let reason = stranger.dial(a.address()).await.unwrap_err();
    assert!(reason.contains("does not know our GP_SECRET"), "{reason}");
    logged(&format!("{} does not know our GP_SECRET", a.address())).await;
    logged("a node that does not know our GP_SECRET was refused").await;
    let nobody = stranger.dial("quic/127.0.0.1:9".to_owned()).await.unwrap_err();
    assert_eq!(nobody, "nobody answers there.");
    a.mesh.close().await;
    stranger.mesh.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_changed_in_two_rounds_and_no_link_falls() {
    let mut old = TestNode::start("old", Chosen::default()).await;
    let mut both = TestNode::start("both", Chosen { authority: secret(2, Some(1)), ..Chosen::default() }).await;
    let mut new = TestNode::start("new", Chosen { authority: secret(2, None), ..Chosen::default() }).await;
    both.dial(old.address()).await.unwrap();
    old.dial(both.address()).await.unwrap();
    both.dial(new.address()).await.unwrap();
    new.dial(both.address()).await.unwrap();
    new.dial(old.address()).await.unwrap_err();
    for node in [old, both, new] {
        node.mesh.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_in_files_serves_as_well_and_so_does_tls() {
    let folder = tempfile::tempdir().unwrap();
    let made = secret(1, None).certify("files", &["127.0.0.1".to_owned()]).unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let authority = Authority::Files {
        ca: file("ca.pem", made.authorities),
        certificate: file("certificate.pem", made.chain),
        key: file("key.pem", made.key),
    };
    let listen = "tls/127.0.0.1:0".to_owned();
    let mut files = TestNode::start("files", Chosen { authority, listen: listen.clone(), ..Chosen::default() }).await;
    let mut other = TestNode::start("other", Chosen { listen, ..Chosen::default() }).await;
    other.dial(files.address()).await.unwrap();
    files.dial(other.address()).await.unwrap();
    heard_at_last(&files, &mut other, None, "hello").await;
    heard_at_last(&other, &mut files, None, "hello").await;
    logged("set ZENOH_RUNTIME=").await;
    files.mesh.close().await;
    other.mesh.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_over_the_ocean_waits_in_order() {
    let one_way = Duration::from_millis(150);
    let mut far = TestNode::start("far", Chosen::default()).await;
    let delays = vec![(far.address(), one_way)];
    let mut near = TestNode::start("near", Chosen { delays, ..Chosen::default() }).await;
    let link = near.dial(far.address()).await.unwrap();
    heard_at_last(&far, &mut near, None, "hello").await;

    let said = Instant::now();
    for number in 0..50 {
        far.say(None, &number.to_string());
    }
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "49") {
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
    assert!(addresses.contains(&a.address()) && addresses.contains(&"quic/::1:5".to_owned()), "{addresses:?}");
    let at = a.address();
    a.mesh.close().await;

    let mut itself = TestNode::start("a", Chosen { peers, listen: at.clone(), ..Chosen::default() }).await;
    let addresses = itself.until(resolved).await;
    assert!(!addresses.contains(&at), "{addresses:?}");
    itself.mesh.close().await;
    b.mesh.close().await;
}
