//! Browsers: tabs that open, reload, close, lose their socket and come back as the stock client does; what they show.

use std::collections::{BTreeMap, BTreeSet};

use presence_core::{
    ConnectionId, Drawn, Ended, Input, ReflexError, Stream, SubscriptionId, Tab as Kind, TabId, UserId, Viewers,
};

use crate::app::{Page, click, draw};
use crate::chance::Chance;
use crate::digest::sha256;
use crate::world::World;
use sockets::DeadSocket;

#[path = "tabs/sockets.rs"]
mod sockets;

const ROOM: SubscriptionId = SubscriptionId(1);
const USER: SubscriptionId = SubscriptionId(2);
const REFLEX: SubscriptionId = SubscriptionId(3);

#[derive(Clone, Debug)]
pub(crate) struct Tab {
    pub(crate) user: UserId,
    pub(crate) at: At,
    pub(crate) connection: ConnectionId,
    pub(crate) page: Page,
    tries: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum At {
    Host(usize),
    /// Its socket is gone; it tries again at this time, there or anywhere.
    Away {
        back: u64,
        host: Option<usize>,
    },
}

/// A click on the bulb, or a message: what the page showed when it was made.
#[derive(Clone, Debug)]
pub(crate) struct Click {
    pub(crate) parent: String,
    pub(crate) host: usize,
    pub(crate) life: u64,
}

#[derive(Default)]
pub(crate) struct Tabs {
    pub(crate) tabs: BTreeMap<u64, Tab>,
    /// Each names what was written: the bulb, or one card.
    pub(crate) clicks: BTreeMap<String, Click>,
    /// What was added to the counter, by the click that did.
    pub(crate) added: BTreeMap<String, Click>,
    /// Clicks that were answered: they were carried out.
    pub(crate) answered: BTreeSet<String>,
    /// Clicks that were refused, and why.
    pub(crate) failed: BTreeMap<String, ReflexError>,
    pub(crate) said: BTreeMap<String, Click>,
    /// When the last tab of a user ended for good.
    pub(crate) ended: BTreeMap<UserId, u64>,
    /// Register values that a page showed after a later one.
    pub(crate) went_back: Vec<String>,
    /// Subscriptions that were shown all there is: only they are told what changes.
    shown: BTreeSet<(ConnectionId, SubscriptionId)>,
    /// Sockets of tabs that have moved, until their nodes find them dead.
    dead: Vec<DeadSocket>,
    numbers: u64,
}

impl Tabs {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn connection(&mut self) -> ConnectionId {
        ConnectionId(1_000_000 + self.number())
    }

    /// Opens a tab there, soon.
    pub(crate) fn open(&mut self, user: u8, host: usize, now: u64) -> u64 {
        let (id, connection) = (self.number(), self.connection());
        let at = At::Away { back: now, host: Some(host) };
        self.tabs.insert(id, Tab { user: UserId([user; 32]), at, connection, page: Page::new(), tries: 0 });
        id
    }

