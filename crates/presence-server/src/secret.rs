//! The shared secret, and one key derived from it for each purpose, so that a leaked key is of no use for another purpose.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;

use anyhow::Context as _;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::config::Secrets;

/// The purpose of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Session cookies.
    Session,
    /// Signed names of the streams of this server's own pages.
    Names,
    /// Ids of visitors of the pages of sites.
    Embed,
    /// Signed names of streams that are published to by the API.
    Streams,
    /// Users of the ids that stock clients join with. Only [`Secret::user_key`] has it: it outlives a rotation.
    Members,
    /// Guests in the ids of stock clients' sessions.
    Guests,
    /// The certificate authority of the links between nodes.
    MeshAuthority,
    /// Stateless resets of QUIC.
    MeshResets,
    /// Messages between nodes that go through NATS.
    MeshSealing,
}

impl Purpose {
    fn info(self) -> &'static [u8] {
        match self {
            Self::Session => b"global-presence 1 session",
            Self::Names => b"global-presence 1 names",
            Self::Embed => b"global-presence 1 embed",
            Self::Streams => b"global-presence 1 streams",
            Self::Members => b"global-presence 1 members",
            Self::Guests => b"global-presence 1 guests",
            Self::MeshAuthority => b"global-presence 1 mesh authority",
            Self::MeshResets => b"global-presence 1 mesh resets",
            Self::MeshSealing => b"global-presence 1 mesh sealing",
        }
    }
}

/// Which of a site's keys. Every number has a key of its own, made from the secret, so that no key has to be stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct KeyNumber(NonZeroU32);

/// The number of the key that a site has at first.
const FIRST_KEY: u32 = 1;

impl Default for KeyNumber {
    fn default() -> Self {
        Self(NonZeroU32::MIN)
    }
}

impl FromStr for KeyNumber {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("the number of a key is 1 or more, not {text:?}"))
    }
}

/// The keys of one purpose, two during a rotation.
#[derive(Clone)]
pub(crate) struct RotatingKeys {
    /// Signs: the key of `GP_SECRET`.
    pub(crate) signing: [u8; 32],
    /// All keys whose signatures are valid; the signing one is the first.
    pub(crate) accepted: Vec<[u8; 32]>,
}

/// The secret of this node, and during a rotation another one.
#[derive(Clone)]
pub(crate) struct Secret {
    signing: Vec<u8>,
    /// During a rotation: its signatures are accepted, too, and it signs nothing.
    accepted: Option<Vec<u8>>,
    /// What ids of users are made from, if not the secret that signs: they must outlive a change of it.
    users: Option<Vec<u8>>,
}

impl Secret {
    /// The configured secret. A node without a mesh may do without: its secret is in its data directory, created at the first
    /// start, or random for this run if it can't be stored. The second value is a warning for the log.
    pub(crate) fn find(secrets: &Secrets, data_dir: Option<&Path>) -> (Self, Option<String>) {
        if let Some(secret) = &secrets.secret {
            let bytes = |text: &Option<String>| text.as_ref().map(|text| text.clone().into_bytes());
            let (accepted, users) = (bytes(&secrets.accepted), bytes(&secrets.users));
            return (Self { signing: secret.clone().into_bytes(), accepted, users }, None);
        }
        let Some(folder) = data_dir else {
            let warning = "neither GP_SECRET nor --data-dir is set: visitors get new identities after a restart";
            return (Self::random(), Some(warning.to_owned()));
        };
        match stored_secret(folder) {
            Ok(signing) => (Self::lone(signing), None),
            Err(error) => {
                let warning = format!(
                    "could not store the secret in {} ({error}): a random one is used for this run; make the folder writable",
                    folder.display()
                );
                (Self::random(), Some(warning))
            }
        }
    }

    /// The secret of existing nodes: the configured one, or the one that a node created in its data directory. An error says
    /// what to set.
    pub(crate) fn existing(secrets: &Secrets, data_dir: Option<&Path>) -> anyhow::Result<Self> {
        if secrets.secret.is_some() {
            secrets.check().map_err(|mistake| anyhow::anyhow!(mistake))?;
            return Ok(Self::find(secrets, None).0);
        }
        let folder = data_dir.context(
            "set GP_SECRET to the nodes' secret, or --data-dir to the data directory of a node that has its own",
        )?;
        let file = folder.join("secret");
        let signing = fs::read(&file)
            .with_context(|| format!("{} is not readable: it should hold the secret of a node", file.display()))?;
        Ok(Self::lone(signing))
    }

    fn random() -> Self {
        Self::lone(random::<32>().to_vec())
    }

    fn lone(signing: Vec<u8>) -> Self {
        Self { signing, accepted: None, users: None }
    }

    /// The keys of one purpose, two during a rotation.
    pub(crate) fn keys(&self, purpose: Purpose) -> RotatingKeys {
        RotatingKeys::of(self.pair(purpose))
    }

    /// The keys of one site with these numbers: of the first one, and so on.
    pub(crate) fn site_keys(&self, site: &str, numbers: &[KeyNumber]) -> RotatingKeys {
        let of_number = |number: &KeyNumber| match number.0.get() {
            FIRST_KEY => site_info(site),
            later => format!("{} key {later}", site_info(site)),
        };
        let each = numbers.iter().map(|number| RotatingKeys::of(self.derived(of_number(number).as_bytes())));
        let all = each.reduce(|all, keys| RotatingKeys { accepted: [all.accepted, keys.accepted].concat(), ..all });
        all.unwrap_or_else(|| self.site_keys(site, &[KeyNumber::default()]))
    }

