//! The API keys of a node: those of its environment, which may do everything, and those of `--api-keys-file`, each with what
//! it may do and where.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};
use parking_lot::RwLock;
use serde::Deserialize;

use crate::config::{API_KEY_BYTES_MIN, Config, Origin};
use crate::identity::sha256;
use crate::watched_files::WatchedFiles;

/// Keys in a file: each request is compared with all of them.
const KEYS_MAX: usize = 1_000;
const FILE_BYTES_MAX: u64 = 1_024 * 1_024;
const NAME_BYTES_MAX: usize = 64;

/// Something that a key may allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyRight {
    /// To read what is not public: members, private rooms, facts, nodes, metrics.
    Read,
    /// To publish.
    Publish,
    /// Everything: that, and to remove users and facts.
    Admin,
}

impl KeyRight {
    /// The word in the file.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Admin => "admin",
        }
    }
}

/// What the holder of a key may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeyRights {
    /// The key's name in the file, or that of its variable.
    name: String,
    rights: Vec<KeyRight>,
    /// The only origin whose rooms and streams it is for.
    site: Option<Origin>,
}

impl KeyRights {
    /// What the key is called in the log.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The only origin that it is for, if there is one.
    pub(crate) fn site(&self) -> Option<&Origin> {
        self.site.as_ref()
    }

    pub(crate) fn allows(&self, right: KeyRight) -> bool {
        self.rights.iter().any(|own| *own == right || *own == KeyRight::Admin)
    }

    /// Whether it is for rooms of this origin; `None`: for what belongs to no site. The names of rooms begin with a host: pages
    /// of one host share rooms, with TLS and without.
    pub(crate) fn is_for(&self, origin: Option<&Origin>) -> bool {
        self.site.as_ref().is_none_or(|own| origin.is_some_and(|origin| own.host == origin.host))
    }
}

struct ApiKey {
    /// SHA-256.
    hash: [u8; 32],
    rights: Arc<KeyRights>,
}

/// An entry of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: String,
    key: String,
    may: Vec<KeyRight>,
    site: Option<String>,
}

/// All keys of a node.
#[derive(Default)]
pub(crate) struct ApiKeys {
    of_environment: Vec<ApiKey>,
    of_file: RwLock<Vec<ApiKey>>,
    has_file: bool,
}

