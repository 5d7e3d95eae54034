//! Who somebody is: cookies, guests, and stream names that nobody else could have written.

mod embed;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit as _, Mac as _};
use presence_core::{PublicId, Room, UserId};
use sha2::{Digest as _, Sha256};

pub(crate) use self::embed::{EmbedId, Embeds};
use crate::secret::{Keys, random};

/// Chromium keeps no cookie longer than 400 days.
const AGE_S: u32 = 400 * 24 * 3_600;

/// SHA-256, as core wants it handed in.
///
/// ```
/// assert_eq!(presence_server::sha256(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
/// ```
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// How an identity came to be: nobody can take the place of one of another kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Cookie,
    Guest,
    Embed,
}

impl Kind {
    fn user(self, site: &str, id: &[u8; 16]) -> UserId {
        let kind = match self {
            Self::Cookie => "cookie",
            Self::Guest => "guest",
            Self::Embed => "embed",
        };
        let mut hash = Sha256::new();
        for part in [kind.as_bytes(), b"\0", site.as_bytes(), b"\0", id] {
            hash.update(part);
        }
        UserId(hash.finalize().into())
    }
}

/// The user whom a site knows by this id: one on all devices. Ids that others choose can be guessed, so they are mixed with
/// a key of the site, or anybody could find out by trying who is behind what a page shows.
pub(crate) fn signed_user(site_keys: &Keys, site: &str, id: &str) -> UserId {
    UserId(signed(&site_keys.signing, &[b"signed\0", site.as_bytes(), b"\0", id.as_bytes()].concat()))
}

/// One browser, by its cookie: a random id that is a bearer secret and never leaves in any other way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session([u8; 16]);

/// One page of a visitor who came without a cookie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guest([u8; 16]);

impl Guest {
    pub(crate) fn drawn() -> Self {
        Self(random())
    }
}

/// Reads and writes session cookies.
pub(crate) struct Sessions {
    keys: Keys,
    site: &'static str,
}

impl Sessions {
    pub(crate) fn new(keys: Keys, site: &'static str) -> Self {
        Self { keys, site }
    }

    pub(crate) fn drawn() -> Session {
        Session(random())
    }

    pub(crate) fn user(&self, session: &Session) -> UserId {
        Kind::Cookie.user(self.site, &session.0)
    }

    /// A cookie with this prefix is only taken from TLS, whole hosts and no other path.
    fn cookie_name(secure: bool) -> &'static str {
        if secure { "__Host-presence" } else { "presence" }
    }

    /// The session of a `Cookie` header: the first of our name that we signed.
    pub(crate) fn read(&self, cookies: &str, secure: bool) -> Option<Session> {
        cookies
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == Self::cookie_name(secure))
            .find_map(|(_, value)| self.open(value))
    }

    fn open(&self, value: &str) -> Option<Session> {
        unsealed(&self.keys, value).map(Session)
    }

    /// The `Set-Cookie` header for a session.
    pub(crate) fn written(&self, session: &Session, secure: bool) -> String {
        let (name, value) = (Self::cookie_name(secure), sealed(&self.keys, &session.0));
        let secure = if secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={AGE_S}; HttpOnly; SameSite=Lax{secure}")
    }
}

/// Signs and opens the names of streams that pages subscribe to.
pub(crate) struct Names {
    keys: Keys,
    site: &'static str,
}

/// What a signed name stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OpenedName {
    /// Which stream.
    pub(crate) stream: StreamKind,
    /// Whose page it was signed for, where that visitor came without a cookie.
    pub(crate) guest: Option<UserId>,
}

/// A stream as a signed name tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum StreamKind {
    /// Everybody in the room.
    Room(Room),
    /// The tabs of one user in the room: of the socket's user, whoever the name was made for.
    User(Room),
}

impl Names {
    /// A longer one is not ours: a room's name of 1,024 bytes, each escaped, in Base64.
    const SIGNED_BYTES_MAX: usize = 9_216;

    pub(crate) fn new(keys: Keys, site: &'static str) -> Self {
        Self { keys, site }
    }

