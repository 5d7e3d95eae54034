//! Processes that start, leave, crash and freeze, and which of their writes are on disk then.

use presence_core::{FactSettings, Input, Node, Place, Settings};

use super::{Event, Host, World, address};
use crate::digest::settings;
use crate::keys::node_key;

impl World {
    /// Begins to note what is drawn on a host.
    pub(crate) fn watch(&mut self, host: usize) {
        self.hosts[host].watched = Some(Default::default());
    }

    /// What was drawn on the host that is watched, and how often its counts were due.
    pub(crate) fn watched(&mut self) -> (Vec<String>, usize) {
        self.hosts.iter_mut().find_map(|host| host.watched.take()).expect("a host is watched")
    }

    /// A second machine with the name of another one: where it is started, one of the two has to end.
    pub(crate) fn add_twin(&mut self, of: usize) {
        let Host { name, region, .. } = &self.hosts[of];
        let twin = Host::new(name.as_str(), region.as_str());
        self.hosts.push(twin);
    }

    /// Starts the process of a host.
    pub(crate) fn start(&mut self, index: usize) {
        let now = self.clock(index);
        let host = &mut self.hosts[index];
        host.life += 1;
        host.incarnation = now.wall.0.max(host.incarnation + 1);
        let settings = Settings {
            place: Place { name: host.region.as_str().to_owned(), location: None },
            birth: self.chance.next(),
            advertised: vec![address(index)],
            meshed: self.seeds.len() < usize::MAX,
            key: Some(node_key(host.name.as_str())),
            facts: FactSettings {
                has_disk: !host.diskless,
                users_per_set: host.users_per_set,
                ..FactSettings::default()
            },
            ..settings(host.region.as_str(), host.name.as_str(), host.incarnation)
        };
        let records: Vec<Vec<u8>> = host.disk.values().cloned().collect();
        let node = Node::new(settings, &records, host.addresses.clone(), now);
        host.node = Some(node.with_known_regions(host.regions.clone()).with_named_max(host.named_max));
        (host.draining, host.emptied) = (false, false);
        (host.started, host.frozen_until) = (self.now, 0);
        (host.view, host.mesh) = (None, None);
        host.tabs.clear();
        host.members.clear();
        host.history.clear();
        host.complete = None;
        let addresses = self.seeds.iter().filter(|seed| **seed != index).map(|seed| address(*seed)).collect();
        let life = host.life;
        self.deliver(index, Input::Resolved { addresses });
        self.later(0, Event::Tick { host: index, life });
    }

    /// Kills the process of a host.
    pub(crate) fn crash(&mut self, index: usize) {
        self.sync(index);
        let host = &mut self.hosts[index];
        host.node = None;
        host.links.clear();
        host.dials.clear();
        host.unsynced.clear();
        host.unanswered.clear();
        host.waiting.clear();
        host.draining = false;
        self.tabs.lost(index, self.now, &mut self.chance);
    }

    pub(crate) fn drain(&mut self, index: usize) {
        if self.up(index) && !self.hosts[index].draining {
            self.hosts[index].draining = true;
            self.deliver(index, Input::Drained);
            self.tabs.drained(index, self.now, &mut self.chance);
        }
    }

    /// How many records a host's disk has.
    pub(crate) fn disk_records(&mut self, index: usize) -> usize {
        self.sync(index);
        self.hosts[index].disk.len()
    }

    pub(crate) fn freeze(&mut self, index: usize, ms: u64) {
        self.hosts[index].frozen_until = self.now + ms;
    }

    pub(super) fn sync(&mut self, index: usize) {
        let now = self.now;
        let host = &mut self.hosts[index];
        let (answered, unanswered) = std::mem::take(&mut host.unanswered).into_iter().partition(|(at, _)| *at <= now);
        host.unanswered = unanswered;
        self.tabs.answered.extend(Vec::from_iter::<Vec<(u64, String)>>(answered).into_iter().map(|(_, echo)| echo));
        let (synced, waiting) = std::mem::take(&mut host.unsynced).into_iter().partition(|(at, _, _)| *at <= now);
        host.unsynced = waiting;
        for (_, key, record) in Vec::from_iter::<Vec<(u64, Vec<u8>, Option<Vec<u8>>)>>(synced) {
            match record {
                Some(record) => host.disk.insert(key, record),
                None => host.disk.remove(&key),
            };
        }
    }

    /// Lets users act, and tells nodes that drain when their last socket has closed.
    pub(super) fn tabs_act(&mut self) {
        let up: Vec<usize> =
            (0..self.hosts.len()).filter(|host| self.up(*host) && !self.hosts[*host].draining).collect();
        for (host, input) in self.tabs.act(self.now, &up, &mut self.chance) {
            self.deliver(host, input);
        }
        for index in 0..self.hosts.len() {
            if self.hosts[index].draining && !self.hosts[index].emptied && self.tabs.emptied(index) {
                self.hosts[index].emptied = true;
                self.deliver(index, Input::Emptied);
            }
        }
    }
}