impl ApiKeys {
    /// The keys of the environment and of the file, which is read again when it changes. Fails if the file can't be used.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Arc<Self>> {
        let secrets = &config.secrets;
        let full = |(name, key): (&str, &Option<String>)| {
            let rights = KeyRights { name: name.to_owned(), rights: vec![KeyRight::Admin], site: None };
            key.as_ref().map(|key| ApiKey { hash: sha256(key.as_bytes()), rights: Arc::new(rights) })
        };
        let variables = [("GP_API_KEY", &secrets.api_key), ("GP_API_KEY_ACCEPTED", &secrets.api_key_accepted)];
        let of_environment = variables.into_iter().filter_map(full).collect();
        let keys = Self { of_environment, ..Self::default() };
        let Some(file) = config.api_keys_file.clone() else {
            return Ok(Arc::new(keys));
        };
        let watched = WatchedFiles::new("the API keys", [file.clone()]);
        let of_file = RwLock::new(keys.read(&file)?);
        let keys = Arc::new(Self { of_file, has_file: true, ..keys });
        let weak = Arc::downgrade(&keys);
        tokio::spawn(watched.follow(move || {
            let keys = weak.upgrade()?;
            Some(keys.read(&file).map(|read| *keys.of_file.write() = read))
        }));
        Ok(keys)
    }

    /// Whether there can be a right key.
    pub(crate) fn exist(&self) -> bool {
        self.has_file || !self.of_environment.is_empty()
    }

    /// What this key allows; `None`: it is none of ours. Hashes are compared, and all of them, so that the time it takes tells
    /// nothing about a key.
    pub(crate) fn rights(&self, given: &[u8]) -> Option<Arc<KeyRights>> {
        let (given, of_file) = (sha256(given), self.of_file.read());
        let all = self.of_environment.iter().chain(of_file.iter());
        let found = all.fold(None, |found, key| if key.hash == given { Some(&key.rights) } else { found });
        found.map(Arc::clone)
    }

    fn read(&self, file: &Path) -> anyhow::Result<Vec<ApiKey>> {
        let shown = file.display();
        let size = std::fs::metadata(file).with_context(|| format!("--api-keys-file {shown} is not readable"))?.len();
        ensure!(size <= FILE_BYTES_MAX, "--api-keys-file {shown} has more than {FILE_BYTES_MAX} bytes");
        let text = std::fs::read_to_string(file).with_context(|| format!("--api-keys-file {shown} is not readable"))?;
        self.parse(&text).with_context(|| format!("--api-keys-file {shown}"))
    }

    /// An error says where the mistake is, and never shows a key.
    fn parse(&self, text: &str) -> anyhow::Result<Vec<ApiKey>> {
        let entries: Vec<KeyEntry> = match serde_json::from_str(text) {
            Ok(entries) => entries,
            Err(wrong) => bail!(
                r#"line {}, column {}: write an array of keys such as {{"name": "dashboard", "key": "...", "may": ["read"]}}, where may has read, publish or admin, and site, if it is there, is an origin"#,
                wrong.line(),
                wrong.column()
            ),
        };
        ensure!(entries.len() <= KEYS_MAX, "it has {} keys; a node has at most {KEYS_MAX}", entries.len());
        let mut keys: Vec<ApiKey> = Vec::with_capacity(entries.len());
        for (number, entry) in (1..).zip(entries) {
            let KeyEntry { name, key, may, site } = entry;
            ensure!((1..=NAME_BYTES_MAX).contains(&name.len()), "key {number}: a name has 1 to {NAME_BYTES_MAX} bytes");
            let length = key.len();
            ensure!(
                length >= API_KEY_BYTES_MIN,
                "key {name:?} has {length} bytes; it needs at least {API_KEY_BYTES_MIN}, such as the output of `openssl rand -hex 32`"
            );
            ensure!(!may.is_empty(), "key {name:?} may do nothing: write read, publish or admin into its may");
            let site = site.map(|site| origin(&site)).transpose();
            let site = site.map_err(|mistake| anyhow!("key {name:?}: {mistake}"))?;
            let hash = sha256(key.as_bytes());
            ensure!(
                self.of_environment.iter().all(|known| known.hash != hash),
                "key {name:?} is GP_API_KEY or GP_API_KEY_ACCEPTED, which may do everything: give it a key of its own"
            );
            ensure!(
                keys.iter().all(|known| known.hash != hash),
                "key {name:?} is the same as an earlier one: give each its own"
            );
            keys.push(ApiKey { hash, rights: Arc::new(KeyRights { name, rights: may, site }) });
        }
        Ok(keys)
    }
}

