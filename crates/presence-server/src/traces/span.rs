//! A span: what happened on this node, from when until when, in which trace.

use std::time::Instant;

use presence_core::{FactKind, TraceContext, TracedWrite};

use crate::clock::wall_ns;

/// Nanoseconds in the unit of the node's clock: spans begin at a whole millisecond, since the node counts in those.
const NS_PER_MS: u64 = 1_000_000;

/// What a span is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SpanName {
    /// A click, from its arrival at the socket until the node has written what it means.
    Click,
    /// Facts that the API removes.
    Remove,
    /// What a write changes on this node's pages, from its arrival until that is handed to their sockets.
    Draw,
}

impl SpanName {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Remove => "remove",
            Self::Draw => "draw",
        }
    }
}

/// What became of a drawing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DrawOutcome {
    /// The pages of this node show it.
    Shown,
    /// There is nothing of it to show, or no page.
    Nothing,
}

/// A span that has begun.
pub(super) struct OpenSpan {
    pub(super) context: TraceContext,
    pub(super) parent: Option<[u8; 8]>,
    pub(super) name: SpanName,
    pub(super) began_ms: u64,
    pub(super) since: Instant,
}

/// A span that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FinishedSpan {
    pub(super) context: TraceContext,
    pub(super) parent: Option<[u8; 8]>,
    pub(super) name: SpanName,
    /// Since 1970, by the clock of this machine.
    pub(super) began_ns: u64,
    pub(super) ended_ns: u64,
    pub(super) kinds: Vec<FactKind>,
    /// For a drawing: what became of it.
    pub(super) drawn: Option<DrawOutcome>,
    pub(super) failed: bool,
}

impl OpenSpan {
    pub(super) fn finish(self, kinds: Vec<FactKind>, failed: bool) -> FinishedSpan {
        let Self { context, parent, name, began_ms, .. } = self;
        let (began_ns, ended_ns) = from_ms(began_ms);
        FinishedSpan { context, parent, name, began_ns, ended_ns, kinds, drawn: None, failed }
    }
}

impl FinishedSpan {
    /// A drawing that ends now.
    pub(super) fn of_drawing(context: TraceContext, write: &TracedWrite, drawn: DrawOutcome) -> Self {
        let (parent, kinds) = (Some(write.context.span_id()), write.kinds.clone());
        let (began_ns, ended_ns) = from_ms(write.taken.0);
        Self { context, parent, name: SpanName::Draw, began_ns, ended_ns, kinds, drawn: Some(drawn), failed: false }
    }
}

/// A beginning, and now; a clock that was set back meanwhile makes no span end before it has begun.
fn from_ms(began_ms: u64) -> (u64, u64) {
    let began_ns = began_ms.saturating_mul(NS_PER_MS);
    (began_ns, wall_ns().max(began_ns))
}
