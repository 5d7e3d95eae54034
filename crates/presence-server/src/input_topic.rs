//! What inputs are about: metrics say what the driver spends its time on.

use presence_core::Input;

/// What an input is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InputTopic {
    /// Time passes, or the node stops.
    Tick,
    /// A visitor joins, leaves, looks at another page, or is still there.
    Visit,
    Click,
    /// Something was drawn.
    Draw,
    /// A message, a dismissal, or what operators are told.
    Publish,
    /// A question of the API, or a change of facts by it.
    Query,
    /// A message, a question or an answer of another node.
    Mesh,
    /// An address or a link.
    Link,
}

impl InputTopic {
    /// In the order of their numbers.
    pub(crate) const ALL: [Self; 8] =
        [Self::Tick, Self::Visit, Self::Click, Self::Draw, Self::Publish, Self::Query, Self::Mesh, Self::Link];

    /// The word in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tick => "tick",
            Self::Visit => "visit",
            Self::Click => "click",
            Self::Draw => "draw",
            Self::Publish => "publish",
            Self::Query => "query",
            Self::Mesh => "mesh",
            Self::Link => "link",
        }
    }

    /// What an input is about.
    pub(crate) fn of(input: &Input) -> Self {
        match input {
            Input::Ticked | Input::Drained | Input::Emptied => Self::Tick,
            Input::Joined { .. }
            | Input::Looked { .. }
            | Input::Listened { .. }
            | Input::Refreshed { .. }
            | Input::Unsubscribed { .. }
            | Input::Resigned { .. }
            | Input::Disconnected { .. }
            | Input::Served { .. }
            | Input::Shared { .. }
            | Input::Ponged { .. } => Self::Visit,
            Input::Clicked { .. } => Self::Click,
            Input::Drawn { .. } | Input::OwnChanged { .. } | Input::OwnDrawn { .. } => Self::Draw,
            Input::Published { .. } | Input::StatusTold { .. } | Input::Dismissed { .. } => Self::Publish,
            Input::Queried { .. }
            | Input::FactRemoved { .. }
            | Input::FactsImported { .. }
            | Input::FactsWritten { .. }
            | Input::MessagesRead { .. } => Self::Query,
            Input::Received { .. } | Input::Asked { .. } | Input::Answered { .. } => Self::Mesh,
            Input::Resolved { .. } | Input::Readdressed { .. } | Input::Dialled { .. } | Input::LinkLost { .. } => {
                Self::Link
            }
        }
    }
}
