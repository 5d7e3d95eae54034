//! Parsers of options. Their errors say what to write instead.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use presence_core::{NodeName, Region};

pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:4000 or [::]:4000".to_owned())
}

pub(super) fn region(text: &str) -> Result<Region, String> {
    Region::new(text).ok_or_else(|| "write 1 to 16 lower-case letters, digits or -, such as yyz".to_owned())
}

pub(super) fn node_name(text: &str) -> Result<NodeName, String> {
    NodeName::new(text).ok_or_else(|| "write 1 to 64 bytes without a space".to_owned())
}

pub(super) fn region_name(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| "write 1 to 64 bytes, such as \"Frankfurt, Germany\"".to_owned())
}

pub(super) fn mesh_address(text: &str) -> Result<String, String> {
    let mistake = || "write quic/ (or tls/), a host and a port, such as quic/node1.example.org:7447".to_owned();
    let rest = text.strip_prefix("quic/").or_else(|| text.strip_prefix("tls/")).ok_or_else(mistake)?;
    let (host, port) = rest.rsplit_once(':').ok_or_else(mistake)?;
    let fits = !host.is_empty() && host.len() <= 255 && !host.contains(char::is_whitespace);
    (fits && port.parse::<u16>().is_ok()).then(|| text.to_owned()).ok_or_else(mistake)
}

pub(super) fn mesh_listen(text: &str) -> Result<String, String> {
    let mistake = "write quic/ (or tls/), an IP address and a port, such as quic/[::]:7447 or quic/0.0.0.0:7447";
    let checked = mesh_address(text).map_err(|_| mistake.to_owned())?;
    let (_, rest) = checked.split_once('/').ok_or(mistake)?;
    let bare = rest.rsplit_once(':').map(|(host, port)| format!("[{host}]:{port}"));
    let numeric = rest.parse::<SocketAddr>().is_ok() || bare.is_some_and(|bare| bare.parse::<SocketAddr>().is_ok());
    numeric.then_some(checked).ok_or_else(|| mistake.to_owned())
}

pub(super) fn mesh_delay(text: &str) -> Result<(String, Duration), String> {
    let mistake = || "write a mesh address and milliseconds, such as quic/127.0.0.1:7448=45".to_owned();
    let (address, ms) = text.rsplit_once('=').ok_or_else(mistake)?;
    let ms: u64 = ms.parse().map_err(|_| mistake())?;
    (ms <= 10_000).then(|| (address.to_owned(), Duration::from_millis(ms))).ok_or_else(mistake)
}

pub(super) fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "write an address or a network, such as 10.0.0.0/8 or fd00::/8".to_owned())
}

pub(super) fn at_least_one<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    text.parse()
        .ok()
        .filter(|count| *count >= T::from(1))
        .ok_or_else(|| "write a whole number of at least 1".to_owned())
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let mistake = || "write a time with its unit, such as 500ms, 3s or 2min".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(mistake)?;
    let (count, unit) = text.split_at(digits);
    let count: u64 = count.parse().map_err(|_| mistake())?;
    let ms = match unit {
        "ms" => Some(count),
        "s" => count.checked_mul(1_000),
        "min" => count.checked_mul(60_000),
        _ => None,
    };
    ms.filter(|ms| (1..=3_600_000).contains(ms)).map(Duration::from_millis).ok_or_else(mistake)
}

/// How long a token is valid.
pub(crate) fn expiry(text: &str) -> Result<Duration, String> {
    let mistake = || "write a time with its unit, such as 90s, 30min, 1h or 7d".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(mistake)?;
    let (count, unit) = text.split_at(digits);
    let each = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(mistake()),
    };
    let seconds = count.parse::<u64>().ok().and_then(|count| count.checked_mul(each));
    seconds.filter(|seconds| (1..=400 * 86_400).contains(seconds)).map(Duration::from_secs).ok_or_else(mistake)
}

pub(super) fn size(text: &str) -> Result<usize, String> {
    let bytes = bytes(text).and_then(|bytes| usize::try_from(bytes).ok());
    let mistake = || "write a size with its unit, such as 16kb or 1mb".to_owned();
    bytes.filter(|bytes| (1..=1 << 30).contains(bytes)).ok_or_else(mistake)
}

/// Parses the size of a machine's memory.
pub(super) fn memory(text: &str) -> Result<u64, String> {
    let mistake = || "write a size with its unit, such as 512mb or 4gb".to_owned();
    bytes(text).filter(|bytes| (1 << 20..=1 << 50).contains(bytes)).ok_or_else(mistake)
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let count: u64 = count.parse().ok()?;
    match unit.to_ascii_lowercase().as_str() {
        "b" => Some(count),
        "kb" => count.checked_mul(1_024),
        "mb" => count.checked_mul(1_024 * 1_024),
        "gb" => count.checked_mul(1_024 * 1_024 * 1_024),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(duration("2min"), Ok(Duration::from_secs(120)));
        assert_eq!((memory("512mb"), memory("4GB")), (Ok(512 << 20), Ok(4 << 30)));
        assert!(memory("512").is_err() && memory("1kb").is_err());
        assert_eq!((size("16kb"), size("1MB"), size("7b")), (Ok(16_384), Ok(1_048_576), Ok(7)));
        for wrong in ["", "3", "s", "3h", "-1s", "0s", "99999999999999999999s", "2min3s"] {
            assert!(duration(wrong).is_err_and(|mistake| mistake.contains("500ms")), "{wrong}");
        }
        assert_eq!((expiry("90s"), expiry("7d")), (Ok(Duration::from_secs(90)), Ok(Duration::from_secs(604_800))));
        for wrong in ["", "1", "0s", "500ms", "401d", "-1h", "99999999999999999999d"] {
            assert!(expiry(wrong).is_err_and(|mistake| mistake.contains("7d")), "{wrong}");
        }
        for wrong in ["", "16", "kb", "0kb", "9999gb", "99999999999999999999mb"] {
            assert!(size(wrong).is_err_and(|mistake| mistake.contains("16kb")), "{wrong}");
        }
    }

    #[test]
    fn mesh_addresses_name_protocol_host_and_port() {
        for right in ["quic/[::]:7447", "quic/0.0.0.0:0", "tls/127.0.0.1:7447", "quic/fd00::7:7447"] {
            assert_eq!(mesh_listen(right).as_deref(), Ok(right));
        }
        assert!(mesh_listen("quic/example.org:7447").is_err(), "the listen address has no name");
        assert!(mesh_address("quic/example.org:7447").is_ok());
        for wrong in
            ["example.org:7447", "tcp/example.org:7447", "quic/:7447", "quic/example.org", "quic/a b:1", "quic/a:99999"]
        {
            assert!(mesh_address(wrong).is_err(), "{wrong}");
        }
        assert_eq!(mesh_delay("quic/[::1]:7447=45"), Ok(("quic/[::1]:7447".to_owned(), Duration::from_millis(45))));
        assert!(mesh_delay("quic/[::1]:7447").is_err() && mesh_delay("quic/[::1]:7447=60000").is_err());
    }

    #[test]
    fn networks_are_addresses_too() {
        assert_eq!(network("10.1.2.3").unwrap(), "10.1.2.3/32".parse().unwrap());
        assert_eq!(network("fd00::/8").unwrap(), "fd00::/8".parse().unwrap());
        assert!(network("10.0.0.0/99").is_err());
    }
}
