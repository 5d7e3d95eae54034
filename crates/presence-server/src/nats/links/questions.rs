//! Requests and their answers, which have subjects of their own: the number in them is random, so an answer is never one that
//! was recorded.

use std::sync::Arc;
use std::time::Instant;

use presence_core::{Input, LinkId};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{AskedQuestion, CONFIRM, CORE, NatsLinks};
use crate::mesh::{ANSWER_WITHIN, Counts};
use crate::nats::seal::{Lane, OpenedSeal, SealHeader, StartId};
use crate::nats::starts::Verdict;
use crate::nats::subjects::SubjectParts;
use crate::secret::random;

/// Questions of this node, and of others, that wait for an answer.
const QUESTIONS_MAX: usize = 1_024;

impl NatsLinks {
    /// Asks. Core gets exactly one `Input::Answered`, which says so if there is no answer.
    pub(in crate::nats) fn ask(self: &Arc<Self>, link: LinkId, question: u64, bytes: Vec<u8>) {
        let linked = self.state.lock().starts.linked(link);
        let Some((name, start)) = linked.filter(|_| self.fits(&bytes)) else {
            return self.inbound.deliver(Input::Answered { question, bytes: None });
        };
        let links = Arc::clone(self);
        tokio::spawn(async move {
            let answer = links.request(&name, start, CORE, &bytes).await;
            links.inbound.answer(Input::Answered { question, bytes: answer });
        });
    }

    /// Sends an answer, if that question is still open.
    pub(in crate::nats) fn reply(&self, question: u64, bytes: &[u8]) {
        let asked = self.state.lock().questions.remove(&question);
        if let Some((subject, _)) = asked.filter(|(_, at)| at.elapsed() < ANSWER_WITHIN && self.fits(bytes)) {
            self.send(Lane::Requests, subject, None, CORE, bytes);
        }
    }

    /// Asks a start of a node, and waits for the answer.
    pub(super) async fn request(&self, name: &str, start: StartId, kind: u8, body: &[u8]) -> Option<Vec<u8>> {
        let number = u64::from_be_bytes(random());
        let (answer_tx, answer) = oneshot::channel();
        {
            let mut state = self.state.lock();
            if state.asked.len() >= QUESTIONS_MAX {
                return None;
            }
            state.asked.insert(number, AskedQuestion { start, kind, answer: answer_tx });
        }
        let (subject, answers) = self.subjects.request(name, start, number);
        let sent = self.send(Lane::Requests, subject, Some(answers), kind, body);
        let answered = if sent { timeout(ANSWER_WITHIN, answer).await.ok().and_then(Result::ok) } else { None };
        self.state.lock().asked.remove(&number);
        answered
    }

    pub(super) fn questioned(
        self: &Arc<Self>,
        parts: SubjectParts<'_>,
        number: u64,
        header: SealHeader,
        opened: OpenedSeal,
    ) {
        let verdict = self.judge(header, opened.sent_ms);
        let answers = self.subjects.answer(parts.mesh, parts.from, header.start, number);
        if opened.kind == CONFIRM {
            let last = self.sealer.last(Lane::Messages).to_be_bytes();
            self.send(Lane::Requests, answers, None, CONFIRM, &last);
            if verdict == Verdict::Unconfirmed {
                self.look_at(header.start);
            }
            return;
        }
        match verdict {
            Verdict::News => self.pass_on(header.start, answers, opened.body),
            Verdict::Unconfirmed => {
                // It knows this node, and this node does not know it yet.
                let (links, name) = (Arc::clone(self), parts.from.to_owned());
                tokio::spawn(async move {
                    if links.meet(&name, header.start).await {
                        links.pass_on(header.start, answers, opened.body);
                    }
                });
            }
            Verdict::Repeated | Verdict::Late(_) => {}
        }
    }

    /// Passes a question to core.
    fn pass_on(&self, start: StartId, answers: String, bytes: Vec<u8>) {
        let mut state = self.state.lock();
        let Some(from) = state.starts.node_of(start) else { return };
        if state.questions.len() >= QUESTIONS_MAX {
            return Counts::count(&self.inbound.counts().inputs_dropped);
        }
        let question = state.next();
        state.questions.insert(question, (answers, Instant::now()));
        drop(state);
        self.inbound.offer(Input::Asked { question, from, bytes });
    }

    pub(super) fn answered(&self, number: u64, header: SealHeader, opened: OpenedSeal) {
        let now_ms = self.now_ms();
        let mut state = self.state.lock();
        let Some(asked) = state.asked.remove(&number).filter(|asked| asked.start == header.start) else { return };
        if opened.kind == CONFIRM {
            let Ok(last) = opened.body[..].try_into().map(u64::from_be_bytes) else { return };
            state.starts.confirm(header, last, opened.sent_ms, now_ms);
            state.is_there(header.start);
        } else if state.starts.judge(header, opened.sent_ms, now_ms) != Verdict::News {
            return;
        }
        drop(asked.answer.send(opened.body));
    }
}
