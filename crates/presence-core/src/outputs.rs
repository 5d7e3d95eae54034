//! The orders of one input, gathered from all parts of a node.

use crate::id::{NodeHash, NodeName, Region};
use crate::io::node_key::NodeKey;
use crate::io::output::{Notice, Output, Recipients, Severity, Urgency};
use crate::time::Incarnation;
use crate::wire::{self, Broadcast, Relayed, SenderId};

/// The orders, and whether the other nodes may be told anything yet.
#[derive(Debug)]
pub(crate) struct Outputs {
    orders: Vec<Output>,
    sender: SenderId,
    key: Option<NodeKey>,
    meshed: bool,
    announced: bool,
}

impl Outputs {
    pub(crate) fn new(sender: SenderId, key: Option<NodeKey>, meshed: bool) -> Self {
        Self { orders: Vec::new(), sender, key, meshed, announced: false }
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.orders.push(output);
    }

    /// Everything that was ordered since the last call.
    pub(crate) fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.orders)
    }

    pub(crate) fn sender(&self) -> &SenderId {
        &self.sender
    }

    /// The node has a higher incarnation from now on.
    pub(crate) fn adopt_incarnation(&mut self, incarnation: Incarnation) {
        self.sender.incarnation = incarnation;
    }

    /// A hello was answered, or no one is there to answer one: messages may go out under this incarnation.
    pub(crate) fn announce(&mut self) {
        self.announced = true;
    }

    pub(crate) fn announced(&self) -> bool {
        self.announced
    }

    /// Sends to all nodes that read this one.
    pub(crate) fn broadcast(&mut self, broadcast: &Broadcast) {
        if self.meshed && self.announced {
            let urgency = match broadcast {
                Broadcast::Heartbeat(_) => Urgency::Heartbeat,
                _ => Urgency::High,
            };
            let mut bytes = broadcast.write(&self.sender);
            if let Some(key) = self.key.as_ref().filter(|_| broadcast.is_signed()) {
                wire::sign(&mut bytes, key);
            }
            self.push(Output::Publish { to: Recipients::All, bytes, urgency });
        }
    }

    /// Sends another node's message to those that can't hear its author.
    pub(crate) fn relay(&mut self, to: Recipients, relayed: Relayed) {
        let bytes = Broadcast::Relayed(relayed).write(&self.sender);
        self.push(Output::Publish { to, bytes, urgency: Urgency::High });
    }

    /// Sends to one node that reads this one; nothing where none of that name does.
    pub(crate) fn send(&mut self, reader: NodeHash, broadcast: &Broadcast) {
        if self.meshed && self.announced {
            let bytes = broadcast.write(&self.sender);
            self.push(Output::Publish { to: Recipients::One(reader), bytes, urgency: Urgency::High });
        }
    }

    /// Warns the operator.
    pub(crate) fn warn(&mut self, message: String) {
        self.push(Output::Tell(Notice { severity: Severity::Warning, peer: None, region: None, message }));
    }

    /// Tells the operator about another node.
    pub(crate) fn notice(&mut self, severity: Severity, name: &NodeName, region: &Region, message: String) {
        let (peer, region) = (Some(name.as_str().to_owned()), Some(region.clone()));
        self.push(Output::Tell(Notice { severity, peer, region, message }));
    }
}
