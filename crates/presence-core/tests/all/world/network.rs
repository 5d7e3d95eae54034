//! What nodes order: links that lose, repeat, delay and break, and what browsers are shown.

use presence_core::{
    DialError, Drawing, Drawn, Input, LinkId, Linked, Message, MessageId, NodeHash, NodeName, Outcome, Output,
    PastMessage, Recipients, Stream, StreamName, Viewers, kind_name,
};

use super::{ASK_MS, DIAL_MS, Event, Host, IDLE_MS, SYNC_MS, Wire, World};
use crate::app::Bulb;
use crate::digest::sha256;

/// No carrier takes a longer message.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

impl World {
    fn hear_status(&mut self, index: usize, node: &NodeName, body: &[u8]) {
        self.hosts[index].delivered.push(format!("status of {node}: {}", String::from_utf8_lossy(body)));
    }

    pub(super) fn carry_out(&mut self, index: usize, output: Output) {
        match output {
            Output::Publish { to, bytes, .. } => self.publish(index, &to, &bytes),
            Output::Ask { link, question, bytes, .. } => self.ask(index, link, question, bytes),
            Output::Reply { question, bytes, .. } => self.reply(index, question, bytes),
            Output::Dial { address } => self.dial(index, address),
            Output::HangUp { link } => {
                self.hosts[index].links.remove(&link);
            }
            Output::Keep { .. } if self.hosts[index].diskless => {}
            Output::Keep { key, record } => {
                let at = self.now + SYNC_MS;
                self.hosts[index].unsynced.push((at, key, record));
            }
            Output::Remember { addresses, incarnation } => {
                self.hosts[index].addresses = addresses;
                self.hosts[index].incarnation = incarnation;
            }
            Output::KeepRegions { regions } => self.hosts[index].regions = regions,
            Output::View(view) if view.room == Self::room() => self.hosts[index].view = Some(view),
            Output::View(view) => drop(self.hosts[index].views.insert(view.room.clone(), view)),
            Output::Mesh(mesh) => self.hosts[index].mesh = Some(mesh),
            Output::Forget(room) if room == Self::room() => self.hosts[index].view = None,
            Output::Forget(room) => drop(self.hosts[index].views.remove(&room)),
            Output::Tabs { user, tabs: 0, .. } => {
                self.hosts[index].tabs.remove(&user);
            }
            Output::Tabs { user, tabs, .. } => {
                self.hosts[index].tabs.insert(user, tabs);
            }
            Output::Finish => self.crash(index),
            Output::Counts(_) => {
                if let Some((_, counted)) = &mut self.hosts[index].watched {
                    *counted += 1;
                }
            }
            Output::Abort(why) if self.aborts.is_none() => panic!("{} aborts: {why}", self.hosts[index].name),
            Output::Abort(why) => {
                self.aborts.iter_mut().for_each(|aborts| aborts.push((index, why.to_string())));
                self.crash(index);
            }
            Output::Tell(notice) => {
                self.notices.push(format!("{:>7} {}: {}", self.now, self.hosts[index].name, notice.message));
            }
            Output::Arrived { room, user, info, .. } => self.hosts[index].passed(&room, user, &info, true),
            Output::Left { room, user, info, .. } => self.hosts[index].passed(&room, user, &info, false),
            Output::Deliver { message, id } => {
                self.hosts[index].history.push((self.now, id, (*message).clone()));
                let body = String::from_utf8_lossy(&message.body).into_owned();
                self.hosts[index].delivered.push(format!("{} {body}", message.stream));
            }
            Output::StatusHeard { node, body } => self.hear_status(index, &node, &body),
            Output::Complete { ms } => self.hosts[index].complete = ms.map(|ms| (ms, self.now)),
            Output::ReadMessages { question, stream, age_ms } => self.read_messages(index, question, &stream, age_ms),
            Output::Dismiss { connection, subscription } => {
                self.hosts[index].dismissed.push((connection, subscription));
            }
            Output::Close { connection } => {
                let ended = self.tabs.closed(index, connection, self.now);
                ended.into_iter().for_each(|(host, input)| self.deliver(host, input));
            }
            Output::Found { query, found } => {
                (self.hosts[index].found, self.hosts[index].found_for) = (Some(found), query);
            }
            Output::Draw(drawing) => self.draw(index, &drawing),
            Output::Undrawn(_) => {}
            Output::Answer { answer, outcome, kept } => self.answer(index, answer.echo, outcome, kept),
        }
    }

    fn answer(&mut self, index: usize, echo: String, outcome: Outcome, kept: bool) {
        match outcome {
            Outcome::Done if kept => self.hosts[index].unanswered.push((self.now + SYNC_MS, echo)),
            Outcome::Done => drop(self.tabs.answered.insert(echo)),
            Outcome::Failed(error) => drop(self.tabs.failed.insert(echo, error)),
            Outcome::Halted => panic!("only a socket halts a click"),
        }
    }

    /// What a server would have of a stream.
    fn read_messages(&mut self, index: usize, question: u64, stream: &StreamName, age_ms: u64) {
        let (life, now) = (self.hosts[index].life, self.now);
        let had = self.hosts[index]
            .history
            .iter()
            .filter(|(at, _, message)| message.stream == *stream && message.kept && now - at <= age_ms);
        let past = |(at, id, message): &(u64, MessageId, Message)| PastMessage {
            id: *id,
            age_ms: now - at,
            body: message.body.clone(),
        };
        let input = Input::MessagesRead { question, messages: Some(had.map(past).collect()) };
        self.later(0, Event::Deliver { host: index, life, input });
    }

