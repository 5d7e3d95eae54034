//! How a load makes a server broadcast: by a message on a socket, or by requests over connections of their own.

use std::collections::VecDeque;
use std::time::Duration;

use crate::args::Args;
use crate::crowd::Crowd;
use crate::http::request;
use crate::mark::Mark;
use crate::member::Heard;
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
    /// Requests to a path with headers; those connections that are free, and what has to wait for one.
    Posts { path: String, headers: String, all: Vec<usize>, free: Vec<usize>, waiting: VecDeque<String> },
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
                let all = (0..most).map(|_| crowd.open_http()).collect::<anyhow::Result<Vec<_>>>()?;
                let headers = args.header.iter().map(|header| format!("{header}\r\n")).collect();
                Way::Posts { path: path.clone(), headers, free: all.clone(), all, waiting: VecDeque::new() }
            }
        };
        Ok(Self { way, body: args.body.clone(), size: args.size, next: 1 })
    }

    /// Whether this connection is not one of the crowd's receivers.
    pub(crate) fn is(&self, id: usize) -> bool {
        match &self.way {
            Way::Socket(own) => id == *own,
            Way::Posts { all, .. } => all.contains(&id),
        }
    }

    /// Says something to a server that is no broadcast.
    pub(crate) fn order(&self, crowd: &mut Crowd, text: &str) {
        if let Way::Socket(id) = self.way {
            crowd.say(id, text);
        }
    }

    /// Makes the server broadcast the next one.
    pub(crate) fn publish(&mut self, crowd: &mut Crowd) {
        let mark = Mark { number: self.next, sent_us: crowd.now_us() };
        self.next += 1;
        let body = self.body.replace("{payload}", &mark.payload(self.size));
        match &mut self.way {
            Way::Socket(id) => crowd.say(*id, &body),
            Way::Posts { waiting, .. } => {
                waiting.push_back(body);
                self.post(crowd);
            }
        }
    }

    /// Takes what a connection heard that is ours.
    pub(crate) fn take(&mut self, id: usize, what: &Heard<'_>) -> Result<(), String> {
        match (&mut self.way, what) {
            (Way::Posts { free, .. }, Heard::Answer(answer)) => {
                free.push(id);
                match answer.status {
                    200..300 => Ok(()),
                    status => {
                        Err(format!("publishing was answered {status}: {}", String::from_utf8_lossy(answer.body)))
                    }
                }
            }
            _ => Ok(()),
        }
    }

    /// Sends what has waited for a free connection.
    pub(crate) fn post(&mut self, crowd: &mut Crowd) {
        let Way::Posts { path, headers, free, waiting, .. } = &mut self.way else { return };
        while let (Some(body), Some(id)) = (waiting.front(), free.last().copied()) {
            let post = request("POST", &crowd.host, path, headers, body);
            crowd.write(id, post.as_bytes());
            waiting.pop_front();
            free.pop();
        }
    }
}
