//! The colours that a visitor can have. Colours come from browsers, so others are refused.

/// Names of the colours. `assets/style.css` defines them for both themes.
pub(crate) const COLOURS: [&str; 10] =
    ["coral", "amber", "olive", "green", "teal", "sky", "indigo", "violet", "plum", "rose"];

/// Picks a random colour.
pub(crate) fn pick(chance: u64) -> &'static str {
    let at = chance % COLOURS.len() as u64;
    COLOURS[usize::try_from(at).expect("less than ten")]
}

/// Returns the colour of this name, or `None` if it is not in the palette.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    COLOURS.into_iter().find(|colour| *colour == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const STYLE: &str = include_str!("../assets/style.css");

    /// The custom properties of the first block that opens after `from`.
    fn properties(from: &str) -> BTreeMap<&'static str, &'static str> {
        let rest = &STYLE[STYLE.find(from).expect("the style sheet has this block")..];
        let block = &rest[rest.find(":root {").expect("with colours in it")..];
        let block = &block[block.find('{').expect("it opens") + 1..block.find('}').expect("it closes")];
        block.split(';').filter_map(|line| line.trim().split_once(": ")).collect()
    }

    fn luminance(hex: &str) -> f64 {
        assert!(hex.len() == 7 && hex.starts_with('#'), "{hex} is not #rrggbb");
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (a, b) = (luminance(one), luminance(other));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn contrast_is_measured_by_the_guidelines() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 0.001);
        assert!((contrast("#767676", "#ffffff") - 4.54).abs() < 0.01);
    }

    #[test]
    fn every_text_is_readable_on_both_themes() {
        for theme in ["By day", "By night"] {
            let colours = properties(theme);
            let texts = COLOURS.iter().copied().chain(["ink", "soft", "link", "mine"]);
            let on_both = texts.flat_map(|text| [(text, "paper"), (text, "card")]);
            let alone = [("room-ink", "room"), ("lit-ink", "lit"), ("warn-ink", "warn"), ("paper", "ink")];
            for (text, ground) in on_both.chain(alone) {
                let colour = |name: &str| colours[format!("--{name}").as_str()];
                let found = contrast(colour(text), colour(ground));
                assert!(found >= 4.5, "{theme}: {text} on {ground} has only {found:.2}");
            }
        }
    }

    #[test]
    fn chance_reaches_every_colour_and_nothing_else() {
        let picked: std::collections::BTreeSet<_> = (0..100).map(pick).collect();
        assert_eq!(picked, COLOURS.into_iter().collect());
        assert_eq!(pick(u64::MAX), pick(u64::MAX));
        assert_eq!(known("teal"), Some("teal"));
        assert_eq!(known("red;background:url(x)"), None);
    }
}
