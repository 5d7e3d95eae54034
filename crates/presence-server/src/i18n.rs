//! Counts in sentences, in the languages of `<live-presence>`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use presence_core::RoomView;

/// The sentences of the element, "one|other" or "one|few|other": for those who look, tabs, users and other users.
static WORDS: LazyLock<BTreeMap<String, [String; 4]>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../client/words.json")).expect("a test reads it"));

/// Which count is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Show {
    /// Users with a visible page.
    #[default]
    Looking,
    /// Users.
    Users,
    /// Users but the visitor.
    Others,
    /// Open pages.
    Tabs,
    /// Users by region.
    Regions,
}

impl Show {
    /// Parses the attribute `show`; an unknown value means those who look.
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "users" => Self::Users,
            "others" => Self::Others,
            "tabs" => Self::Tabs,
            "regions" => Self::Regions,
            _ => Self::Looking,
        }
    }

    /// The attribute's value; `None` for the default.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Looking => None,
            Self::Users => Some("users"),
            Self::Others => Some("others"),
            Self::Tabs => Some("tabs"),
            Self::Regions => Some("regions"),
        }
    }

    /// The count; if users are shown by region, their sum.
    pub(crate) fn of(self, view: &RoomView) -> u32 {
        match self {
            Self::Users | Self::Regions => view.users,
            Self::Looking => view.looking,
            Self::Others => view.users.saturating_sub(1),
            Self::Tabs => view.tabs,
        }
    }
}

/// A language that there are sentences in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Locale {
    code: &'static str,
    words: &'static [String; 4],
}

/// A sentence around a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sentence {
    pub(crate) before: &'static str,
    pub(crate) number: String,
    pub(crate) after: &'static str,
}

impl Locale {
    /// The first known language of these tags, such as `de-AT`, else English. Weights, as in `Accept-Language`, are ignored.
    pub(crate) fn of(tags: &str) -> Self {
        let wanted = tags.split(',').map(|tag| tag.trim().split(['-', '_', ';']).next().unwrap_or_default());
        let mut known = wanted.filter_map(|code| WORDS.get_key_value(&code.to_ascii_lowercase()));
        let (code, words) = known.next().or_else(|| WORDS.get_key_value("en")).expect("there is English");
        Self { code, words }
    }

    /// The language's code, such as `de`.
    pub(crate) fn code(self) -> &'static str {
        self.code
    }

    /// This number of users or tabs in a sentence.
    pub(crate) fn sentence(self, show: Show, number: u32) -> Sentence {
        let place = match show {
            Show::Looking => 0,
            Show::Tabs => 1,
            Show::Users | Show::Regions => 2,
            Show::Others => 3,
        };
        let mut forms = self.words[place].split('|');
        let last = forms.next_back().unwrap_or_default();
        let form = match self.plural(number) {
            Plural::One => forms.next().unwrap_or(last),
            Plural::Few => forms.nth(1).unwrap_or(last),
            Plural::Other => last,
        };
        let (before, after) = form.split_once('#').expect("a test reads them");
        Sentence { before, number: self.number(number), after }
    }

    /// The number with separated thousands.
    pub(crate) fn number(self, number: u32) -> String {
        let separator = match self.code {
            "de" | "es" | "it" | "pt" | "nl" | "da" | "tr" => '.',
            "fr" => '\u{202f}',
            "sv" | "nb" | "no" | "fi" | "pl" | "cs" | "ru" | "uk" => '\u{a0}',
            _ => ',',
        };
        let digits = number.to_string();
        // Spanish and Polish do not separate four digits.
        if digits.len() < 5 && matches!(self.code, "es" | "pl") {
            return digits;
        }
        let mut text = String::new();
        for (place, digit) in digits.char_indices() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                text.push(separator);
            }
            text.push(digit);
        }
        text
    }

    /// The plural rules of Unicode's CLDR for whole numbers.
    fn plural(self, number: u32) -> Plural {
        let few = (2..=4).contains(&(number % 10)) && !(12..=14).contains(&(number % 100));
        match (self.code, number) {
            ("ru" | "uk", _) if number % 10 == 1 && number % 100 != 11 => Plural::One,
            ("ru" | "uk", _) if few => Plural::Few,
            ("ru" | "uk", _) => Plural::Other,
            ("fr" | "pt", 0) | (_, 1) => Plural::One,
            ("pl", _) if few => Plural::Few,
            ("cs", 2..=4) => Plural::Few,
            _ => Plural::Other,
        }
    }
}

enum Plural {
    One,
    Few,
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tags: &str, show: Show, number: u32) -> String {
        let Sentence { before, number, after } = Locale::of(tags).sentence(show, number);
        format!("{before}{number}{after}")
    }

    #[test]
    fn every_language_has_words_for_every_number() {
        for code in WORDS.keys() {
            for number in 0..200 {
                for show in [Show::Looking, Show::Tabs, Show::Users, Show::Others] {
                    assert!(text(code, show, number).contains(&number.to_string()), "{code}");
                }
            }
        }
    }

    #[test]
    fn plural_forms_are_those_of_the_language() {
        assert_eq!(text("en", Show::Looking, 1), "1 person is looking at this");
        assert_eq!(text("en", Show::Looking, 0), "0 people are looking at this");
        assert_eq!(text("fr", Show::Looking, 0), "0 personne regarde cette page");
        assert_eq!(text("pl", Show::Tabs, 22), "22 otwarte karty");
        assert_eq!(text("pl", Show::Tabs, 21), "21 otwartych kart");
        assert_eq!(text("ru", Show::Tabs, 21), "21 открытая вкладка");
        assert_eq!(text("uk", Show::Tabs, 12), "12 відкритих вкладок");
        assert_eq!(text("cs", Show::Looking, 22), "22 lidí si to prohlíží");
        assert_eq!(text("en", Show::Users, 2), "2 people");
        assert_eq!(text("pl", Show::Others, 2), "2 inne");
        assert_eq!(text("ja", Show::Looking, 1), "1人が見ています");
    }

    #[test]
    fn a_browsers_list_of_languages_is_read_and_anything_else_is_english() {
        assert_eq!(Locale::of("gsw, de-AT;q=0.9, en;q=0.5").code(), "de");
        assert_eq!(Locale::of("").code(), "en");
        assert_eq!(Locale::of("<b>").code(), "en");
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(Locale::of("en").number(1_234_567), "1,234,567");
        assert_eq!(Locale::of("de").number(999), "999");
        assert_eq!(Locale::of("es").number(1_234), "1234");
        assert_eq!(Locale::of("es").number(12_345), "12.345");
    }
}
