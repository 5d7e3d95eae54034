//! Secrets, from the environment.

use super::otlp_headers;

/// A shorter key can be guessed.
pub(crate) const API_KEY_BYTES_MIN: usize = 16;

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
    /// `GP_SECRET`: at least 32 bytes, the same on every node. It signs.
    pub secret: Option<String>,
    /// `GP_SECRET_ACCEPTED`: a second secret, while the secret is being changed. It signs nothing; what it has signed is
    /// accepted, too.
    pub accepted: Option<String>,
    /// `GP_USER_SECRET`: what ids of users who sign in are made from, if not `GP_SECRET`: the first secret of a mesh whose
    /// secret was changed.
    pub users: Option<String>,
    /// `GP_API_KEY`: at least 16 bytes; grants access to the whole API.
    pub api_key: Option<String>,
    /// `GP_API_KEY_ACCEPTED`: a second key that does the same, while the key is being changed.
    pub api_key_accepted: Option<String>,
    /// `GP_WEBHOOK_SECRET`: signs webhooks. `whsec_` and Base64; two during a rotation.
    pub webhook: Option<String>,
    /// `GP_OTLP_HEADERS`, or else `OTEL_EXPORTER_OTLP_HEADERS`: headers with a key for the collector of traces.
    pub otlp_headers: Option<String>,
}

impl Secrets {
    /// The variables that hold them.
    pub(crate) const NAMES: [&str; 7] = [
        "GP_SECRET",
        "GP_SECRET_ACCEPTED",
        "GP_USER_SECRET",
        "GP_API_KEY",
        "GP_API_KEY_ACCEPTED",
        "GP_WEBHOOK_SECRET",
        "GP_OTLP_HEADERS",
    ];

    pub(crate) fn from_environment() -> Self {
        let [secret, accepted, users, api_key, api_key_accepted, webhook, otlp_headers] = Self::NAMES.map(environment);
        let otlp_headers = otlp_headers.or_else(|| environment("OTEL_EXPORTER_OTLP_HEADERS"));
        Self { secret, accepted, users, api_key, api_key_accepted, webhook, otlp_headers }
    }

    /// The names of those that are set.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let Self { secret, accepted, users, api_key, api_key_accepted, webhook, otlp_headers } = self;
        let all = [secret, accepted, users, api_key, api_key_accepted, webhook, otlp_headers];
        Self::NAMES.into_iter().zip(all).filter_map(|(name, value)| value.as_ref().map(|_| name)).collect()
    }

    /// Fails if a secret is too short or missing, with a sentence that says what to write instead.
    pub(crate) fn check(&self) -> Result<(), String> {
        if environment("GP_SECRET_PREVIOUS").is_some() {
            return Err("GP_SECRET_PREVIOUS is no longer read, and the old secret no longer signs beside a new one: change the secret with GP_SECRET_ACCEPTED, in the three rounds of docs/operating/secrets.md".to_owned());
        }
        let beside = [("GP_SECRET_ACCEPTED", &self.accepted), ("GP_USER_SECRET", &self.users)];
        for (name, value) in [("GP_SECRET", &self.secret)].into_iter().chain(beside) {
            if let Some(length) = value.as_ref().map(String::len).filter(|length| *length < 32) {
                return Err(format!(
                    "{name} has {length} bytes; it needs at least 32, such as the output of `openssl rand -hex 32`"
                ));
            }
        }
        for (name, value) in [("GP_API_KEY", &self.api_key), ("GP_API_KEY_ACCEPTED", &self.api_key_accepted)] {
            if let Some(length) = value.as_ref().map(String::len).filter(|length| *length < API_KEY_BYTES_MIN) {
                return Err(format!(
                    "{name} has {length} bytes; it needs at least {API_KEY_BYTES_MIN}, such as the output of `openssl rand -hex 32`"
                ));
            }
        }
        if let Some((name, _)) = beside.into_iter().find(|(_, value)| value.is_some() && self.secret.is_none()) {
            return Err(format!("{name} is set without GP_SECRET; set GP_SECRET to the secret that signs"));
        }
        otlp_headers(self.otlp_headers.as_deref().unwrap_or_default()).map(drop)
    }
}

/// The value of a variable of the environment; `None`: it is unset or empty.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_key_has_at_least_16_bytes() {
        let with = |length| Secrets { api_key: Some("x".repeat(length)), ..Secrets::default() }.check();
        assert_eq!(with(16), Ok(()));
        assert!(with(15).is_err_and(|mistake| mistake.contains("GP_API_KEY") && mistake.contains("openssl")));
    }
}
