//! Sessions that a browser may resume on a new socket. Otherwise a moment without network would lose all subscriptions, and
//! the messages of that moment.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use presence_cable::action_cable::Extras;
use presence_core::UserId;
use tokio::time::Instant;

use crate::hub::Connection;
use crate::secret::random;

/// How long after its end a session can be resumed.
const KEPT: Duration = Duration::from_secs(300);
/// What the keys of one session's subscriptions may take in bytes; the others must be subscribed to again.
pub(super) const SESSION_BYTES_MAX: usize = 32 * 1_024;
/// What all ended sessions may take in bytes; the oldest goes first.
const ENDED_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// What a session takes besides its keys, in bytes.
const SESSION_BYTES: usize = 256;

/// A session's name: it can't be guessed, and works once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sid([u8; 16]);

impl Sid {
    pub(super) fn random() -> Self {
        Self(random())
    }

    /// The name in a session's id, which may go on behind a dot.
    fn parse(id: &str) -> Option<Self> {
        let name = id.split_once('.').map_or(id, |(name, _)| name);
        URL_SAFE_NO_PAD.decode(name).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// What a session is resumed with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct SavedSession {
    /// The user whose cookie opened the socket, if any: only that one may resume it.
    pub(crate) owner: Option<UserId>,
    /// The socket's user in the end: its owner or a guest.
    pub(crate) user: Option<UserId>,
    pub(crate) subscriptions: Vec<SavedSubscription>,
}

/// A subscription that is begun again when its session is resumed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SavedSubscription {
    /// As the browser wrote it.
    pub(crate) key: Arc<str>,
    pub(crate) extras: Extras,
}

impl SavedSession {
    fn bytes(&self) -> usize {
        SESSION_BYTES + self.subscriptions.iter().map(|saved| saved.key.len()).sum::<usize>()
    }
}

/// A session that is resumed.
#[derive(Default)]
pub(crate) struct Resumed {
    pub(crate) saved: SavedSession,
    /// The socket that it still has.
    pub(crate) socket: Option<Arc<Connection>>,
}

struct ResumableSession {
    saved: SavedSession,
    /// Perhaps still open: a browser notices a cut before the server does.
    socket: Weak<Connection>,
    ended: Option<Instant>,
}

/// Every session of this node that can be resumed.
#[derive(Default)]
pub(crate) struct ResumableSessions(Mutex<ResumableTable>);

#[derive(Default)]
struct ResumableTable {
    sessions: HashMap<Sid, ResumableSession>,
    /// In the order in which they ended, including some that were resumed since.
    ended: VecDeque<(Instant, Sid)>,
    ended_bytes: usize,
}

impl ResumableSessions {
    /// Begins a session of this socket.
    pub(crate) fn begin(&self, sid: Sid, saved: SavedSession, socket: &Arc<Connection>) {
        let known = ResumableSession { saved, socket: Arc::downgrade(socket), ended: None };
        self.0.lock().sessions.insert(sid, known);
    }

    /// Notes a confirmed subscription; its user is the socket's from now on.
    pub(crate) fn subscribed(&self, sid: Sid, key: &str, user: UserId, extras: Extras) {
        if let Some(ResumableSession { saved, .. }) = self.0.lock().sessions.get_mut(&sid) {
            saved.user = Some(user);
            if saved.bytes() + key.len() <= SESSION_BYTES_MAX {
                saved.subscriptions.push(SavedSubscription { key: key.into(), extras });
            }
        }
    }

    /// Notes that a subscription ended.
    pub(crate) fn unsubscribed(&self, sid: Sid, key: &str) {
        if let Some(ResumableSession { saved, .. }) = self.0.lock().sessions.get_mut(&sid) {
            saved.subscriptions.retain(|known| *known.key != *key);
        }
    }

    /// Notes what a subscription is sent besides the content of messages.
    pub(crate) fn sent(&self, sid: Sid, key: &str, extras: Extras) {
        if let Some(ResumableSession { saved, .. }) = self.0.lock().sessions.get_mut(&sid) {
            let same = saved.subscriptions.iter_mut().filter(|known| *known.key == *key);
            same.for_each(|known| known.extras = extras);
        }
    }

    /// Notes that the socket is gone. From now on the session is kept for a while.
    pub(crate) fn end(&self, sid: Sid, now: Instant) {
        let mut inner = self.0.lock();
        inner.expire(now);
        let Some(known) = inner.sessions.get_mut(&sid) else { return };
        known.ended = Some(now);
        let bytes = known.saved.bytes();
        inner.ended_bytes += bytes;
        inner.ended.push_back((now, sid));
        while inner.ended_bytes > ENDED_BYTES_MAX
            && let Some((_, oldest)) = inner.ended.pop_front()
        {
            inner.forget(oldest);
        }
    }