    fn draw(&mut self, index: usize, drawing: &Drawing) {
        drawing.by(&Bulb).into_iter().for_each(|drawn| self.drawn(index, &drawn));
        if drawing.confirmed {
            let (life, room, version) = (self.hosts[index].life, drawing.view.room.clone(), drawing.view.version);
            self.later(self.draw_ms, Event::Deliver { host: index, life, input: Input::Drawn { room, version } });
        }
    }

    fn drawn(&mut self, index: usize, drawn: &Drawn) {
        match &mut self.hosts[index].watched {
            Some((all, _)) if matches!(drawn.to, Viewers::Stream(Stream::Room(_))) => {
                all.extend(drawn.fragments.iter().map(|fragment| fragment.html.clone()));
            }
            _ => self.tabs.draw(index, drawn),
        }
    }

    fn lost(&mut self) -> bool {
        let percent = self.weather.loss_percent;
        self.chance.percent(percent)
    }

    fn delay(&mut self, reader: usize, from: usize) -> u64 {
        let (least, most) = self.weather.delay_ms;
        self.chance.between(least, most) + self.slow.get(&(reader, from)).copied().unwrap_or(0)
    }

    /// Tells a host which of its links its carrier has given up.
    pub(super) fn lose_links(&mut self, reader: usize) {
        let (now, asleep) = (self.now, self.frozen(reader));
        let mut links = std::mem::take(&mut self.hosts[reader].links);
        let mut lost = Vec::new();
        links.retain(|link, wire| {
            let ended = !self.up(wire.to) || self.hosts[wire.to].life != wire.life;
            let quiet = asleep || self.frozen(wire.to) || self.cut.contains(&(reader, wire.to));
            if !ended && !quiet {
                wire.dead_since = None;
                return true;
            }
            let since = *wire.dead_since.get_or_insert(now);
            let kept = now - since < wire.unnoticed_ms.saturating_add(if ended { 0 } else { IDLE_MS });
            if !kept {
                lost.push(*link);
            }
            kept
        });
        self.hosts[reader].links = links;
        for link in lost {
            self.take(reader, Input::LinkLost { link });
        }
    }

    fn publish(&mut self, from: usize, to: &Recipients, bytes: &[u8]) {
        if kind_name(bytes) == Some("Heartbeat") {
            (self.hosts[from].beat_bytes, self.hosts[from].beat_at) = (bytes.len(), self.now);
        }
        self.relayed += u64::from(kind_name(bytes) == Some("Relayed"));
        for reader in 0..self.hosts.len() {
            let Host { name, region, .. } = &self.hosts[reader];
            let addressed = match to {
                Recipients::Several { region: whole, .. } if self.whole_regions => region == whole,
                to => to.includes(NodeHash::of(name, sha256)),
            };
            let from_life = self.hosts[from].life;
            let mut links = self.hosts[reader].links.iter();
            let open = links.find(|(_, wire)| wire.to == from && wire.life == from_life);
            let Some((&link, _)) = open.filter(|_| addressed) else { continue };
            let life = self.hosts[reader].life;
            let repeat = self.weather.repeat_percent;
            let copies = 1 + u32::from(self.chance.percent(repeat));
            for _ in 0..copies {
                if self.lost() || self.cut.contains(&(reader, from)) {
                    continue;
                }
                let delay = self.delay(reader, from);
                self.later(delay, Event::Arrive { reader, life, link, from, bytes: bytes.to_vec() });
            }
        }
    }

    fn ask(&mut self, asker: usize, link: LinkId, question: u64, bytes: Vec<u8>) {
        let life = self.hosts[asker].life;
        self.asked_hello += u64::from(kind_name(&bytes) == Some("Hello"));
        self.later(ASK_MS, Event::Timeout { host: asker, life, question });
        let Some(to) = self.hosts[asker].links.get(&link).map(|wire| wire.to) else { return };
        if !self.lost() {
            let delay = self.delay(to, asker);
            self.later(delay, Event::Ask { asker, asker_life: life, link, question, to, bytes });
        }
    }

    fn reply(&mut self, from: usize, question: u64, bytes: Vec<u8>) {
        let Some((asker, life, _, question)) = self.asked.remove(&(from, question)) else { return };
        let too_long = bytes.len() > MESSAGE_BYTES_MAX;
        if too_long
            || self.lost()
            || self.cut.contains(&(asker, from))
            || !self.answered.insert((asker, life, question))
        {
            return;
        }
        let delay = self.delay(asker, from);
        let input = Input::Answered { question, bytes: Some(bytes) };
        self.later(delay, Event::Deliver { host: asker, life, input });
    }

    fn dial(&mut self, index: usize, address: String) {
        let to: usize = address.strip_prefix("host-").and_then(|n| n.parse().ok()).expect("an address of this world");
        let life = self.hosts[index].life;
        // Who dials a frozen node waits for it.
        let frozen_ms = self.hosts[to].frozen_until.saturating_sub(self.now);
        let reachable = self.up(to) && frozen_ms < DIAL_MS && !self.cut.contains(&(index, to));
        self.numbers += 1;
        let dial = self.numbers;
        let (delay, result) = if reachable {
            let unnoticed_ms = if self.chance.one_in(6) { u64::MAX } else { self.chance.between(0, IDLE_MS) };
            let wire = Wire { to, life: self.hosts[to].life, dead_since: None, unnoticed_ms };
            let node = NodeHash::of(&self.hosts[to].name, sha256);
            (frozen_ms + self.delay(index, to), Ok((Linked { link: LinkId(dial), node }, wire)))
        } else {
            (DIAL_MS, Err(DialError::NoAnswer))
        };
        // A dial of the same address that is under way is started again: only this one's end is told.
        self.hosts[index].dials.insert(address.clone(), dial);
        self.later(delay, Event::Dialled { host: index, life, address, dial, result });
    }
}
