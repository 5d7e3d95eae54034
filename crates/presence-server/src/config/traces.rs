//! Which collector traces of clicks are sent to, and how many.

use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use clap::Args;

use super::Config;

/// The address that OpenTelemetry's own programs read, for all signals.
const ENDPOINT_OF_ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// What is added to the address of a collector.
const TRACES_PATH: &str = "/v1/traces";

/// Traces of clicks. A key for the collector is in [`Secrets::otlp_headers`](crate::Secrets).
///
/// ```
/// use presence_server::Config;
///
/// let config = Config::of(["--otlp-endpoint", "http://localhost:4318"]).unwrap();
/// assert_eq!(config.traces.traces_per_second, 10);
/// assert!(Config::of(["--otlp-endpoint", "localhost:4317"]).is_err_and(|mistake| mistake.contains("http://")));
/// ```
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Monitoring")]
pub struct TraceOptions {
    /// The OpenTelemetry collector that traces of clicks are sent to, with OTLP over HTTP: http://localhost:4318. A key for it
    /// is in GP_OTLP_HEADERS [default: $OTEL_EXPORTER_OTLP_ENDPOINT, or none]
    #[arg(long, env = "GP_OTLP_ENDPOINT", value_name = "URL", value_parser = OtlpEndpoint::from_str)]
    // Its path may be a secret.
    #[arg(hide_env_values = true)]
    pub otlp_endpoint: Option<OtlpEndpoint>,

    /// How many clicks in a second begin a trace at most. Clicks of a caller that records a trace are in that one, whatever
    /// this is
    #[arg(long, env = "GP_TRACES_PER_SECOND", value_name = "COUNT", default_value = "10")]
    pub traces_per_second: u32,
}

impl Config {
    /// The configured collector, or that of all programs on this machine.
    ///
    /// # Errors
    ///
    /// If the latter is no address.
    pub(crate) fn collector(&self) -> Result<Option<OtlpEndpoint>, String> {
        if let Some(endpoint) = &self.traces.otlp_endpoint {
            return Ok(Some(endpoint.clone()));
        }
        let of_all = std::env::var(ENDPOINT_OF_ALL).ok().filter(|url| !url.is_empty());
        of_all.map(|url| url.parse().map_err(|mistake| format!("{ENDPOINT_OF_ALL}: {mistake}"))).transpose()
    }
}

/// The address of a collector: `http://` or `https://`, a host, perhaps a path. Shown without the path, which may be a secret.
///
/// ```
/// use presence_server::OtlpEndpoint;
///
/// let endpoint: OtlpEndpoint = "https://otlp.example/of/shop".parse().unwrap();
/// assert_eq!(endpoint.to_string(), "https://otlp.example");
/// assert!("grpc://localhost:4317".parse::<OtlpEndpoint>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OtlpEndpoint(Uri);

impl FromStr for OtlpEndpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mistake = || "write http:// or https:// and a host, such as http://localhost:4318".to_owned();
        let uri = text.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        // A password in the URL would not be sent, and a query would not be kept.
        let uri = uri.filter(|uri| uri.authority().is_some_and(|host| !host.as_str().contains('@')));
        let uri = uri.filter(|uri| uri.host().is_some_and(|host| !host.is_empty()) && uri.query().is_none());
        let uri = uri.ok_or_else(mistake)?;
        let path = uri.path().trim_end_matches('/');
        let path = format!("{}{TRACES_PATH}", path.trim_end_matches(TRACES_PATH));
        let mut parts = uri.into_parts();
        parts.path_and_query = Some(path.parse().map_err(|_| mistake())?);
        Uri::from_parts(parts).map(Self).map_err(|_| mistake())
    }
}

impl OtlpEndpoint {
    /// Where traces are sent.
    pub(crate) fn uri(&self) -> Uri {
        self.0.clone()
    }
}

impl std::fmt::Display for OtlpEndpoint {
    /// Scheme, host and port only: the rest may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{host}", self.0.scheme_str().unwrap_or_default())
    }
}

/// The headers of `name=value,name=value`, whose values may be percent-encoded.
///
/// # Errors
///
/// One sentence, without what is secret, that says what to write instead.
pub(crate) fn otlp_headers(text: &str) -> Result<HeaderMap, String> {
    let header = |pair: &str| {
        let pair = pair.trim().replace('+', "%2B").replace('&', "%26");
        let (name, value) = form_urlencoded::parse(pair.as_bytes()).next()?;
        let (name, mut value) = (name.parse::<HeaderName>().ok()?, HeaderValue::try_from(&*value).ok()?);
        value.set_sensitive(true);
        (!value.is_empty()).then_some((name, value))
    };
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    let headers = pairs.map(header).collect::<Option<HeaderMap>>();
    headers.ok_or_else(|| {
        "GP_OTLP_HEADERS must be names and values of headers: write authorization=Bearer%20KEY,x-team=shop, for example".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_sent_below_the_address_and_only_its_host_is_shown() {
        for (given, uri, shown) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces", "http://localhost:4318"),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/traces", "http://[::1]:4318"),
            ("https://otlp.example/of/secret", "https://otlp.example/of/secret/v1/traces", "https://otlp.example"),
            ("https://otlp.example/v1/traces", "https://otlp.example/v1/traces", "https://otlp.example"),
        ] {
            let endpoint: OtlpEndpoint = given.parse().unwrap();
            assert_eq!((endpoint.uri().to_string().as_str(), endpoint.to_string().as_str()), (uri, shown));
        }
        for wrong in ["", "localhost:4317", "ftp://localhost", "http://", "https://a:b@otlp.example", "http://a?key=b"]
        {
            assert!(wrong.parse::<OtlpEndpoint>().is_err_and(|mistake| mistake.contains("4318")), "{wrong}");
        }
    }

    #[test]
    fn headers_are_read_and_a_mistake_does_not_show_them() {
        let headers = otlp_headers("authorization=Bearer%20a+b&c==, x-team=shop,").unwrap();
        assert_eq!((headers.len(), &headers["x-team"]), (2, &HeaderValue::from_static("shop")));
        assert_eq!(headers["authorization"], "Bearer a+b&c==");
        assert!(headers.values().all(HeaderValue::is_sensitive));
        for wrong in ["secret", "=secret", "a b=secret", "a=secret%0A", "a=secret,b"] {
            let mistake = otlp_headers(wrong).unwrap_err();
            assert!(mistake.contains("GP_OTLP_HEADERS") && !mistake.contains("secret"), "{wrong}: {mistake}");
        }
        assert!(otlp_headers("").unwrap().is_empty());
    }
}