    /// Tabs whose time has come join.
    pub(crate) fn act(&mut self, now: u64, up: &[usize], chance: &mut Chance) -> Vec<(usize, Input)> {
        let mut inputs = self.find_dead(now);
        let due: Vec<u64> = self
            .tabs
            .iter()
            .filter(|(_, tab)| matches!(tab.at, At::Away { back, .. } if back <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let connection = self.connection();
            let tab = self.tabs.get_mut(&id).expect("listed above");
            let At::Away { host, .. } = tab.at else { continue };
            let wanted = host.filter(|host| up.contains(host));
            if up.is_empty() || (host.is_some() && wanted.is_none() && tab.tries < 3) {
                tab.tries += 1;
                tab.at = At::Away { back: now + chance.between(6_900, 7_900), host };
                continue;
            }
            let host = wanted.unwrap_or_else(|| *chance.pick(up));
            (tab.at, tab.connection, tab.tries) = (At::Host(host), connection, 0);
            tab.page.clear();
            let (room, user) = (World::room(), tab.user);
            let tab = Kind { id: Some(TabId::of(&user, &id.to_string(), sha256)), ..Kind::page() };
            inputs.extend(self.take_place(id, host));
            inputs.push((host, Input::Joined { connection, subscription: ROOM, room: room.clone(), user, tab }));
            inputs.push((host, Input::Listened { connection, subscription: USER, room, user }));
        }
        inputs
    }

    /// The node is dead: its clients notice and are back as the stock client is.
    pub(crate) fn lost(&mut self, host: usize, now: u64, chance: &mut Chance) {
        for tab in self.tabs.values_mut().filter(|tab| tab.at == At::Host(host)) {
            let anywhere = chance.one_in(2);
            tab.at = At::Away { back: now + chance.between(6_000, 12_000), host: (!anywhere).then_some(host) };
        }
    }

    /// The node drains: its clients come back elsewhere.
    pub(crate) fn drained(&mut self, host: usize, now: u64, chance: &mut Chance) {
        self.dead.retain(|socket| socket.host != host);
        for tab in self.tabs.values_mut().filter(|tab| tab.at == At::Host(host)) {
            tab.at = At::Away { back: now + chance.between(6_000, 15_000), host: None };
        }
    }

    pub(crate) fn emptied(&self, host: usize) -> bool {
        !self.tabs.values().any(|tab| tab.at == At::Host(host))
    }

    /// Ends a tab for good.
    pub(crate) fn close(&mut self, id: u64, ended: Ended, now: u64) -> Option<(usize, Input)> {
        let tab = self.tabs.remove(&id)?;
        if !self.tabs.values().any(|other| other.user == tab.user) {
            self.ended.insert(tab.user, now);
        }
        match tab.at {
            At::Host(host) => Some((host, Input::Disconnected { connection: tab.connection, ended })),
            At::Away { .. } => None,
        }
    }

    /// The page is fetched, the old one closed, the new one's socket opens a little later.
    pub(crate) fn reload(&mut self, id: u64, elsewhere: Option<usize>, now: u64, after: u64) -> Vec<(usize, Input)> {
        let Some(tab) = self.tabs.get_mut(&id) else { return Vec::new() };
        let At::Host(host) = tab.at else { return Vec::new() };
        let serving = elsewhere.unwrap_or(host);
        let connection = tab.connection;
        let served = Input::Served { room: World::room(), user: tab.user };
        tab.at = At::Away { back: now + after, host: Some(serving) };
        vec![(serving, served), (host, Input::Disconnected { connection, ended: Ended::Closed })]
    }

    pub(crate) fn click(&mut self, id: u64, life: u64) -> Option<(usize, Input)> {
        let name = format!("c{}", self.number());
        self.write(id, life, "Bulb#set", "bulb", name)
    }

    /// Sets a card, or removes it.
    pub(crate) fn card(&mut self, id: u64, life: u64, card: &str, removes: bool) -> Option<(usize, Input)> {
        let name = format!("{card}/{}", self.number());
        let target = if removes { "Card#remove".to_owned() } else { format!("Card#{card}") };
        self.write(id, life, &target, &format!("card {card}"), name)
    }

    /// A click that writes its name into an element of the page.
    fn write(&mut self, id: u64, life: u64, target: &str, element: &str, name: String) -> Option<(usize, Input)> {
        let tab = self.tabs.get(&id)?;
        let At::Host(host) = tab.at else { return None };
        let parent = tab.page.get(element).cloned().unwrap_or_default();
        let input = clicked(tab, target, &name);
        self.clicks.insert(name, Click { parent, host, life });
        Some((host, input))
    }

    /// Adds 1 to the counter.
    pub(crate) fn clap(&mut self, id: u64, life: u64) -> Option<(usize, Input)> {
        let name = format!("+{}", self.number());
        let tab = self.tabs.get(&id)?;
        let At::Host(host) = tab.at else { return None };
        let mut input = clicked(tab, "Claps#add", "1");
        if let Input::Clicked { echo, .. } = &mut input {
            echo.clone_from(&name);
        }
        self.added.insert(name, Click { parent: String::new(), host, life });
        Some((host, input))
    }

    /// A click that nothing is remembered of.
    pub(crate) fn press(&mut self, id: u64, target: &str) -> Option<(usize, Input)> {
        let name = format!("p{}", self.number());
        let tab = self.tabs.get(&id)?;
        let At::Host(host) = tab.at else { return None };
        Some((host, clicked(tab, target, &name)))
    }

    pub(crate) fn say(&mut self, id: u64, life: u64) -> Option<(usize, Input)> {
        let name = format!("h{}", self.number());
        let tab = self.tabs.get(&id)?;
        let At::Host(host) = tab.at else { return None };
        let input = clicked(tab, "Wall#say", &name);
        self.said.insert(name, Click { parent: String::new(), host, life });
        Some((host, input))
    }

    /// Whether `early` was on the page when `late` was clicked, or on the page of a click that was, and so on.
    pub(crate) fn came_before(&self, early: &str, late: &str) -> bool {
        let mut at = late.to_owned();
        while let Some(click) = self.clicks.get(&at) {
            if click.parent == early {
                return true;
            }
            at.clone_from(&click.parent);
        }
        false
    }

    /// Shows what was drawn on a host.
    pub(crate) fn draw(&mut self, host: usize, drawn: &Drawn) {
        let reached: Vec<u64> = match &drawn.to {
            Viewers::Stream(stream) => {
                let listens = |tab: &&Tab| match stream {
                    Stream::Room(_) => self.shown.contains(&(tab.connection, ROOM)),
                    Stream::User(_, user) => tab.user == *user && self.shown.contains(&(tab.connection, USER)),
                    Stream::Named(_) => false,
                };
                self.on(host).filter(|(_, tab)| listens(tab)).map(|(id, _)| *id).collect()
            }
            Viewers::Users(_) => Vec::new(),
            Viewers::Subscription { connection, subscription, whole } => {
                if *whole {
                    self.shown.insert((*connection, *subscription));
                }
                self.on(host).filter(|(_, tab)| tab.connection == *connection).map(|(id, _)| *id).collect()
            }
        };
        let drawn = draw(&drawn.fragments);
        for id in reached {
            let before = self.tabs[&id].page.get("bulb").cloned().unwrap_or_default();
            if let Some(after) = drawn.get("bulb").filter(|after| self.came_before(after, &before)) {
                self.went_back.push(format!("{before} to {after} on host {host}"));
            }
            self.tabs.get_mut(&id).expect("listed above").page.extend(drawn.clone());
        }
    }

    pub(crate) fn open_at(&self, host: usize) -> usize {
        self.on(host).count()
    }

    fn on(&self, host: usize) -> impl Iterator<Item = (&u64, &Tab)> {
        self.tabs.iter().filter(move |(_, tab)| tab.at == At::Host(host))
    }

    /// Tabs that are open, by user.
    pub(crate) fn present(&self) -> BTreeMap<UserId, u32> {
        let mut users = BTreeMap::new();
        for tab in self.tabs.values().filter(|tab| matches!(tab.at, At::Host(_))) {
            *users.entry(tab.user).or_insert(0) += 1;
        }
        users
    }
}

fn clicked(tab: &Tab, target: &str, name: &str) -> Input {
    let call = presence_core::Click::on(target).attribute("data-id", name);
    click(tab.connection, REFLEX, World::room(), tab.user, &call)
}
