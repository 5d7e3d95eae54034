//! Messages between nodes, written by hand: what a node that misbehaves may say.

use minicbor::Encoder;
use minicbor::encode::Error;
use presence_core::NodeHash;

use crate::by_hand::hash;

type Writer = Encoder<Vec<u8>>;
type Written = Result<(), Error<std::convert::Infallible>>;

/// Who says it.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) name: String,
    pub(crate) incarnation: u64,
    pub(crate) birth: u64,
}

impl Sender {
    /// The node of that name in its usual start, as [`ByHand`](crate::by_hand::ByHand) has it.
    pub(crate) fn of(name: &str) -> Self {
        Self { name: name.to_owned(), incarnation: 5, birth: hash(name).0 }
    }
}

/// A message of that kind.
pub(crate) fn message(kind: u8, sender: &Sender, body: impl FnOnce(&mut Writer) -> Written) -> Vec<u8> {
    let mut writer = Encoder::new(vec![b'G', b'P', 1, kind]);
    let head = writer.array(3).and_then(|w| w.str(&sender.name)?.u64(sender.incarnation)?.u64(sender.birth));
    head.map(drop).and_then(|()| body(&mut writer)).expect("writing to memory can't fail");
    writer.into_writer()
}

/// A heartbeat's numbers.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    pub(crate) wall_ms: u64,
    pub(crate) mono_ms: u64,
    pub(crate) sequence: u64,
    pub(crate) cut: u64,
    pub(crate) hears: Vec<NodeHash>,
    /// Tables that are said to have left, and for how long each is held.
    pub(crate) left: Vec<(NodeHash, u64, u64)>,
    /// The sum of the rows of each of them.
    pub(crate) root: u64,
    /// As in a large mesh: the number and the sum of the nodes that it knows, and those of them that it does not hear.
    pub(crate) large: Option<(u64, u64, Vec<NodeHash>)>,
}

impl Default for Beat {
    fn default() -> Self {
        let (hears, left) = (Vec::new(), Vec::new());
        Self { wall_ms: 1_800_000_000_000, mono_ms: 1_000_000, sequence: 0, cut: 0, hears, left, root: 0, large: None }
    }
}

impl Beat {
    pub(crate) fn write(&self, sender: &Sender) -> Vec<u8> {
        message(1, sender, |w| {
            w.array(if self.large.is_some() { 21 } else { 15 })?.str("ams")?.str("Amsterdam")?.null()?.bool(false)?;
            w.u64(self.wall_ms)?.u64(self.mono_ms)?.u8(1)?.u64(self.sequence)?;
            w.bytes(&[0; 16])?.u64(self.cut)?.bytes(&[0; 16])?;
            w.array(self.hears.len() as u64)?;
            self.hears.iter().try_for_each(|node| w.u64(node.0).map(drop))?;
            w.array(self.left.len() as u64)?;
            self.left.iter().try_for_each(|(node, start, _)| w.array(2)?.u64(node.0)?.u64(*start).map(drop))?;
            w.array(0)?.array(self.left.len() as u64)?;
            self.left
                .iter()
                .try_for_each(|(_, _, ms)| w.array(4)?.u64(*ms)?.u64(0)?.bool(false)?.u64(self.root).map(drop))?;
            let Some((count, sum, unheard)) = &self.large else { return Ok(()) };
            w.null()?.null()?.array(0)?.array(0)?.array(2)?.u64(*count)?.u64(*sum)?.array(unheard.len() as u64)?;
            unheard.iter().try_for_each(|node| w.u64(node.0).map(drop))
        })
    }
}

/// A row of a user in the demo room.
#[derive(Clone, Debug)]
pub(crate) struct SaidRow {
    pub(crate) user: u8,
    pub(crate) number: u64,
    pub(crate) counts: u32,
    pub(crate) info: Vec<u8>,
    /// Tabs taken of these tables.
    pub(crate) took: Vec<(NodeHash, u64, u32)>,
}

pub(crate) fn delta(sender: &Sender, after: u64, upto: u64, rows: &[SaidRow]) -> Vec<u8> {
    let room = crate::world::World::room().hash(crate::digest::sha256);
    message(2, sender, |w| {
        w.array(4)?.u64(after)?.u64(upto)?.array(rows.len() as u64)?;
        for row in rows {
            w.array(8)?.array(2)?.bytes(&room.0)?.bytes(&[row.user; 32])?.u64(row.number)?;
            w.u32(row.counts)?.u32(row.counts)?.array(row.took.len() as u64)?;
            for (node, start, tabs) in &row.took {
                w.array(3)?.array(2)?.u64(node.0)?.u64(*start)?.u32(*tabs)?.u64(u64::MAX)?;
            }
            w.u32(row.counts)?.u64(u64::MAX)?.bytes(&row.info)?;
        }
        w.array(0)?.ok()
    })
}

