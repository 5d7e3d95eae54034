//! Who a visitor of another site's page is: a random id that we signed, kept by a cookie of its own or by the page.

use presence_cable::presence_v1::EmbedIdentity;
use presence_core::UserId;

use super::{AGE_S, Kind, sealed, unsealed};
use crate::secret::{Keys, random};

/// One browser on the pages of one site, or one page of it where nothing can be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EmbedId([u8; 16]);

impl EmbedId {
    pub(crate) fn drawn() -> Self {
        Self(random())
    }

    /// The user on a site: another one on every site, whoever carries an id from one to the other.
    pub(crate) fn user(&self, site: &str) -> UserId {
        Kind::Embed.user(site, &self.0)
    }
}

/// Reads and writes the ids of embeds.
pub(crate) struct Embeds {
    keys: Keys,
}

impl Embeds {
    pub(crate) fn new(keys: Keys) -> Self {
        Self { keys }
    }

    /// The id as the page keeps it. It is a bearer secret: who has it is that visitor.
    pub(crate) fn written(&self, id: &EmbedId) -> String {
        sealed(&self.keys, &id.0)
    }

    /// An id that a page kept; `None` where we did not sign it.
    pub(crate) fn read(&self, text: &str) -> Option<EmbedId> {
        unsealed(&self.keys, text).map(EmbedId)
    }

    /// Who a visitor is: the one of the request's cookie, else the one whose id the page gave, else a new one, `fresh`.
    pub(crate) fn who(&self, known: Option<EmbedId>, given: Option<&str>, fresh: EmbedId) -> (EmbedId, EmbedIdentity) {
        match (known, given.and_then(|text| self.read(text))) {
            (Some(known), _) => (known, EmbedIdentity::Cookie),
            (None, Some(given)) => (given, EmbedIdentity::Given),
            (None, None) => (fresh, EmbedIdentity::New),
        }
    }

    /// A cookie with this prefix is only taken from TLS, whole hosts and no other path.
    fn cookie_name(secure: bool) -> &'static str {
        if secure { "__Host-presence-embed" } else { "presence-embed" }
    }

    /// The id in a `Cookie` header: the first of our name that we signed.
    pub(crate) fn cookie(&self, cookies: &str, secure: bool) -> Option<EmbedId> {
        cookies
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == Self::cookie_name(secure))
            .find_map(|(_, value)| self.read(value))
    }

    /// The `Set-Cookie` header for an id. Over TLS it is kept apart for each site that embeds us, so that nobody is
    /// followed from one to the other by it; without TLS browsers take it only where both are on one host.
    pub(crate) fn cookie_written(&self, id: &EmbedId, secure: bool) -> String {
        let (name, value) = (Self::cookie_name(secure), self.written(id));
        let where_to = if secure { "SameSite=None; Secure; Partitioned" } else { "SameSite=Lax" };
        format!("{name}={value}; Path=/; Max-Age={AGE_S}; HttpOnly; {where_to}")
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn embeds(byte: u8) -> Embeds {
        Embeds::new(Keys { signing: [byte; 32], accepted: vec![[byte; 32]] })
    }

    #[test]
    fn an_id_that_we_signed_is_read_back_and_no_other() {
        let id = EmbedId::drawn();
        let text = embeds(1).written(&id);
        assert_eq!(embeds(1).read(&text), Some(id));
        assert_eq!(embeds(2).read(&text), None);
        let (drawn, tag) = text.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode([0; 16]);
        for forged in ["", ".", drawn, &format!("{drawn}."), &format!("{other}.{tag}"), &text[1..]] {
            assert_eq!(embeds(1).read(forged), None, "{forged}");
        }
    }

    #[test]
    fn the_cookie_counts_then_what_the_page_kept_then_a_new_id() {
        let (embeds, [known, given, fresh]) = (embeds(1), [(); 3].map(|()| EmbedId::drawn()));
        let text = embeds.written(&given);
        assert_eq!(embeds.who(Some(known), Some(&text), fresh), (known, EmbedIdentity::Cookie));
        assert_eq!(embeds.who(None, Some(&text), fresh), (given, EmbedIdentity::Given));
        for none in [None, Some(""), Some("forged.id")] {
            assert_eq!(embeds.who(None, none, fresh), (fresh, EmbedIdentity::New));
        }
    }

    #[test]
    fn the_cookie_is_partitioned_over_tls_and_read_only_under_its_own_name() {
        let (embeds, id) = (embeds(1), EmbedId::drawn());
        let written = embeds.cookie_written(&id, true);
        assert!(written.starts_with("__Host-presence-embed=") && written.contains("; Path=/;"));
        assert!(written.ends_with("HttpOnly; SameSite=None; Secure; Partitioned"));
        let pair = written.split(';').next().unwrap();
        assert_eq!(embeds.cookie(&format!("a=b; {pair}"), true), Some(id));
        assert_eq!(embeds.cookie(pair, false), None);
        let plain = embeds.cookie_written(&id, false);
        assert!(!plain.contains("Secure") && embeds.cookie(plain.split(';').next().unwrap(), false) == Some(id));
    }

    #[test]
    fn one_id_is_another_user_on_every_site() {
        let id = EmbedId::drawn();
        assert_eq!(id.user("https://a.example"), id.user("https://a.example"));
        assert_ne!(id.user("https://a.example"), id.user("https://b.example"));
        assert_ne!(id.user("demo"), Kind::Cookie.user("demo", &id.0));
    }
}
