//! Visitors of the pages of sites: a random signed id, which a cookie or the page keeps.

use presence_cable::presence_v1::EmbedIdentity;
use presence_core::UserId;

use super::{COOKIE_AGE_S, IdKind, cookie_id, open_id, sign_id};
use crate::secret::{RotatingKeys, random};

/// A browser on the pages of one site, or one page where nothing can be kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct EmbedId([u8; 16]);

impl EmbedId {
    pub(crate) fn random() -> Self {
        Self(random())
    }

    /// The user on a site. The same id is another user on every site.
    pub(crate) fn user(&self, site: &str) -> UserId {
        IdKind::Embed.user(site, &self.0)
    }
}

/// Reads and writes the ids of embeds.
pub(crate) struct EmbedIds {
    keys: RotatingKeys,
}

impl EmbedIds {
    pub(crate) fn new(keys: RotatingKeys) -> Self {
        Self { keys }
    }

    /// The id as the page keeps it: a bearer secret.
    pub(crate) fn text(&self, id: &EmbedId) -> String {
        sign_id(&self.keys, &id.0)
    }

    /// An id that a page kept; `None` if its signature is not valid.
    pub(crate) fn read(&self, text: &str) -> Option<EmbedId> {
        open_id(&self.keys, text).map(EmbedId)
    }

    /// A visitor's id: the one in the cookie, else the one that the page kept, else the new one.
    pub(crate) fn identify(
        &self,
        cookie: Option<EmbedId>,
        given: Option<&str>,
        new: EmbedId,
    ) -> (EmbedId, EmbedIdentity) {
        match (cookie, given.and_then(|text| self.read(text))) {
            (Some(id), _) => (id, EmbedIdentity::Cookie),
            (None, Some(given)) => (given, EmbedIdentity::Given),
            (None, None) => (new, EmbedIdentity::New),
        }
    }

    /// Browsers accept a cookie with the prefix `__Host-` only over TLS, for the whole host and every path.
    fn cookie_name(secure: bool) -> &'static str {
        if secure { "__Host-presence-embed" } else { "presence-embed" }
    }

    /// The id in a `Cookie` header: the first cookie of this name with a valid signature.
    pub(crate) fn read_cookie(&self, header: &str, secure: bool) -> Option<EmbedId> {
        cookie_id(&self.keys, header, Self::cookie_name(secure)).map(EmbedId)
    }

    /// The `Set-Cookie` header for an id. Over TLS, browsers keep one cookie for each embedding site, so that visitors can't
    /// be followed from site to site. Without TLS, they accept it only if both are on the same host.
    pub(crate) fn write_cookie(&self, id: &EmbedId, secure: bool) -> String {
        let (name, value) = (Self::cookie_name(secure), self.text(id));
        let scope = if secure { "SameSite=None; Secure; Partitioned" } else { "SameSite=Lax" };
        format!("{name}={value}; Path=/; Max-Age={COOKIE_AGE_S}; HttpOnly; {scope}")
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn embeds(byte: u8) -> EmbedIds {
        EmbedIds::new(RotatingKeys { signing: [byte; 32], accepted: vec![[byte; 32]] })
    }

    #[test]
    fn only_signed_ids_are_read() {
        let id = EmbedId::random();
        let text = embeds(1).text(&id);
        assert_eq!(embeds(1).read(&text), Some(id));
        assert_eq!(embeds(2).read(&text), None);
        let (drawn, tag) = text.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode([0; 16]);
        for forged in ["", ".", drawn, &format!("{drawn}."), &format!("{other}.{tag}"), &text[1..]] {
            assert_eq!(embeds(1).read(forged), None, "{forged}");
        }
    }

    #[test]
    fn a_cookie_wins_over_the_pages_id_and_that_over_a_new_one() {
        let (embeds, [known, given, fresh]) = (embeds(1), [(); 3].map(|()| EmbedId::random()));
        let text = embeds.text(&given);
        assert_eq!(embeds.identify(Some(known), Some(&text), fresh), (known, EmbedIdentity::Cookie));
        assert_eq!(embeds.identify(None, Some(&text), fresh), (given, EmbedIdentity::Given));
        for none in [None, Some(""), Some("forged.id")] {
            assert_eq!(embeds.identify(None, none, fresh), (fresh, EmbedIdentity::New));
        }
    }

    #[test]
    fn the_cookie_is_partitioned_over_tls_and_read_only_under_its_own_name() {
        let (embeds, id) = (embeds(1), EmbedId::random());
        let written = embeds.write_cookie(&id, true);
        assert!(written.starts_with("__Host-presence-embed=") && written.contains("; Path=/;"));
        assert!(written.ends_with("HttpOnly; SameSite=None; Secure; Partitioned"));
        let pair = written.split(';').next().unwrap();
        assert_eq!(embeds.read_cookie(&format!("a=b; {pair}"), true), Some(id));
        assert_eq!(embeds.read_cookie(pair, false), None);
        let plain = embeds.write_cookie(&id, false);
        assert!(!plain.contains("Secure") && embeds.read_cookie(plain.split(';').next().unwrap(), false) == Some(id));
    }

    #[test]
    fn one_id_is_another_user_on_every_site() {
        let id = EmbedId::random();
        assert_eq!(id.user("https://a.example"), id.user("https://a.example"));
        assert_ne!(id.user("https://a.example"), id.user("https://b.example"));
        assert_ne!(id.user("demo"), IdKind::Cookie.user("demo", &id.0));
    }
}
