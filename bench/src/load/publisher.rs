//! How a load makes a server broadcast: by a message on a socket, or by requests over connections of their own.

use std::collections::VecDeque;
use std::time::Duration;

use crate::args::Args;
use crate::crowd::Crowd;
use crate::http::{Answer, request};
use crate::mark::Mark;
use crate::protocol::Plan;

/// Where broadcasts come from.
pub(crate) struct Publisher {
    way: Way,
    body: String,
    size: usize,
    /// The next broadcast's number.
    pub(crate) next: u64,
}

enum Way {
    /// A socket that is part of the crowd, but counts as nobody.
    Socket(usize),
    /// Requests to a path with headers; those connections that are free, which are all at first, and what waits for one.
    Posts { path: String, headers: String, free: Vec<usize>, waiting: VecDeque<String> },
}

impl Publisher {
    /// `most` is how many broadcasts can be under way at once.
    pub(crate) fn new(args: &Args, crowd: &mut Crowd, most: usize) -> anyhow::Result<Self> {
        let way = match &args.publish {
            None => {
                let id = crowd.open(Plan::default())?;
                crowd.until(Duration::from_secs(5), &mut |_, _, _| {}, &mut |crowd| crowd.is_subscribed(id))?;
                crowd.tally.subscribed = 0;
                crowd.tally.ready = 0;
                Way::Socket(id)
            }
            Some(path) => {
                let free = (0..most).map(|_| crowd.open_http()).collect::<anyhow::Result<Vec<_>>>()?;
                let headers = args.header.iter().map(|header| format!("{header}\r\n")).collect();
                Way::Posts { path: path.clone(), headers, free, waiting: VecDeque::new() }
            }
        };
        Ok(Self { way, body: args.body.clone(), size: args.size, next: 1 })
    }

    /// Whether this is a socket that counts as nobody.
    pub(crate) fn is(&self, id: usize) -> bool {
        matches!(self.way, Way::Socket(own) if own == id)
    }

    /// Says something to a server that is no broadcast.
    pub(crate) fn order(&self, crowd: &mut Crowd, text: &str) {
        if let Way::Socket(id) = self.way {
            crowd.say(id, text);
        }
    }

    /// Makes the server broadcast the next one.
    pub(crate) fn publish(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        let mark = Mark { number: self.next, sent_us: crowd.now_us() };
        self.next += 1;
        let body = self.body.replace("{payload}", &mark.payload(self.size));
        match &mut self.way {
            Way::Socket(id) => crowd.say(*id, &body),
            Way::Posts { waiting, .. } => waiting.push_back(body),
        }
        self.post(crowd)
    }

    /// Takes the answer to a request of ours.
    pub(crate) fn answered(&mut self, id: usize, answer: &Answer<'_>) -> Result<(), String> {
        if let Way::Posts { free, .. } = &mut self.way {
            free.push(id);
        }
        match answer.status {
            200..300 => Ok(()),
            status => Err(format!("publishing was answered {status}: {}", String::from_utf8_lossy(answer.body))),
        }
    }

    /// Sends what has waited for a free connection.
    pub(crate) fn post(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        let Way::Posts { path, headers, free, waiting } = &mut self.way else { return Ok(()) };
        while !waiting.is_empty() {
            let Some(mut id) = free.pop() else { break };
            if !crowd.is_there(id) {
                id = crowd.open_http()?;
            }
            let body = waiting.pop_front().unwrap_or_default();
            let post = request("POST", &crowd.host, path, headers, &body);
            crowd.write(id, post.as_bytes());
        }
        Ok(())
    }
}
