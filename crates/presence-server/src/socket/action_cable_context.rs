//! What all sessions in Action Cable share.

use std::sync::Arc;

use super::resumable::ResumableSessions;
use crate::identity::{MemberIds, SignedNames};
use crate::queries::Queries;
use crate::streams::StreamAccess;

/// The rights of users, and what outlives a socket.
pub(crate) struct ActionCableContext {
    pub(crate) names: Arc<SignedNames>,
    pub(crate) members: MemberIds,
    pub(crate) streams: StreamAccess,
    pub(crate) queries: Queries,
    pub(crate) resumable: ResumableSessions,
}
