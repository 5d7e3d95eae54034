//! Makes a server broadcast, by messages on a socket or by requests over connections of their own.

use std::collections::VecDeque;
use std::time::Duration;

use crate::args::LoadArgs;
use crate::connections::Connections;
use crate::http::{HttpResponse, request};
use crate::protocol::ClientPlan;
use crate::timestamp::Timestamp;

/// The source of broadcasts.
pub(crate) struct Publisher {
    target: PublishTarget,
    body: String,
    size: usize,
    /// Number of the next broadcast.
    pub(crate) next: u64,
}

enum PublishTarget {
    /// One of the connections, which does not count as a client.
    Socket(usize),
    /// Requests to a path, over `free` connections; bodies wait until one is free.
    Posts { path: String, headers: String, free: Vec<usize>, waiting: VecDeque<String> },
}

impl Publisher {
    /// `most` is the number of broadcasts that can be in flight at once.
    pub(crate) fn new(args: &LoadArgs, connections: &mut Connections, most: usize) -> anyhow::Result<Self> {
        let target = match &args.publish {
            None => {
                let id = connections.open(ClientPlan::default())?;
                connections.until(Duration::from_secs(5), &mut |_, _, _| {}, &mut |connections| {
                    connections.is_subscribed(id)
                })?;
                connections.totals.subscribed = 0;
                connections.totals.ready = 0;
                PublishTarget::Socket(id)
            }
            Some(path) => {
                let free = (0..most).map(|_| connections.open_http()).collect::<anyhow::Result<Vec<_>>>()?;
                let headers = args.header.iter().map(|header| format!("{header}\r\n")).collect();
                PublishTarget::Posts { path: path.clone(), headers, free, waiting: VecDeque::new() }
            }
        };
        Ok(Self { target, body: args.body.clone(), size: args.size, next: 1 })
    }

    /// Returns whether this connection is the publisher's own.
    pub(crate) fn is(&self, id: usize) -> bool {
        matches!(self.target, PublishTarget::Socket(own) if own == id)
    }

    /// Sends a command to the baseline.
    pub(crate) fn command(&self, connections: &mut Connections, text: &str) {
        if let PublishTarget::Socket(id) = self.target {
            connections.send_text(id, text);
        }
    }

    /// Makes the server send the next broadcast.
    pub(crate) fn publish(&mut self, connections: &mut Connections) -> anyhow::Result<()> {
        let timestamp = Timestamp { number: self.next, sent_us: connections.now_us() };
        self.next += 1;
        let body = self.body.replace("{payload}", &timestamp.payload(self.size));
        match &mut self.target {
            PublishTarget::Socket(id) => connections.send_text(*id, &body),
            PublishTarget::Posts { waiting, .. } => waiting.push_back(body),
        }
        self.post(connections)
    }

    /// Handles the response to a request.
    pub(crate) fn on_response(&mut self, id: usize, response: &HttpResponse<'_>) -> Result<(), String> {
        if let PublishTarget::Posts { free, .. } = &mut self.target {
            free.push(id);
        }
        match response.status {
            200..300 => Ok(()),
            status => Err(format!("publishing was answered {status}: {}", String::from_utf8_lossy(response.body))),
        }
    }

    /// Sends bodies that waited for a free connection.
    pub(crate) fn post(&mut self, connections: &mut Connections) -> anyhow::Result<()> {
        let PublishTarget::Posts { path, headers, free, waiting } = &mut self.target else { return Ok(()) };
        while !waiting.is_empty() {
            let Some(mut id) = free.pop() else { break };
            if !connections.is_there(id) {
                id = connections.open_http()?;
            }
            let body = waiting.pop_front().unwrap_or_default();
            let post = request("POST", &connections.host, path, headers, &body);
            connections.write(id, post.as_bytes());
        }
        Ok(())
    }
}