/// The site of a key: one origin. No site need have it yet: sites come and go while the node runs.
fn origin(text: &str) -> Result<Origin, String> {
    text.parse::<Origin>().map_err(|_| {
        format!("site is one origin such as https://shop.example, not {text:?}: write a key for each origin, or no site for all")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secrets;

    const FILE: &str = r#"[
        {"name": "dashboard", "key": "a key that may read only", "may": ["read"]},
        {"name": "shop", "key": "the first key of a shop", "may": ["read", "publish"], "site": "https://Shop.example/"},
        {"name": "shop, next", "key": "the second key of a shop", "may": ["admin"], "site": "https://shop.example"}
    ]"#;

    fn parse(text: &str) -> anyhow::Result<Vec<ApiKey>> {
        let of_environment = Config { secrets: secrets(), ..Config::of([]).unwrap() };
        ApiKeys::open(&of_environment).unwrap().parse(text)
    }

    fn secrets() -> Secrets {
        Secrets {
            api_key: Some("the key of today".to_owned()),
            api_key_accepted: Some("the other one of two".to_owned()),
            ..Secrets::default()
        }
    }

    fn keys(text: &str) -> ApiKeys {
        ApiKeys { of_file: RwLock::new(parse(text).unwrap()), has_file: true, ..ApiKeys::default() }
    }

    fn of(site: &str) -> Origin {
        site.parse().unwrap()
    }

    #[test]
    fn a_key_may_do_what_its_entry_says_and_where() {
        let keys = keys(FILE);
        let reads = keys.rights(b"a key that may read only").unwrap();
        assert!(reads.allows(KeyRight::Read) && !reads.allows(KeyRight::Publish) && !reads.allows(KeyRight::Admin));
        assert!(reads.is_for(None) && reads.is_for(Some(&of("https://any.example"))));
        let [first, second] = ["the first key of a shop", "the second key of a shop"]
            .map(|key| keys.rights(key.as_bytes()).expect("a site may have two keys at a time"));
        assert!(first.allows(KeyRight::Publish) && !first.allows(KeyRight::Admin));
        assert!(second.allows(KeyRight::Read) && second.allows(KeyRight::Admin), "admin is everything");
        for of_site in [&first, &second] {
            assert!(of_site.is_for(Some(&of("https://shop.example"))));
            assert!(!of_site.is_for(Some(&of("https://other.example"))) && !of_site.is_for(None));
        }
        assert_eq!(keys.rights(b"a key of no one"), None);
        assert_eq!(keys.rights(b""), None);
    }

    #[test]
    fn both_keys_of_the_environment_may_do_everything() {
        let keys = ApiKeys::open(&Config { secrets: secrets(), ..Config::of([]).unwrap() }).unwrap();
        for key in ["the key of today", "the other one of two"] {
            let rights = keys.rights(key.as_bytes()).unwrap();
            assert!(rights.allows(KeyRight::Admin) && rights.is_for(None), "{key}");
        }
        assert!(keys.exist() && !ApiKeys::default().exist());
    }

    #[test]
    fn a_mistake_in_the_file_says_what_to_write_and_shows_no_key() {
        let key = |rest: &str| format!(r#"[{{"name": "n", "key": "a secret of 16 bytes"{rest}}}]"#);
        let twice = r#"{"name": "n", "key": "a secret of 16 bytes", "may": ["read"]}"#;
        for (text, says) in [
            ("{}".to_owned(), "an array of keys"),
            (key(""), "line 1"),
            (key(r#", "may": "a secret of 16 bytes""#), "read, publish or admin"),
            (key(r#", "may": ["write"]"#), "read, publish or admin"),
            (key(r#", "may": []"#), "may do nothing"),
            (key(r#", "may": ["read"], "more": 1"#), "line 1"),
            (key(r#", "may": ["read"], "site": "shop""#), "https://shop.example"),
            (key(r#", "may": ["read"], "site": "*""#), "a key for each origin, or no site for all"),
            (key(r#", "may": ["read"], "site": "https://*.example""#), "a key for each origin"),
            (r#"[{"name": "n", "key": "the key of today", "may": ["read"]}]"#.to_owned(), "GP_API_KEY"),
            (r#"[{"name": "n", "key": "the other one of two", "may": ["read"]}]"#.to_owned(), "GP_API_KEY_ACCEPTED"),
            (r#"[{"name": "n", "key": "secret", "may": ["read"]}]"#.to_owned(), "at least 16"),
            (r#"[{"name": "", "key": "a secret of 16 bytes", "may": ["read"]}]"#.to_owned(), "a name has"),
            (format!("[{twice}, {twice}]"), "earlier one"),
            (format!("[{}]", vec![twice; 1_001].join(",")), "at most 1000"),
        ] {
            let mistake = format!("{:#}", parse(&text).map(|_| ()).unwrap_err());
            assert!(mistake.contains(says) && !mistake.contains("secret"), "{text}: {mistake}");
        }
    }
}