/// *Draining*, or *goodbye*.
pub(crate) fn leaving(sender: &Sender, goodbye: bool, sequence: u64, left_ms: u64) -> Vec<u8> {
    message(if goodbye { 5 } else { 4 }, sender, |w| w.array(2)?.u64(sequence)?.u64(left_ms)?.ok())
}

pub(crate) fn published(sender: &Sender, number: u64, stream: &str, body: &[u8]) -> Vec<u8> {
    message(7, sender, |w| w.array(5)?.u64(number)?.str(stream)?.bytes(body)?.bool(false)?.bool(false)?.ok())
}

/// A message for the stream `bench`, which is kept.
pub(crate) fn published_message(sender: &Sender, number: u64, body: &str) -> Vec<u8> {
    message(7, sender, |w| w.array(5)?.u64(number)?.str("bench")?.bytes(body.as_bytes())?.bool(true)?.bool(false)?.ok())
}

pub(crate) fn relayed(sender: &Sender, age_ms: u64, inner: &[u8]) -> Vec<u8> {
    message(6, sender, |w| w.array(2)?.u64(age_ms)?.bytes(inner)?.ok())
}

pub(crate) fn hello(sender: &Sender, advertised: &[String]) -> Vec<u8> {
    message(16, sender, |w| {
        w.array(1)?.array(advertised.len() as u64)?;
        advertised.iter().try_for_each(|address| w.str(address).map(drop))
    })
}

/// The answer to a hello: which incarnation of the asker is known, and where other nodes are.
pub(crate) fn hello_answer(sender: &Sender, known: u64, nodes: &[(String, String)]) -> Vec<u8> {
    let nodes: Vec<_> = nodes.iter().map(|(name, at)| (name.clone(), vec![at.clone()])).collect();
    hello_answer_of_many(sender, known, &nodes)
}

/// Each of them has several addresses.
pub(crate) fn hello_answer_of_many(sender: &Sender, known: u64, nodes: &[(String, Vec<String>)]) -> Vec<u8> {
    message(48, sender, |w| {
        w.array(3)?.u64(known)?.array(0)?.array(nodes.len() as u64)?;
        nodes.iter().try_for_each(|(name, addresses)| {
            w.array(2)?.str(name)?.array(addresses.len() as u64)?;
            addresses.iter().try_for_each(|address| w.str(address).map(drop))
        })
    })
}

/// A register of a room of its own.
pub(crate) fn fact(number: u64, stamp_ms: u64, expires_ms: u64) -> Vec<u8> {
    let mut writer = Encoder::new(Vec::new());
    let write = |w: &mut Writer| -> Written {
        w.array(9)?.str(&format!("room-{number}"))?.str("key")?.null()?.u16(0)?;
        w.array(4)?.u64(stamp_ms)?.u32(0)?.u64(hash("there").0)?.u64(5)?;
        w.bytes(&[7; 32])?.str("ams")?.bytes(b"value")?.u64(expires_ms)?.ok()
    };
    write(&mut writer).expect("writing to memory can't fail");
    writer.into_writer()
}

/// Of a register of one room: a value, or a tombstone.
pub(crate) fn fact_or_tombstone(key: &str, stamp_ms: u64, value: Option<&str>) -> Vec<u8> {
    let mut writer = Encoder::new(Vec::new());
    let write = |w: &mut Writer| -> Written {
        w.array(11)?.str(crate::world::World::room().as_str())?.str(key)?.null()?.u16(0)?;
        w.array(4)?.u64(stamp_ms)?.u32(0)?.u64(hash("there").0)?.u64(5)?;
        w.bytes(&[7; 32])?
            .str("ams")?
            .bytes(value.unwrap_or_default().as_bytes())?
            .u64(stamp_ms + 86_400_000)?
            .null()?;
        if value.is_some() { w.null()?.ok() } else { w.bool(true)?.ok() }
    };
    write(&mut writer).expect("writing to memory can't fail");
    writer.into_writer()
}

pub(crate) fn bundle(sender: &Sender, facts: &[Vec<u8>]) -> Vec<u8> {
    message(3, sender, |w| {
        w.array(1)?.array(facts.len() as u64)?;
        facts.iter().try_for_each(|fact| w.bytes(fact).map(drop))
    })
}
