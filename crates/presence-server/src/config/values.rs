//! Locations and origins.

use std::str::FromStr;

/// Latitude and longitude in degrees.
///
/// ```
/// use presence_server::Location;
///
/// let frankfurt: Location = "50.03,8.57".parse().unwrap();
/// assert_eq!((frankfurt.latitude, frankfurt.longitude), (50.03, 8.57));
/// assert!("91,0".parse::<Location>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Location {
    /// North is positive.
    pub latitude: f64,
    /// East is positive.
    pub longitude: f64,
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mistake = || format!("write latitude and longitude in degrees, such as 50.03,8.57, not {text:?}");
        let (latitude, longitude) = text.split_once(',').ok_or_else(mistake)?;
        let degrees = |text: &str| text.trim().parse::<f64>().map_err(|_| mistake());
        let location = Self { latitude: degrees(latitude)?, longitude: degrees(longitude)? };
        let on_earth = location.latitude.abs() <= 90.0 && location.longitude.abs() <= 180.0;
        on_earth.then_some(location).ok_or_else(mistake)
    }
}

/// Scheme and host with port, as a browser names them in `Origin`: no path, no default port, lower case.
///
/// ```
/// use presence_server::Origin;
///
/// let origin: Origin = "https://Example.org:443/".parse().unwrap();
/// assert_eq!((origin.secure, origin.host.as_str()), (true, "example.org"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// `https`, and with it `Secure` cookies.
    pub secure: bool,
    /// `example.org` or `example.org:8443`.
    pub host: String,
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mistake = || format!("write a scheme and a host, such as https://example.org, not {text:?}");
        let lower = text.trim().to_ascii_lowercase();
        let (secure, rest) = match lower.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(mistake()),
        };
        let host = rest.strip_suffix('/').unwrap_or(rest);
        let host = host.strip_suffix(if secure { ":443" } else { ":80" }).unwrap_or(host);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        let named = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        (named && host.chars().all(allowed)).then(|| Self { secure, host: host.to_owned() }).ok_or_else(mistake)
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        let written = |text: &str| text.parse::<Origin>().map(|origin| origin.to_string());
        assert_eq!(written("https://Example.org:443/").as_deref(), Ok("https://example.org"));
        assert_eq!(written("http://[::1]:4000").as_deref(), Ok("http://[::1]:4000"));
        for wrong in
            ["", "example.org", "null", "https://", "ftp://example.org", "https://a/b", "https://a b", "https://:80"]
        {
            assert!(written(wrong).is_err_and(|mistake| mistake.contains("https://example.org")), "{wrong}");
        }
    }

    #[test]
    fn locations_are_on_earth() {
        assert_eq!("50.03, -8.57".parse(), Ok(Location { latitude: 50.03, longitude: -8.57 }));
        for wrong in ["", "50", "91,0", "0,181", "NaN,0", "a,b"] {
            assert!(wrong.parse::<Location>().is_err(), "{wrong}");
        }
    }
}
