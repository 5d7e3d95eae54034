//! Sessions that a browser may go on with on a new socket: without it a moment without network would cost every
//! subscription, and what was said meanwhile.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use presence_core::UserId;
use tokio::time::Instant;

use crate::hub::Connection;
use crate::secret::random;

/// Delivery long after its end a session can be gone on with.
const KEPT: Duration = Duration::from_secs(300);
/// What the keys of one session's subscriptions may take in bytes; what is more must be subscribed to anew.
const SESSION_BYTES_MAX: usize = 32 * 1_024;
/// What all ended sessions may take in bytes; the oldest goes first.
const ENDED_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// What a session takes besides its keys, in bytes.
const SESSION_BYTES: usize = 256;

/// A session's name: nobody can guess it, and it works once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sid([u8; 16]);

impl Sid {
    fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// What a session is gone on with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Memory {
    /// Whose cookie opened the socket, if any: only that one may go on.
    pub(crate) owner: Option<UserId>,
    /// Who the socket's user was in the end: its owner or a guest.
    pub(crate) user: Option<UserId>,
    /// The keys of its subscriptions, as the browser wrote them.
    pub(crate) keys: Vec<Arc<str>>,
}

impl Memory {
    fn bytes(&self) -> usize {
        SESSION_BYTES + self.keys.iter().map(|key| key.len()).sum::<usize>()
    }
}

struct Known {
    memory: Memory,
    /// Still open, as far as we know: a browser notices a cut before we do.
    socket: Weak<Connection>,
    ended: Option<Instant>,
}

/// Every session of this node that can be gone on with.
#[derive(Default)]
pub(crate) struct Resumes(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    sessions: HashMap<Sid, Known>,
    /// In the order of their ends; those that were gone on with are still among them.
    ended: VecDeque<(Instant, Sid)>,
    ended_bytes: usize,
}

impl Resumes {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new session of this socket.
    pub(crate) fn begin(&self, memory: Memory, socket: &Arc<Connection>) -> Sid {
        let sid = Sid(random());
        let known = Known { memory, socket: Arc::downgrade(socket), ended: None };
        self.lock().sessions.insert(sid, known);
        sid
    }

    /// A subscription was confirmed; its user is the socket's from now on.
    pub(crate) fn subscribed(&self, sid: Sid, key: &str, user: UserId) {
        if let Some(Known { memory, .. }) = self.lock().sessions.get_mut(&sid) {
            memory.user = Some(user);
            if memory.bytes() + key.len() <= SESSION_BYTES_MAX {
                memory.keys.push(key.into());
            }
        }
    }

    /// A subscription ended; the session goes on.
    pub(crate) fn unsubscribed(&self, sid: Sid, key: &str) {
        if let Some(Known { memory, .. }) = self.lock().sessions.get_mut(&sid) {
            memory.keys.retain(|known| **known != *key);
        }
    }

    /// The socket is gone. From now on the session is kept for a while.
    pub(crate) fn end(&self, sid: Sid, now: Instant) {
        let mut inner = self.lock();
        inner.expire(now);
        let Some(known) = inner.sessions.get_mut(&sid) else { return };
        known.ended = Some(now);
        let bytes = known.memory.bytes();
        inner.ended_bytes += bytes;
        inner.ended.push_back((now, sid));
        while inner.ended_bytes > ENDED_BYTES_MAX
            && let Some((_, oldest)) = inner.ended.pop_front()
        {
            inner.forget(oldest);
        }
    }

    /// Goes on with a session, once. `None` where it is not known, too old, or another's. The second value is the
    /// socket that it still has.
    pub(crate) fn take(
        &self,
        sid: &str,
        owner: Option<UserId>,
        now: Instant,
    ) -> Option<(Memory, Option<Arc<Connection>>)> {
        let sid = Sid::parse(sid)?;
        let mut inner = self.lock();
        inner.expire(now);
        // A guess by somebody else must not end it.
        inner.sessions.get(&sid).filter(|known| known.memory.owner == owner)?;
        let known = inner.forget(sid)?;
        Some((known.memory, known.socket.upgrade().filter(|_| known.ended.is_none())))
    }
}

