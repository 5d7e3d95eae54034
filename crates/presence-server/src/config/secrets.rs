//! Secrets, from the environment.

/// A shorter key can be guessed.
const API_KEY_BYTES_MIN: usize = 16;

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
    /// `GP_API_KEY`: at least 16 bytes; grants access to the whole API.
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
        if let Some(length) = self.api_key.as_ref().map(String::len).filter(|length| *length < API_KEY_BYTES_MIN) {
            return Err(format!(
                "GP_API_KEY has {length} bytes; it needs at least {API_KEY_BYTES_MIN}, such as the output of `openssl rand -hex 16`"
            ));
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