    /// A user whom nobody knows yet, for a socket without a cookie and without a guest's name.
    pub(crate) fn new_guest(&self) -> UserId {
        self.guest(&Guest::drawn())
    }

    pub(crate) fn guest(&self, guest: &Guest) -> UserId {
        Kind::Guest.user(self.site, &guest.0)
    }

    /// The signed name of a room's stream.
    pub(crate) fn room(&self, room: &Room, guest: Option<&Guest>) -> String {
        self.sign(&format!("{}room:{room}", mark(guest)))
    }

    /// The signed name of one user's stream in a room.
    pub(crate) fn user(&self, room: &Room, user: &PublicId, guest: Option<&Guest>) -> String {
        self.sign(&format!("{}user:{room}:{}", mark(guest), user.long()))
    }

    fn sign(&self, name: &str) -> String {
        let json = serde_json::to_string(name).expect("text is always JSON");
        let encoded = STANDARD.encode(json);
        let tag = signed(&self.keys.signing, encoded.as_bytes());
        format!("{encoded}--{}", HEXLOWER.encode(&tag))
    }

    /// What a signed name stands for; `None` where we did not sign it.
    pub(crate) fn open_name(&self, signed_name: &str) -> Option<OpenedName> {
        if signed_name.len() > Self::SIGNED_BYTES_MAX {
            return None;
        }
        let (encoded, tag) = signed_name.rsplit_once("--")?;
        if !verified(&self.keys, encoded.as_bytes(), &HEXLOWER_PERMISSIVE.decode(tag.as_bytes()).ok()?) {
            return None;
        }
        let name: String = serde_json::from_slice(&STANDARD.decode(encoded).ok()?).ok()?;
        let (guest, rest) = match name.strip_prefix("guest:").and_then(|rest| rest.split_once(':')) {
            Some((id, rest)) => (Some(Guest(HEXLOWER_PERMISSIVE.decode(id.as_bytes()).ok()?.try_into().ok()?)), rest),
            None => (None, name.as_str()),
        };
        let stream = if let Some(room) = rest.strip_prefix("room:") {
            StreamKind::Room(Room::new(room)?)
        } else {
            let (room, _) = rest.strip_prefix("user:")?.rsplit_once(':')?;
            StreamKind::User(Room::new(room)?)
        };
        Some(OpenedName { stream, guest: guest.map(|guest| self.guest(&guest)) })
    }
}

/// Makes users of the ids by which stock clients join; nobody can take the place of a user of another kind.
pub(crate) struct Members {
    key: [u8; 32],
}

impl Members {
    pub(crate) fn new(keys: &Keys) -> Self {
        Self { key: keys.signing }
    }

    /// Of an id that the site vouches for.
    pub(crate) fn named(&self, id: &str) -> UserId {
        UserId(signed(&self.key, format!("anycable\0{id}").as_bytes()))
    }

    /// Of an id that anybody may have chosen: it is one only together with who chose it.
    pub(crate) fn of_guest(&self, guest: &UserId, id: &str) -> UserId {
        let parts = [b"anycable guest\0", &guest.0[..], id.as_bytes()];
        UserId(signed(&self.key, &parts.concat()))
    }
}

fn mark(guest: Option<&Guest>) -> String {
    guest.map(|guest| format!("guest:{}:", HEXLOWER.encode(&guest.0))).unwrap_or_default()
}

/// An id and its signature, for a cookie.
fn sealed(keys: &Keys, id: &[u8; 16]) -> String {
    let tag = signed(&keys.signing, id);
    format!("{}.{}", URL_SAFE_NO_PAD.encode(id), URL_SAFE_NO_PAD.encode(tag))
}

