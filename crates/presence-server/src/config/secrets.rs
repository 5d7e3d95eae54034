//! Secrets, from the environment.

/// Secrets. They are never on the command line, which every user of the machine can read.
///
/// ```
/// use presence_server::{Config, Secrets};
///
/// let mut config = Config::of(["--mesh-listen", "quic/127.0.0.1:7447"]).unwrap();
/// config.secrets = Secrets { secret: Some("0123456789abcdef0123456789abcdef".to_owned()), ..Secrets::default() };
/// assert_eq!(config.check(), Ok(()));
/// config.secrets = Secrets::default();
/// assert!(config.check().unwrap_err().contains("GP_SECRET"));
/// ```
#[derive(Clone, Default)]
pub struct Secrets {
    /// `GP_SECRET`: at least 32 bytes, the same on every node.
    pub secret: Option<String>,
    /// `GP_SECRET_PREVIOUS`: signs while it is set; signatures of both secrets are accepted.
    pub previous: Option<String>,
    /// `GP_API_KEY`: grants access to the whole API.
    pub api_key: Option<String>,
    /// `GP_WEBHOOK_SECRET`: signs webhooks. `whsec_` and Base64; two during a rotation.
    pub webhook: Option<String>,
}

impl Secrets {
    pub(crate) fn from_environment() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            secret: read("GP_SECRET"),
            previous: read("GP_SECRET_PREVIOUS"),
            api_key: read("GP_API_KEY"),
            webhook: read("GP_WEBHOOK_SECRET"),
        }
    }

    /// Fails if a secret is too short or missing, with a sentence that says what to write instead.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (name, value) in [("GP_SECRET", &self.secret), ("GP_SECRET_PREVIOUS", &self.previous)] {
            if let Some(length) = value.as_ref().map(String::len).filter(|length| *length < 32) {
                return Err(format!(
                    "{name} has {length} bytes; it needs at least 32, such as the output of `openssl rand -hex 32`"
                ));
            }
        }
        if self.previous.is_some() && self.secret.is_none() {
            return Err("GP_SECRET_PREVIOUS is set without GP_SECRET; set GP_SECRET to the new secret".to_owned());
        }
        Ok(())
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}
