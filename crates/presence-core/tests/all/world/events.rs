//! What happens in a world, one event at a time.

use presence_core::{Input, LinkId, Linked, NodeHash};

use super::{Event, World, address};
use crate::digest::sha256;

impl World {
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Tick { host, life } if self.hosts[host].life == life && self.up(host) => {
                self.sync(host);
                self.lose_links(host);
                if !self.stalled.contains(&host) {
                    self.take(host, Input::Ticked);
                }
                if let Some(node) = &self.hosts[host].node {
                    let wake = node.wake_at().since(self.clock(host).mono).clamp(1, 200);
                    let wake = if self.frozen(host) { 100 } else { wake };
                    self.later(wake, Event::Tick { host, life });
                }
            }
            Event::Deliver { host, life, input } if self.hosts[host].life == life && self.up(host) => {
                self.take(host, input);
            }
            Event::Arrive { reader, life, link, from, bytes } => {
                let linked = self.hosts[reader].links.contains_key(&link) && self.hosts[reader].life == life;
                if linked && self.up(reader) && !self.cut.contains(&(reader, from)) {
                    self.take(reader, Input::Received { link, bytes });
                }
            }
            Event::Ask { asker, asker_life, link, question, to, bytes } => {
                let life = self.hosts[to].life;
                let linked = self.hosts[asker].links.get(&link).is_some_and(|wire| wire.life == life);
                if linked && self.up(to) && !self.cut.contains(&(asker, to)) {
                    self.numbers += 1;
                    self.asked.insert((to, self.numbers), (asker, asker_life, link, question));
                    let from = NodeHash::of(&self.hosts[asker].name, sha256);
                    self.take(to, Input::Asked { question: self.numbers, from, bytes });
                }
            }
            Event::Timeout { host, life, question } => {
                let fresh = !self.answered.remove(&(host, life, question));
                if fresh && self.hosts[host].life == life && self.up(host) {
                    self.take(host, Input::Answered { question, bytes: None });
                }
            }
            Event::Dialled { host, life, address, dial, result } => {
                let ours = self.hosts[host].life == life && self.up(host);
                if ours && self.hosts[host].dials.get(&address) == Some(&dial) {
                    self.hosts[host].dials.remove(&address);
                    let result = result.map(|(linked, wire)| {
                        self.hosts[host].links.insert(linked.link, wire);
                        linked
                    });
                    self.take(host, Input::Dialled { address, result });
                }
            }
            Event::Tick { .. } | Event::Deliver { .. } => {}
        }
    }

    /// A host is given a message that another one did not say.
    pub(crate) fn inject(&mut self, reader: usize, from: usize, bytes: &[u8]) {
        let Some((&link, _)) = self.hosts[reader].links.iter().find(|(_, wire)| wire.to == from) else { return };
        self.take(reader, Input::Received { link, bytes: bytes.to_vec() });
    }

    /// A host is given a message over a link in the name of another one that leads to a third one: who has the mesh's secret
    /// can make a certificate in any name.
    pub(crate) fn impersonate(&mut self, reader: usize, victim: usize, from: usize, bytes: &[u8]) {
        let links = self.hosts[reader].links.iter().filter(|(_, wire)| wire.to == victim);
        for link in links.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.hosts[reader].links.remove(&link);
            self.take(reader, Input::LinkLost { link });
        }
        self.numbers += 1;
        let link = LinkId(self.numbers);
        let node = NodeHash::of(&self.hosts[victim].name, sha256);
        self.take(reader, Input::Dialled { address: address(from), result: Ok(Linked { link, node }) });
        self.take(reader, Input::Received { link, bytes: bytes.to_vec() });
        self.take(reader, Input::LinkLost { link });
    }

    pub(super) fn take(&mut self, index: usize, input: Input) {
        if self.frozen(index) {
            if !matches!(input, Input::Ticked) {
                self.hosts[index].waiting.push(input);
            }
            return;
        }
        let mut inputs = std::mem::take(&mut self.hosts[index].waiting);
        inputs.push(input);
        for input in inputs {
            let now = self.clock(index);
            let Some(node) = &mut self.hosts[index].node else { return };
            let outputs = node.handle(input, now);
            for output in outputs {
                self.carry_out(index, output);
            }
        }
    }
}
