//! Who a visitor is: cookies, guests, and signed names of the streams of their pages.

mod embed;

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use presence_core::{PublicId, Room, UserId};
use sha2::{Digest as _, Sha256};

pub(crate) use self::embed::{EmbedId, EmbedIds};
use crate::secret::{RotatingKeys, random};
use crate::signing::{open_name, sign, sign_name, verify};

/// Chromium keeps no cookie longer than 400 days.
const COOKIE_AGE_S: u32 = 400 * 24 * 3_600;

/// SHA-256, in the form that core takes it in.
///
/// ```
/// assert_eq!(presence_server::sha256(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
/// ```
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Where an id comes from. Ids of different kinds never make the same user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum IdKind {
    Cookie,
    Guest,
    Embed,
}

impl IdKind {
    fn user(self, site: &str, id: &[u8; 16]) -> UserId {
        let kind = match self {
            Self::Cookie => "cookie",
            Self::Guest => "guest",
            Self::Embed => "embed",
        };
        UserId(sha256(&[kind.as_bytes(), b"\0", site.as_bytes(), b"\0", id].concat()))
    }
}

/// The user that a site knows by this id, the same on all devices. Ids that sites choose can be guessed, so they are mixed
/// with a key of the site: otherwise the public id of a user could be found by trying.
pub(crate) fn signed_user(site_user_key: &[u8; 32], site: &str, id: &str) -> UserId {
    UserId(sign(site_user_key, &[b"signed\0", site.as_bytes(), b"\0", id.as_bytes()].concat()))
}

/// A browser, by the random id in its cookie. The id is a bearer secret and is sent in no other way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct BrowserId([u8; 16]);

impl BrowserId {
    pub(crate) fn random() -> Self {
        Self(random())
    }
}

/// A page of a visitor without a cookie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guest([u8; 16]);

impl Guest {
    pub(crate) fn random() -> Self {
        Self(random())
    }
}

/// Reads and writes the cookies of this server's own pages.
pub(crate) struct Cookies {
    keys: RotatingKeys,
    site: &'static str,
}

impl Cookies {
    pub(crate) fn new(keys: RotatingKeys, site: &'static str) -> Self {
        Self { keys, site }
    }

    pub(crate) fn user(&self, browser: &BrowserId) -> UserId {
        IdKind::Cookie.user(self.site, &browser.0)
    }

    /// Browsers accept a cookie with the prefix `__Host-` only over TLS, for the whole host and every path.
    fn name(secure: bool) -> &'static str {
        if secure { "__Host-presence" } else { "presence" }
    }

    /// The browser of a `Cookie` header: the first cookie of this name with a valid signature.
    pub(crate) fn read(&self, header: &str, secure: bool) -> Option<BrowserId> {
        cookie_id(&self.keys, header, Self::name(secure)).map(BrowserId)
    }

    /// The `Set-Cookie` header for a browser.
    pub(crate) fn write(&self, browser: &BrowserId, secure: bool) -> String {
        let (name, value) = (Self::name(secure), sign_id(&self.keys, &browser.0));
        let secure = if secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={COOKIE_AGE_S}; HttpOnly; SameSite=Lax{secure}")
    }
}

/// Signs and opens the names of the streams that this server's own pages subscribe to.
pub(crate) struct SignedNames {
    keys: RotatingKeys,
    site: &'static str,
}

/// The visitor that a name is signed for.
#[derive(Clone, Copy)]
pub(crate) enum NameHolder<'a> {
    /// Whoever has it.
    Anybody,
    /// A visitor without a cookie: whoever has it is that guest.
    Guest(&'a Guest),
    /// A user who has signed in, and no other.
    SignedIn {
        /// The user, as the room's visitors see them.
        user: PublicId,
        /// Path and query of their page.
        address: &'a str,
    },
}

impl<'a> From<Option<&'a Guest>> for NameHolder<'a> {
    fn from(guest: Option<&'a Guest>) -> Self {
        guest.map_or(Self::Anybody, Self::Guest)
    }
}

/// The content of a signed name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OpenedName {
    pub(crate) stream: StreamKind,
    /// The guest whose page it was signed for, if the visitor had no cookie.
    pub(crate) guest: Option<UserId>,
    /// The page that it was signed for, if its visitor had signed in.
    pub(crate) page: Option<SignedInPage>,
}

/// A page of a user who had signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SignedInPage {
    /// The user in lower-case hexadecimal digits, as the room's visitors see them.
    pub(crate) user: String,
    /// Path and query.
    pub(crate) address: String,
}

/// A stream of a room's page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum StreamKind {
    /// All visitors of the room.
    Room(Room),
    /// One user's tabs in the room: the user of the socket, whoever the name was made for.
    User(Room),
}

impl SignedNames {
    pub(crate) fn new(keys: RotatingKeys, site: &'static str) -> Self {
        Self { keys, site }
    }

    pub(crate) fn guest(&self, guest: &Guest) -> UserId {
        IdKind::Guest.user(self.site, &guest.0)
    }