/// The id, where we signed it.
fn unsealed(keys: &Keys, text: &str) -> Option<[u8; 16]> {
    let (id, tag) = text.split_once('.')?;
    let id: [u8; 16] = URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?;
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    verified(keys, &id, &tag).then_some(id)
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn signed(key: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    keyed(key).chain_update(bytes).finalize().into_bytes().into()
}

fn verified(keys: &Keys, bytes: &[u8], tag: &[u8]) -> bool {
    keys.accepted.iter().any(|key| keyed(key).chain_update(bytes).verify_slice(tag).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(byte: u8) -> Keys {
        Keys { signing: [byte; 32], accepted: vec![[byte; 32]] }
    }

    fn room(name: &str) -> Room {
        Room::new(name).unwrap()
    }

    #[test]
    fn a_name_opens_to_what_was_signed() {
        let names = Names::new(keys(1), "demo");
        let public = PublicId([7; 32]);
        let awkward = room("a:b \"ü\"");
        assert_eq!(
            names.open_name(&names.room(&awkward, None)),
            Some(OpenedName { stream: StreamKind::Room(awkward.clone()), guest: None })
        );
        assert_eq!(
            names.open_name(&names.user(&awkward, &public, None)),
            Some(OpenedName { stream: StreamKind::User(awkward), guest: None })
        );
        let guest = Guest::drawn();
        let opened = names.open_name(&names.user(&room("demo"), &public, Some(&guest))).unwrap();
        assert_eq!(opened.guest, Some(names.guest(&guest)));
    }

    #[test]
    fn the_longest_name_of_a_room_can_be_signed_and_opened() {
        let names = Names::new(keys(1), "demo");
        let longest = room(&"\u{1}".repeat(Room::NAME_BYTES_MAX));
        let signed = names.user(&longest, &PublicId([0; 32]), Some(&Guest::drawn()));
        assert_eq!(names.open_name(&signed).unwrap().stream, StreamKind::User(longest));
    }

    #[test]
    fn a_name_that_another_key_signed_or_somebody_changed_is_none() {
        let names = Names::new(keys(1), "demo");
        let signed = Names::new(keys(2), "demo").room(&room("demo"), None);
        assert_eq!(names.open_name(&signed), None);
        let ours = names.room(&room("demo"), None);
        for wrong in [&ours[1..], &ours[..ours.len() - 1], "", "--", "a--b", &ours.replace("--", "-")] {
            assert_eq!(names.open_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_cookie_is_read_back_and_only_under_its_own_name() {
        let sessions = Sessions::new(keys(1), "demo");
        let session = Sessions::drawn();
        let header = sessions.written(&session, true);
        let pair = header.split(';').next().unwrap();
        assert!(header.contains("HttpOnly") && header.contains("; Secure") && pair.starts_with("__Host-"));
        assert!(sessions.read(&format!("other=1; {pair}"), true) == Some(session));
        assert!(sessions.read(pair, false).is_none());
        assert!(Sessions::new(keys(2), "demo").read(pair, true).is_none());
        assert!(!sessions.written(&session, false).contains("Secure"));
    }

    #[test]
    fn kinds_and_sites_make_different_users_of_one_id() {
        let id = [3; 16];
        assert_ne!(Kind::Cookie.user("demo", &id), Kind::Guest.user("demo", &id));
        assert_ne!(Kind::Cookie.user("demo", &id), Kind::Cookie.user("shop", &id));
        let signed = signed_user(&keys(1), "demo", "ada");
        assert_eq!(signed, signed_user(&keys(1), "demo", "ada"));
        let others = [("demo", "bob", 1), ("shop", "ada", 1), ("demo", "ada", 2)];
        assert!(others.into_iter().all(|(site, id, key)| signed_user(&keys(key), site, id) != signed));
    }

    #[test]
    fn an_id_is_one_member_and_a_guests_only_its_own() {
        let members = Members::new(&keys(1));
        let (ann, bob) = (UserId([1; 32]), UserId([2; 32]));
        assert_eq!(members.named("u1"), members.named("u1"));
        assert_eq!(members.of_guest(&ann, "u1"), members.of_guest(&ann, "u1"));
        let different = [members.named("u1"), members.of_guest(&ann, "u1"), members.of_guest(&bob, "u1")];
        assert!(different[0] != different[1] && different[1] != different[2] && different[0] != different[2]);
        assert_ne!(Members::new(&keys(2)).named("u1"), members.named("u1"));
    }
}
