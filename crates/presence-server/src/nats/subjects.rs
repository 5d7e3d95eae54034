//! The subjects of a mesh: who publishes what, and who listens to it.
//!
//! | Subject | Published by `F` |
//! |---|---|
//! | `gp.MESH.all.F` | messages for all nodes |
//! | `gp.MESH.hi.F` | that it is there, or that it leaves |
//! | `gp.MESH.to.HASH.F` | messages for one node, by the hash of its name |
//! | `gp.MESH.in.REGION.F` | messages for several nodes of a region, relayed: all of the region hear them |
//! | `gp.MESH.ask.X.START.F.NUMBER` | a request to that start of X |
//! | `gp.MESH.ans.X.START.F.NUMBER` | its answer, to that start of X |
//!
//! The name of the node that publishes stands at the same place for each kind, so that NATS can be told which node may publish what.

use presence_core::{NodeHash, Region};

use super::seal::StartId;
use crate::config::is_token;

/// The subjects of one node in one mesh.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    pub(super) mesh: String,
    pub(super) name: String,
    pub(super) node: NodeHash,
    pub(super) region: Region,
    pub(super) start: StartId,
}

/// What a subject says of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SubjectParts<'a> {
    /// Who publishes it, as the subject has it.
    pub(super) from: &'a str,
    pub(super) mesh: &'a str,
    pub(super) kind: SubjectKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SubjectKind {
    /// For all, for this node or for its region: core reads it.
    Message,
    Greeting,
    Request(u64),
    Answer(u64),
}

impl Subjects {
    pub(super) fn all(&self) -> String {
        format!("gp.{}.all.{}", self.mesh, self.name)
    }

    pub(super) fn greeting(&self) -> String {
        format!("gp.{}.hi.{}", self.mesh, self.name)
    }

    pub(super) fn to(&self, node: NodeHash) -> String {
        format!("gp.{}.to.{node}.{}", self.mesh, self.name)
    }

    pub(super) fn in_region(&self, region: &Region) -> String {
        format!("gp.{}.in.{region}.{}", self.mesh, self.name)
    }

    /// A request of this node, and the subject of its answer.
    pub(super) fn request(&self, to: &str, start: StartId, number: u64) -> (String, String) {
        let Self { mesh, name, start: own, .. } = self;
        (
            format!("gp.{mesh}.ask.{to}.{start}.{name}.{number:016x}"),
            format!("gp.{mesh}.ans.{name}.{own}.{to}.{number:016x}"),
        )
    }

    /// The subject of this node's answer to a request of that start in that mesh.
    pub(super) fn answer(&self, mesh: &str, to: &str, start: StartId, number: u64) -> String {
        format!("gp.{mesh}.ans.{to}.{start}.{}.{number:016x}", self.name)
    }

    /// What this node listens to in that mesh: messages, then requests and answers.
    pub(super) fn listens(&self, mesh: &str) -> (Vec<String>, Vec<String>) {
        let Self { name, node, region, start, .. } = self;
        let messages = ["all", "hi", &format!("to.{node}"), &format!("in.{region}")];
        let messages = messages.map(|words| format!("gp.{mesh}.{words}.*")).to_vec();
        // One subscription: what two of them deliver has no order, and an answer could overtake the requests that came before it.
        (messages, vec![format!("gp.{mesh}.*.{name}.{start}.*.*")])
    }
}

/// What a subject of [`Subjects::listens`] says.
pub(super) fn parse(subject: &str) -> Option<SubjectParts<'_>> {
    let mut tokens = subject.split('.');
    let (_, mesh, word) = (tokens.next()?, tokens.next()?, tokens.next()?);
    let rest: Vec<&str> = tokens.collect();
    let number = |text: &str| StartId::parse(text).map(|StartId(number)| number);
    let (from, kind) = match (word, &rest[..]) {
        ("all", [from]) | ("to" | "in", [_, from]) => (*from, SubjectKind::Message),
        ("hi", [from]) => (*from, SubjectKind::Greeting),
        ("ask", [_, _, from, last]) => (*from, SubjectKind::Request(number(last)?)),
        ("ans", [_, _, from, last]) => (*from, SubjectKind::Answer(number(last)?)),
        _ => return None,
    };
    Some(SubjectParts { from, mesh, kind })
}

/// `nats/NAME/START`: the address of one start of a node, for core.
pub(super) fn address(name: &str, start: StartId) -> String {
    format!("nats/{name}/{start}")
}

/// The name and the start of such an address.
pub(super) fn parse_address(address: &str) -> Option<(&str, StartId)> {
    let (name, start) = address.strip_prefix("nats/")?.split_once('/')?;
    is_token(name).then_some((name, StartId::parse(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_say_who_publishes_what() {
        let region = Region::new("ams").expect("a code");
        let subjects = Subjects {
            mesh: "m".to_owned(),
            name: "ams-1".to_owned(),
            node: NodeHash(1),
            region: region.clone(),
            start: StartId(2),
        };
        let (request, answer) = subjects.request("iad-1", StartId(3), 4);
        let of = |subject: &str| parse(subject).map(|parts| (parts.from.to_owned(), parts.kind));
        for subject in [subjects.all(), subjects.to(NodeHash(9)), subjects.in_region(&region)] {
            assert_eq!(of(&subject), Some(("ams-1".to_owned(), SubjectKind::Message)));
        }
        assert_eq!(of(&subjects.greeting()), Some(("ams-1".to_owned(), SubjectKind::Greeting)));
        assert_eq!(of(&request), Some(("ams-1".to_owned(), SubjectKind::Request(4))));
        assert_eq!(of(&answer), Some(("iad-1".to_owned(), SubjectKind::Answer(4))));
        let other = Subjects { name: "iad-1".to_owned(), start: StartId(3), ..subjects };
        assert_eq!(other.answer("m", "ams-1", StartId(2), 4), answer);
        for wrong in ["", "gp.m.all", "gp.m.all.a.b", "gp.m.ask.a.b.c.d", "gp.m.ans.a.b.c", "gp.m.other.a"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_address_names_one_start_of_a_node() {
        let at = address("ams-1", StartId(7));
        assert_eq!(parse_address(&at), Some(("ams-1", StartId(7))));
        for wrong in ["quic/127.0.0.1:7447", "nats/ams-1", "nats/a.b/0000000000000007", "nats/ams-1/7"] {
            assert_eq!(parse_address(wrong), None, "{wrong}");
        }
    }
}