    /// The signed name of a room's stream.
    pub(crate) fn room<'a>(&self, room: &Room, holder: impl Into<NameHolder<'a>>) -> String {
        sign_name(&self.keys.signing, &format!("{}room:{room}", prefix(holder.into())))
    }

    /// The signed name of one user's stream in a room.
    pub(crate) fn user<'a>(&self, room: &Room, user: &PublicId, holder: impl Into<NameHolder<'a>>) -> String {
        sign_name(&self.keys.signing, &format!("{}user:{room}:{}", prefix(holder.into()), user.long()))
    }

    /// The content of a signed name; `None` if this server did not sign it.
    pub(crate) fn open(&self, signed_name: &str) -> Option<OpenedName> {
        let name = open_name(&self.keys.accepted, signed_name)?;
        let (mut guest, mut page, mut rest) = (None, None, name.as_str());
        if let Some((id, after)) = name.strip_prefix("guest:").and_then(|rest| rest.split_once(':')) {
            guest = Some(Guest(HEXLOWER_PERMISSIVE.decode(id.as_bytes()).ok()?.try_into().ok()?));
            rest = after;
        } else if let Some((user, after)) = name.strip_prefix("signed:").and_then(|rest| rest.split_once(':')) {
            let (address, after) = after.split_once(':')?;
            let address = String::from_utf8(URL_SAFE_NO_PAD.decode(address).ok()?).ok()?;
            page = Some(SignedInPage { user: user.to_owned(), address });
            rest = after;
        }
        let stream = if let Some(room) = rest.strip_prefix("room:") {
            StreamKind::Room(Room::new(room)?)
        } else {
            let (room, _) = rest.strip_prefix("user:")?.rsplit_once(':')?;
            StreamKind::User(Room::new(room)?)
        };
        Some(OpenedName { stream, guest: guest.map(|guest| self.guest(&guest)), page })
    }

    /// The same name, signed with the key that signs now; `None` if that has signed it, or no accepted key has.
    pub(crate) fn renewed(&self, signed_name: &str) -> Option<String> {
        let (_, others) = self.keys.accepted.split_first()?;
        let name = open_name(others, signed_name)?;
        Some(sign_name(&self.keys.signing, &name))
    }
}

/// Seals guests into the ids of sessions: a guest who connects to another node with such an id stays the same user there.
pub(crate) struct SealedGuests {
    keys: RotatingKeys,
}

impl SealedGuests {
    pub(crate) fn new(keys: RotatingKeys) -> Self {
        Self { keys }
    }

    /// A session's id with a guest in it.
    pub(crate) fn seal(&self, session: impl Display, guest: &Guest) -> String {
        format!("{session}.{}", sign_id(&self.keys, &guest.0))
    }

    /// The guest in a session's id; `None` if it holds none, or one that this server did not seal.
    pub(crate) fn open(&self, session: &str) -> Option<Guest> {
        let (_, guest) = session.split_once('.')?;
        open_id(&self.keys, guest).map(Guest)
    }
}

/// Makes users of the ids that stock clients join with.
pub(crate) struct MemberIds {
    key: [u8; 32],
}

impl MemberIds {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The user of an id that a site has signed.
    pub(crate) fn signed(&self, id: &str) -> UserId {
        UserId(sign(&self.key, format!("anycable\0{id}").as_bytes()))
    }

    /// The user of this id who has signed in on this server's own pages.
    pub(crate) fn signed_in(&self, id: &str) -> UserId {
        UserId(sign(&self.key, format!("signed in\0{id}").as_bytes()))
    }

    /// The user of an id that a guest has chosen: another one for every guest.
    pub(crate) fn of_guest(&self, guest: &UserId, id: &str) -> UserId {
        let parts = [b"anycable guest\0", &guest.0[..], id.as_bytes()];
        UserId(sign(&self.key, &parts.concat()))
    }
}

fn prefix(holder: NameHolder<'_>) -> String {
    match holder {
        NameHolder::Anybody => String::new(),
        NameHolder::Guest(guest) => format!("guest:{}:", HEXLOWER.encode(&guest.0)),
        NameHolder::SignedIn { user, address } => {
            format!("signed:{}:{}:", user.long(), URL_SAFE_NO_PAD.encode(address))
        }
    }
}

/// An id and its signature, as text.
fn sign_id(keys: &RotatingKeys, id: &[u8; 16]) -> String {
    let signature = sign(&keys.signing, id);
    format!("{}.{}", URL_SAFE_NO_PAD.encode(id), URL_SAFE_NO_PAD.encode(signature))
}

/// The id in a signed id; `None` if its signature is not valid.
fn open_id(keys: &RotatingKeys, text: &str) -> Option<[u8; 16]> {
    let (id, signature) = text.split_once('.')?;
    let id: [u8; 16] = URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    verify(&keys.accepted, &id, &signature).then_some(id)
}

/// The id in the first cookie of this name with a valid signature.
fn cookie_id(keys: &RotatingKeys, header: &str, name: &str) -> Option<[u8; 16]> {
    let pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| open_id(keys, value))
}

#[cfg(test)]
mod tests;
