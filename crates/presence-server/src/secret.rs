//! The shared secret, and one key derived from it for each purpose, so that a leaked key is of no use for another purpose.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use hkdf::Hkdf;
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
    /// Users of the ids that stock clients join with.
    Members,
    /// Guests in the ids of stock clients' sessions.
    Guests,
    /// The certificate authority of the links between nodes.
    MeshAuthority,
    /// Stateless resets of QUIC.
    MeshResets,
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
        }
    }
}

/// The keys of one purpose, two during a rotation.
#[derive(Clone)]
pub(crate) struct RotatingKeys {
    /// Signs. During a rotation this is the previous secret's key.
    pub(crate) signing: [u8; 32],
    /// All keys whose signatures are valid; the signing one is the first.
    pub(crate) accepted: Vec<[u8; 32]>,
}

/// The secret of this node, and during a rotation the previous one.
#[derive(Clone)]
pub(crate) struct Secret {
    current: Vec<u8>,
    previous: Option<Vec<u8>>,
}

impl Secret {
    /// The configured secret. A node without a mesh may do without: its secret is in its data directory, created at the first
    /// start, or random for this run if it can't be stored. The second value is a warning for the log.
    pub(crate) fn find(secrets: &Secrets, data_dir: Option<&Path>) -> (Self, Option<String>) {
        if let Some(secret) = &secrets.secret {
            let previous = secrets.previous.as_ref().map(|text| text.clone().into_bytes());
            return (Self { current: secret.clone().into_bytes(), previous }, None);
        }
        let Some(folder) = data_dir else {
            let warning = "neither GP_SECRET nor --data-dir is set: visitors get new identities after a restart";
            return (Self::random(), Some(warning.to_owned()));
        };
        match stored_secret(folder) {
            Ok(current) => (Self { current, previous: None }, None),
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
        let current = fs::read(&file)
            .with_context(|| format!("{} is not readable: it should hold the secret of a node", file.display()))?;
        Ok(Self { current, previous: None })
    }

    fn random() -> Self {
        Self { current: random::<32>().to_vec(), previous: None }
    }

    /// The keys of one purpose, two during a rotation.
    pub(crate) fn keys(&self, purpose: Purpose) -> RotatingKeys {
        RotatingKeys::of(self.pair(purpose))
    }

    /// The keys of one site.
    pub(crate) fn site_keys(&self, site: &str) -> RotatingKeys {
        RotatingKeys::of(self.derived(format!("global-presence 1 site {site}").as_bytes()))
    }

    /// The key of one purpose, and during a rotation the previous secret's.
    pub(crate) fn pair(&self, purpose: Purpose) -> ([u8; 32], Option<[u8; 32]>) {
        self.derived(purpose.info())
    }

    /// Whether a rotation is in progress.
    pub(crate) fn is_rotating(&self) -> bool {
        self.previous.is_some()
    }

    fn derived(&self, info: &[u8]) -> ([u8; 32], Option<[u8; 32]>) {
        (derived(&self.current, info), self.previous.as_ref().map(|previous| derived(previous, info)))
    }
}

impl RotatingKeys {
    fn of((current, previous): ([u8; 32], Option<[u8; 32]>)) -> Self {
        let accepted: Vec<_> = previous.into_iter().chain([current]).collect();
        Self { signing: accepted[0], accepted }
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

    fn secrets(secret: &str, previous: Option<&str>) -> Secrets {
        Secrets { secret: Some(secret.to_owned()), previous: previous.map(str::to_owned), ..Secrets::default() }
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let (secret, _) = Secret::find(&secrets("a secret of at least thirty-two bytes", None), None);
        assert_ne!(secret.keys(Purpose::Session).signing, secret.keys(Purpose::Names).signing);
        assert_ne!(secret.keys(Purpose::Session).signing, secret.keys(Purpose::MeshAuthority).signing);
        let site = |name| secret.site_keys(name).signing;
        assert_eq!(site("https://a.example"), site("https://a.example"));
        assert_ne!(site("https://a.example"), site("https://b.example"));
    }

    #[test]
    fn during_a_rotation_the_old_secret_signs_and_both_are_accepted() {
        let (old, _) = Secret::find(&secrets("the old secret of thirty-two bytes!!", None), None);
        let (both, _) = Secret::find(
            &secrets("the new secret of thirty-two bytes!!", Some("the old secret of thirty-two bytes!!")),
            None,
        );
        let (new, _) = Secret::find(&secrets("the new secret of thirty-two bytes!!", None), None);
        let keys = both.keys(Purpose::Session);
        assert_eq!(keys.signing, old.keys(Purpose::Session).signing);
        assert_eq!(keys.accepted, [old.keys(Purpose::Session).signing, new.keys(Purpose::Session).signing]);
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
