//! What all sessions in Action Cable share.

use std::sync::Arc;

use super::resumable::ResumableSessions;
use crate::identity::{Members, Names};
use crate::queries::Queries;
use crate::streams::Streams;

/// The rights of users, and what outlives a socket.
pub(crate) struct ActionCableContext {
    pub(crate) names: Arc<Names>,
    pub(crate) members: Members,
    pub(crate) streams: Streams,
    pub(crate) queries: Queries,
    pub(crate) resumable: ResumableSessions,
}
