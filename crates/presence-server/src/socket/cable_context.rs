//! What all sockets that speak Action Cable share; without it each would have to be handed six things.

use std::sync::Arc;

use super::resumable::Resumes;
use crate::identity::{Members, Names};
use crate::queries::Queries;
use crate::streams::Streams;

/// Who may do what, and what outlives a socket.
pub(crate) struct Cable {
    pub(crate) names: Arc<Names>,
    pub(crate) members: Members,
    pub(crate) streams: Streams,
    pub(crate) queries: Queries,
    pub(crate) resumes: Resumes,
}
