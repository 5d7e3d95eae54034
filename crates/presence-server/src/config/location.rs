//! Locations.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_on_earth() {
        assert_eq!("50.03, -8.57".parse(), Ok(Location { latitude: 50.03, longitude: -8.57 }));
        for wrong in ["", "50", "91,0", "0,181", "NaN,0", "a,b"] {
            assert!(wrong.parse::<Location>().is_err(), "{wrong}");
        }
    }
}
