//! What goes over a link, and how links end.

use super::*;

over_both!(
    three_nodes_say_ask_and_answer,
    several_nodes_of_a_region_hear_what_is_for_them,
    a_question_without_an_answer_ends_within_its_time,
    a_lost_link_is_told_and_can_be_dialled_again,
    a_dial_is_begun_again_by_a_second_order,
    what_comes_over_the_ocean_waits_in_order,
    a_page_is_no_hindrance_to_messages,
    messages_over_the_limit_are_dropped_and_counted,
);

pub(super) async fn three_nodes_say_ask_and_answer(carrier: &str) {
    let mut a = TestNode::start("a", over(carrier)).await;
    let mut b = TestNode::start("b", over(carrier)).await;
    let mut c = TestNode::start("c", over(carrier)).await;
    let linked = b.dial_node(a.address()).await.unwrap();
    assert_eq!(linked.node, hash("a"));
    let b_reads_a = linked.link;
    let c_reads_a = c.dial(a.address()).await.unwrap();
    assert_eq!(heard_at_last(&a, &mut b, &All, "to all").await, b_reads_a);
    assert_eq!(heard_at_last(&a, &mut c, &All, "to all").await, c_reads_a);

    heard_at_last(&a, &mut b, &One(hash("b")), "to b").await;
    heard_at_last(&a, &mut c, &One(hash("c")), "to c").await;
    a.say(&One(hash("b")), "to b again");
    let strangers = ["to b", "to b again"].map(|words| words.to_owned());
    heard_at_last(&a, &mut b, &All, "to all again").await;
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
    assert_eq!(heard_at_last(&a, &mut c, &All, "still here").await, c_reads_a);
    close([a, b, c]).await;
}

pub(super) async fn several_nodes_of_a_region_hear_what_is_for_them(carrier: &str) {
    let a = TestNode::start("a", over(carrier)).await;
    let mut b = TestNode::start("b", over(carrier)).await;
    let mut c = TestNode::start("c", over(carrier)).await;
    let mut far = TestNode::start("far", Chosen { region: "iad", ..over(carrier) }).await;
    for reader in [&mut b, &mut c, &mut far] {
        reader.dial(a.address()).await.unwrap();
        heard_at_last(&a, reader, &All, "to all").await;
    }
    let near = Several { region: Region::new("ams").unwrap(), nodes: vec![hash("b"), hash("c")] };
    for reader in [&mut b, &mut c] {
        heard_at_last(&a, reader, &near, "to that region").await;
    }
    a.say(&All, "the last");
    loop {
        let heard = far.hears().await.1;
        assert_ne!(heard, "to that region", "another region does not hear it");
        if heard == "the last" {
            break;
        }
    }
    close([a, b, c, far]).await;
}

pub(super) async fn a_question_without_an_answer_ends_within_its_time(carrier: &str) {
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
    heard_at_last(&a, &mut b, &All, "before").await;
    let closed = Instant::now();
    a.mesh.close().await;
    b.lost(link).await;
    // The other end says that it closes; by its silence it would take three seconds to know.
    assert!(closed.elapsed() < Duration::from_secs(2), "{:?}", closed.elapsed());
    // It refuses for as long as it closes.
    assert!(matches!(b.dial(at.clone()).await, Err(DialError::NoAnswer | DialError::Refused)));
    let again = TestNode::start("a", Chosen { listen: at.clone(), ..Chosen::default() }).await;
    let link = b.dial(at).await.unwrap();
    assert_eq!(heard_at_last(&again, &mut b, &All, "after").await, link);
    close([again, b]).await;
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
    close([a, b]).await;
}

async fn what_comes_over_the_ocean_waits_in_order(carrier: &str) {
    let one_way = Duration::from_millis(150);
    let mut far = TestNode::start("far", over(carrier)).await;
    let delays = vec![(far.address(), one_way)];
    let mut near = TestNode::start("near", Chosen { delays, ..over(carrier) }).await;
    let link = near.dial(far.address()).await.unwrap();
    heard_at_last(&far, &mut near, &All, "hello").await;

    let said = Instant::now();
    for number in 0..50 {
        far.say(&All, &number.to_string());
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
    close([far, near]).await;
}

/// Sixteen pages are on their way; a heartbeat that is published then arrives before them.
pub(super) async fn a_page_is_no_hindrance_to_messages(carrier: &str) {
    let mut a = TestNode::start("a", over(carrier)).await;
    let mut b = TestNode::start("b", over(carrier)).await;
    let link = b.dial(a.address()).await.unwrap();
    heard_at_last(&a, &mut b, &All, "hello").await;
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
    a.mesh.carry_out(Output::Publish { to: Recipients::All, bytes: b"alive".to_vec(), urgency: Urgency::Heartbeat });
    let (mut ended, mut before) = (0, None);
    while ended < 16 {
        match b.inputs.recv().await.unwrap() {
            Input::Received { bytes, .. } if bytes == b"alive" => before = Some(ended),
            Input::Answered { bytes, .. } => {
                ended += 1;
                // A busy machine does not bring all of them within the time that an answer has.
                assert!(bytes.is_none_or(|bytes| bytes.len() == 250_000));
            }
            _ => {}
        }
    }
    assert!(before.is_some_and(|before| before < ended), "the heartbeat came after {before:?} answers");
    close([a, b]).await;
}

pub(super) async fn messages_over_the_limit_are_dropped_and_counted(carrier: &str) {
    let mut a = TestNode::start("a", over(carrier)).await;
    let mut b = TestNode::start("b", over(carrier)).await;
    let link = b.dial(a.address()).await.unwrap();
    a.mesh.carry_out(Output::Publish { to: Recipients::All, bytes: vec![0; (1 << 20) + 1], urgency: Urgency::High });
    heard_at_last(&a, &mut b, &All, "after it").await;
    assert_eq!(a.mesh.counts().oversized.load(std::sync::atomic::Ordering::Relaxed), 1);
    b.mesh.carry_out(Output::Ask { link, question: 1, bytes: vec![0; (1 << 20) + 1], urgency: Urgency::High });
    assert_eq!(b.answer(1).await, None);
    let answer = b.ask(link, "page", &mut a, |_| vec![9; (1 << 20) + 1]).await;
    assert_eq!(answer, None, "an answer over the limit is none");
    close([a, b]).await;
}
