//! Which servers are sent webhooks, about what, and with which secret.

use std::str::FromStr;

use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use super::Threshold;

/// The form of `GP_WEBHOOK_SECRET`.
const FORM: &str = "GP_WEBHOOK_SECRET must be whsec_ and 24 to 64 bytes in Base64: write the output of `echo whsec_$(openssl rand -base64 32)`";

/// The webhooks of a node. They need [`Secrets::webhook`](crate::Secrets).
///
/// ```
/// let mut config = presence_server::Config::of([]).unwrap();
/// config.webhooks.webhook_url = vec!["https://shop.example/presence-events".parse().unwrap()];
/// config.webhooks.webhook_threshold = vec!["more than 50 for 30s".parse().unwrap()];
/// assert!(config.check().is_err_and(|mistake| mistake.contains("GP_WEBHOOK_SECRET")));
/// ```
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Webhooks")]
pub struct WebhookOptions {
    /// A URL that presence events, and what an app reports, are sent to; repeatable. Needs GP_WEBHOOK_SECRET. Set the same URLs on every node
    #[arg(long, env = "GP_WEBHOOK_URL", value_name = "URL", value_delimiter = ',', value_parser = WebhookUrl::from_str)]
    // A receiver's path is often a secret.
    #[arg(hide_env_values = true)]
    pub webhook_url: Vec<WebhookUrl>,

    /// Only rooms whose name starts with this; repeatable [default: all rooms]
    #[arg(long, env = "GP_WEBHOOK_ROOMS", value_name = "PREFIX", value_delimiter = ',')]
    pub webhook_rooms: Vec<String>,

    /// Also report when a room becomes crowded and when it no longer is: "more than 50 for 30s", "shop.example/: more than
    /// 50 for 2min until 40"; repeatable
    #[arg(long, env = "GP_WEBHOOK_THRESHOLD", value_name = "RULE", value_delimiter = ',', value_parser = Threshold::from_str)]
    pub webhook_threshold: Vec<Threshold>,
}

impl WebhookOptions {
    /// Checks options that depend on each other.
    pub(crate) fn check(&self, secret: Option<&str>) -> Result<(), String> {
        if self.webhook_url.is_empty() {
            return if self.webhook_threshold.is_empty() && self.webhook_rooms.is_empty() {
                Ok(())
            } else {
                Err("--webhook-threshold and --webhook-rooms need --webhook-url: write the URL of a receiver"
                    .to_owned())
            };
        }
        webhook_keys(secret.unwrap_or_default()).map(drop)
    }
}

/// Where events are sent: `http://` or `https://`, a host, a path. Shown without its path, which may be a secret.
///
/// ```
/// use presence_server::WebhookUrl;
///
/// let url: WebhookUrl = "https://shop.example/hooks/7f3a".parse().unwrap();
/// assert_eq!(url.to_string(), "https://shop.example");
/// assert!("shop.example".parse::<WebhookUrl>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookUrl(Uri);

impl FromStr for WebhookUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri = text.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let uri = uri.filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
        // A password in the URL would not be sent.
        let uri = uri.filter(|uri| uri.authority().is_some_and(|authority| !authority.as_str().contains('@')));
        uri.map(Self).ok_or_else(|| {
            "write http:// or https://, a host and a path, such as https://shop.example/presence-events".to_owned()
        })
    }
}

impl WebhookUrl {
    pub(crate) fn uri(&self) -> Uri {
        self.0.clone()
    }
}

impl std::fmt::Display for WebhookUrl {
    /// Scheme and host only: the rest may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scheme, host) = (self.0.scheme_str().unwrap_or_default(), self.0.host().unwrap_or_default());
        write!(f, "{scheme}://{host}")
    }
}

/// The keys of `whsec_…`, or of several of them separated by spaces.
///
/// # Errors
///
/// One sentence that says what to write instead.
pub(crate) fn webhook_keys(secret: &str) -> Result<Vec<Vec<u8>>, String> {
    let key = |one: &str| {
        let bytes = one.strip_prefix("whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
        bytes.filter(|bytes| (24..=64).contains(&bytes.len())).ok_or_else(|| FORM.to_owned())
    };
    let keys = secret.split_whitespace().map(key).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() { Err(FORM.to_owned()) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_urls_are_accepted_and_only_their_host_is_shown() {
        let url: WebhookUrl = "https://shop.example:8443/hooks?token=secret".parse().unwrap();
        assert_eq!(url.to_string(), "https://shop.example");
        assert!("http://[::1]:9/".parse::<WebhookUrl>().is_ok());
        for wrong in
            ["", "shop.example/hooks", "/hooks", "ftp://shop.example/", "https:///hooks", "https://a:b@shop.example/"]
        {
            assert!(wrong.parse::<WebhookUrl>().is_err_and(|mistake| mistake.contains("https://")), "{wrong}");
        }
    }
}