    /// Takes a session to resume it. `None` if it is not known, too old, or another user's.
    pub(crate) fn take(&self, sid: &str, owner: Option<UserId>, now: Instant) -> Option<Resumed> {
        let sid = Sid::parse(sid)?;
        let mut inner = self.0.lock();
        inner.expire(now);
        // Another user's guess must not end it.
        inner.sessions.get(&sid).filter(|known| known.saved.owner == owner)?;
        let known = inner.forget(sid)?;
        let socket = known.socket.upgrade().filter(|_| known.ended.is_none());
        Some(Resumed { saved: known.saved, socket })
    }
}

impl ResumableTable {
    fn expire(&mut self, now: Instant) {
        while let Some((_, sid)) = self.ended.pop_front_if(|(ended, _)| now.duration_since(*ended) >= KEPT) {
            self.forget(sid);
        }
    }

    fn forget(&mut self, sid: Sid) -> Option<ResumableSession> {
        let known = self.sessions.remove(&sid)?;
        if known.ended.is_some() {
            self.ended_bytes -= known.saved.bytes();
        }
        Some(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Option<UserId> = Some(UserId([1; 32]));
    const BOB: Option<UserId> = Some(UserId([2; 32]));

    impl ResumableSessions {
        fn began(&self, owner: Option<UserId>) -> Sid {
            let saved = SavedSession { owner, ..SavedSession::default() };
            let known = ResumableSession { saved, socket: Weak::new(), ended: None };
            let sid = Sid(random());
            self.0.lock().sessions.insert(sid, known);
            sid
        }
    }

    #[test]
    fn a_session_is_resumed_once_and_by_its_owner_alone() {
        let (sessions, now) = (ResumableSessions::default(), Instant::now());
        let sid = sessions.began(ANN);
        sessions.subscribed(sid, "a", UserId([1; 32]), Extras::None);
        sessions.subscribed(sid, "b", UserId([1; 32]), Extras::None);
        sessions.sent(sid, "b", Extras::Presence);
        sessions.unsubscribed(sid, "a");
        sessions.end(sid, now);
        assert!(sessions.take(&sid.to_string(), BOB, now).is_none());
        assert!(sessions.take(&sid.to_string(), None, now).is_none());
        let Resumed { saved, socket } = sessions.take(&sid.to_string(), ANN, now).unwrap();
        let subscriptions = vec![SavedSubscription { key: "b".into(), extras: Extras::Presence }];
        assert_eq!(saved, SavedSession { owner: ANN, user: ANN, subscriptions });
        assert!(socket.is_none());
        assert!(sessions.take(&sid.to_string(), ANN, now).is_none(), "once");
        let inner = sessions.0.lock();
        assert!(inner.sessions.is_empty() && inner.ended_bytes == 0);
    }

    #[test]
    fn a_visitor_without_a_cookie_resumes_as_the_same_guest() {
        let (sessions, now) = (ResumableSessions::default(), Instant::now());
        let sid = sessions.began(None);
        sessions.subscribed(sid, "a", UserId([9; 32]), Extras::None);
        assert!(sessions.take(&sid.to_string(), ANN, now).is_none());
        assert_eq!(sessions.take(&sid.to_string(), None, now).unwrap().saved.user, Some(UserId([9; 32])));
    }

    #[test]
    fn it_is_kept_for_300_s_after_its_end_and_junk_names_none() {
        let (sessions, now) = (ResumableSessions::default(), Instant::now());
        let (old, live) = (sessions.began(ANN), sessions.began(ANN));
        sessions.end(old, now);
        let later = now + KEPT;
        assert!(sessions.take(&old.to_string(), ANN, later).is_none());
        assert!(sessions.take(&live.to_string(), ANN, later).is_some(), "an open one has no age");
        for junk in ["", "s1", "AAAAAAAAAAAAAAAAAAAAAA", &"A".repeat(10_000)] {
            assert!(sessions.take(junk, None, now).is_none());
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (sessions, now) = (ResumableSessions::default(), Instant::now());
        let sid = sessions.began(ANN);
        let key = "x".repeat(10_000);
        (0..10).for_each(|_| sessions.subscribed(sid, &key, UserId([1; 32]), Extras::None));
        sessions.end(sid, now);
        let ended: Vec<Sid> = (0..3_000)
            .map(|_| {
                let sid = sessions.began(BOB);
                (0..3).for_each(|_| sessions.subscribed(sid, &key, UserId([2; 32]), Extras::None));
                sessions.end(sid, now);
                sid
            })
            .collect();
        let inner = sessions.0.lock();
        let bytes: usize = inner.sessions.values().map(|known| known.saved.bytes()).sum();
        assert_eq!(inner.ended_bytes, bytes);
        assert!(bytes <= ENDED_BYTES_MAX && inner.sessions.len() == inner.ended.len());
        assert!(!inner.sessions.contains_key(&sid) && inner.sessions.contains_key(&ended[2_999]));
    }
}
