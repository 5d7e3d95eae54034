//! What all sessions in Action Cable share.

use std::sync::Arc;

use presence_cable::action_cable::Version;
use presence_core::{Room, SignedUser, TraceContext, UserId};

use super::history_fetch::FetchLocks;
use super::resumable::ResumableSessions;
use crate::contained_app::ContainedApp;
use crate::identity::{MemberIds, SealedGuests, SignedNames};
use crate::queries::Queries;
use crate::sites::Grant;
use crate::streams::StreamAccess;
use crate::traces::Traces;
use crate::views::Views;

/// The rights of users, and what outlives a socket.
pub(crate) struct ActionCableContext {
    pub(crate) names: Arc<SignedNames>,
    pub(crate) members: MemberIds,
    pub(crate) guests: SealedGuests,
    pub(crate) streams: StreamAccess,
    pub(crate) queries: Queries,
    pub(crate) app: Arc<ContainedApp>,
    /// The room of the page at `/`.
    pub(crate) site: Room,
    pub(crate) views: Arc<Views>,
    pub(crate) resumable: ResumableSessions,
    pub(crate) fetch_locks: Arc<FetchLocks>,
    pub(crate) traces: Traces,
}

/// The visitor of a socket, as the upgrade's request said.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// The user who has signed in, or else of its cookie, if it has one.
    pub(crate) user: Option<UserId>,
    /// Who the user is, if they have signed in.
    pub(crate) signed: Option<Arc<SignedUser>>,
    pub(crate) version: Version,
    /// The id of the session that it wants to go on with.
    pub(crate) sid: Option<String>,
    /// What its token opens, if it brought one.
    pub(crate) grant: Option<Grant>,
    /// Its tab's name for itself.
    pub(crate) tab: Option<String>,
    /// The trace that the upgrade is a part of.
    pub(crate) trace: Option<TraceContext>,
}