impl Inner {
    fn expire(&mut self, now: Instant) {
        while let Some((_, sid)) = self.ended.pop_front_if(|(ended, _)| now.duration_since(*ended) >= KEPT) {
            self.forget(sid);
        }
    }

    fn forget(&mut self, sid: Sid) -> Option<Known> {
        let known = self.sessions.remove(&sid)?;
        if known.ended.is_some() {
            self.ended_bytes -= known.memory.bytes();
        }
        Some(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Option<UserId> = Some(UserId([1; 32]));
    const BOB: Option<UserId> = Some(UserId([2; 32]));

    impl Resumes {
        fn began(&self, owner: Option<UserId>) -> Sid {
            let memory = Memory { owner, ..Memory::default() };
            let known = Known { memory, socket: Weak::new(), ended: None };
            let sid = Sid(random());
            self.lock().sessions.insert(sid, known);
            sid
        }
    }

    #[test]
    fn a_session_is_gone_on_with_once_and_by_its_owner_alone() {
        let (resumes, now) = (Resumes::default(), Instant::now());
        let sid = resumes.began(ANN);
        resumes.subscribed(sid, "a", UserId([1; 32]));
        resumes.subscribed(sid, "b", UserId([1; 32]));
        resumes.unsubscribed(sid, "a");
        resumes.end(sid, now);
        assert!(resumes.take(&sid.to_string(), BOB, now).is_none());
        assert!(resumes.take(&sid.to_string(), None, now).is_none());
        let (memory, socket) = resumes.take(&sid.to_string(), ANN, now).unwrap();
        assert_eq!(memory, Memory { owner: ANN, user: ANN, keys: vec!["b".into()] });
        assert!(socket.is_none());
        assert!(resumes.take(&sid.to_string(), ANN, now).is_none(), "once");
        let inner = resumes.lock();
        assert!(inner.sessions.is_empty() && inner.ended_bytes == 0);
    }

    #[test]
    fn who_came_without_a_cookie_goes_on_as_the_same_guest() {
        let (resumes, now) = (Resumes::default(), Instant::now());
        let sid = resumes.began(None);
        resumes.subscribed(sid, "a", UserId([9; 32]));
        assert!(resumes.take(&sid.to_string(), ANN, now).is_none());
        assert_eq!(resumes.take(&sid.to_string(), None, now).unwrap().0.user, Some(UserId([9; 32])));
    }

    #[test]
    fn it_is_kept_for_300_s_after_its_end_and_junk_is_nobodys() {
        let (resumes, now) = (Resumes::default(), Instant::now());
        let (old, live) = (resumes.began(ANN), resumes.began(ANN));
        resumes.end(old, now);
        let later = now + KEPT;
        assert!(resumes.take(&old.to_string(), ANN, later).is_none());
        assert!(resumes.take(&live.to_string(), ANN, later).is_some(), "an open one has no age");
        for junk in ["", "s1", "AAAAAAAAAAAAAAAAAAAAAA", &"A".repeat(10_000)] {
            assert!(resumes.take(junk, None, now).is_none());
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (resumes, now) = (Resumes::default(), Instant::now());
        let sid = resumes.began(ANN);
        let key = "x".repeat(10_000);
        (0..10).for_each(|_| resumes.subscribed(sid, &key, UserId([1; 32])));
        resumes.end(sid, now);
        let ended: Vec<Sid> = (0..3_000)
            .map(|_| {
                let sid = resumes.began(BOB);
                (0..3).for_each(|_| resumes.subscribed(sid, &key, UserId([2; 32])));
                resumes.end(sid, now);
                sid
            })
            .collect();
        let inner = resumes.lock();
        let bytes: usize = inner.sessions.values().map(|known| known.memory.bytes()).sum();
        assert_eq!(inner.ended_bytes, bytes);
        assert!(bytes <= ENDED_BYTES_MAX && inner.sessions.len() == inner.ended.len());
        assert!(!inner.sessions.contains_key(&sid) && inner.sessions.contains_key(&ended[2_999]));
    }
}