    /// The key that ids of users are made with.
    pub(crate) fn user_key(&self, purpose: Purpose) -> [u8; 32] {
        derived(self.users.as_ref().unwrap_or(&self.signing), purpose.info())
    }

    /// The key that ids of one site's users are made with.
    pub(crate) fn site_user_key(&self, site: &str) -> [u8; 32] {
        derived(self.users.as_ref().unwrap_or(&self.signing), site_info(site).as_bytes())
    }

    /// The key of one purpose that signs, and during a rotation the other one that is accepted.
    pub(crate) fn pair(&self, purpose: Purpose) -> ([u8; 32], Option<[u8; 32]>) {
        self.derived(purpose.info())
    }

    /// Whether a rotation is in progress.
    pub(crate) fn is_rotating(&self) -> bool {
        self.accepted.is_some()
    }

    fn derived(&self, info: &[u8]) -> ([u8; 32], Option<[u8; 32]>) {
        (derived(&self.signing, info), self.accepted.as_ref().map(|accepted| derived(accepted, info)))
    }
}

fn site_info(site: &str) -> String {
    format!("global-presence 1 site {site}")
}

impl RotatingKeys {
    fn of((signing, accepted): ([u8; 32], Option<[u8; 32]>)) -> Self {
        Self { signing, accepted: [signing].into_iter().chain(accepted).collect() }
    }
}

fn derived(secret: &[u8], info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let length = Hkdf::<Sha256>::new(None, secret).expand(info, &mut key);
    length.expect("32 bytes are less than HKDF's limit of 8,160");
    key
}

/// Unpredictable bytes.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel's random source answers on every system that we run on");
    bytes
}

fn stored_secret(folder: &Path) -> std::io::Result<Vec<u8>> {
    let path = folder.join("secret");
    match fs::read(&path) {
        Ok(secret) if secret.len() >= 32 => return Ok(secret),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::create_dir_all(folder)?;
    let secret = random::<32>().to_vec();
    let new = folder.join("secret.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "the old secret of thirty-two bytes!!";
    const NEW: &str = "the new secret of thirty-two bytes!!";

    fn secret(signing: &str, accepted: Option<&str>, users: Option<&str>) -> Secret {
        let [accepted, users] = [accepted, users].map(|text| text.map(str::to_owned));
        Secret::find(&Secrets { secret: Some(signing.to_owned()), accepted, users, ..Secrets::default() }, None).0
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let secret = secret(OLD, None, None);
        assert_ne!(secret.keys(Purpose::Session).signing, secret.keys(Purpose::Names).signing);
        assert_ne!(secret.keys(Purpose::Session).signing, secret.keys(Purpose::MeshAuthority).signing);
        let site = |name| secret.site_keys(name, &[]).signing;
        assert_eq!(site("https://a.example"), site("https://a.example"));
        assert_ne!(site("https://a.example"), site("https://b.example"));
    }

    #[test]
    fn each_number_is_a_key_of_its_own_and_those_of_both_secrets_are_accepted() {
        let number = |number: &str| number.parse::<KeyNumber>().unwrap();
        let [first, second] = [number("1"), number("2")];
        let keys = |numbers: &[KeyNumber]| secret(NEW, Some(OLD), None).site_keys("https://a.example", numbers);
        let both = keys(&[second, first]);
        assert_eq!((both.accepted.len(), both.signing), (4, keys(&[second]).signing));
        for one in [keys(&[first]), keys(&[second])] {
            assert!(one.accepted.iter().all(|key| both.accepted.contains(key)));
            assert!(one.accepted.len() == 2 && one.accepted[0] != one.accepted[1]);
        }
        assert_ne!(keys(&[first]).signing, keys(&[second]).signing);
        assert_eq!(keys(&[]).signing, keys(&[first]).signing);
        assert!("0".parse::<KeyNumber>().is_err());
    }

    #[test]
    fn one_secret_signs_and_both_are_accepted_in_every_round() {
        let keys = |signing, accepted| secret(signing, accepted, None).keys(Purpose::Session);
        let rounds = [(OLD, None), (OLD, Some(NEW)), (NEW, Some(OLD)), (NEW, None)];
        for pair in rounds.windows(2) {
            let [before, after] = [pair[0], pair[1]].map(|(signing, accepted)| keys(signing, accepted));
            assert!(after.accepted.contains(&before.signing), "what was signed before the round is valid after it");
            assert!(before.accepted.contains(&after.signing), "what is signed after it is valid on nodes before it");
        }
        assert_eq!(keys(NEW, Some(OLD)).signing, keys(NEW, None).signing);
    }

    #[test]
    fn users_stay_who_they_are_when_the_secret_is_changed() {
        let users = |secret: Secret| (secret.user_key(Purpose::Members), secret.site_user_key("https://a.example"));
        let before = users(secret(OLD, None, None));
        assert_eq!(users(secret(OLD, Some(NEW), None)), before);
        assert_eq!(users(secret(NEW, Some(OLD), Some(OLD))), before);
        assert_eq!(users(secret(NEW, None, Some(OLD))), before);
        assert_ne!(users(secret(NEW, None, None)), before);
    }

    #[test]
    fn a_node_without_a_mesh_stores_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let (first, warning) = Secret::find(&Secrets::default(), Some(folder.path()));
        let (second, _) = Secret::find(&Secrets::default(), Some(folder.path()));
        assert_eq!(warning, None);
        assert_eq!(first.keys(Purpose::Names).signing, second.keys(Purpose::Names).signing);
        let (other, warning) = Secret::find(&Secrets::default(), None);
        assert_ne!(first.keys(Purpose::Names).signing, other.keys(Purpose::Names).signing);
        assert!(warning.unwrap().contains("GP_SECRET"));
    }
}
