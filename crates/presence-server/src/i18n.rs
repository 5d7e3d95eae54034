//! Counts in sentences, in the languages of `<live-presence>`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use icu_decimal::DecimalFormatter;
use icu_plurals::{PluralCategory, PluralRules};
use presence_core::RoomView;
use serde::Deserialize;

/// The sentences of each language: the same file from which the element and the npm package read.
static LANGUAGES: LazyLock<BTreeMap<String, Words>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../client/words.json")).expect("a test reads it"));

/// What one language says.
#[derive(Deserialize, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
struct Words {
    looking: Forms,
    tabs: Forms,
    users: Forms,
    others: Forms,
}

/// A sentence in the plural forms of its language. `#` stands for the number; a form for one number only may do without.
#[derive(Deserialize, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
struct Forms {
    zero: Option<String>,
    one: Option<String>,
    two: Option<String>,
    few: Option<String>,
    many: Option<String>,
    other: String,
}

impl Forms {
    fn of(&self, category: PluralCategory) -> &str {
        let form = match category {
            PluralCategory::Zero => &self.zero,
            PluralCategory::One => &self.one,
            PluralCategory::Two => &self.two,
            PluralCategory::Few => &self.few,
            PluralCategory::Many => &self.many,
            PluralCategory::Other => &None,
        };
        form.as_ref().unwrap_or(&self.other)
    }
}

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
    /// Users by name, where a page may know names: their number elsewhere.
    People,
}

impl Show {
    /// Parses the attribute `show`; an unknown value means those who look.
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "users" => Self::Users,
            "others" => Self::Others,
            "tabs" => Self::Tabs,
            "regions" => Self::Regions,
            "people" => Self::People,
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
            Self::People => Some("people"),
        }
    }

    /// The count; if users are shown by region, their sum.
    pub(crate) fn of(self, counts: SentenceCounts) -> u32 {
        match self {
            Self::Users | Self::Regions | Self::People => counts.users,
            Self::Looking => counts.looking,
            Self::Others => counts.users.saturating_sub(1),
            Self::Tabs => counts.tabs,
        }
    }
}

/// The counts of a room, or of all rooms below a path, of which one is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SentenceCounts {
    pub(crate) users: u32,
    pub(crate) looking: u32,
    pub(crate) tabs: u32,
}

impl From<&RoomView> for SentenceCounts {
    fn from(view: &RoomView) -> Self {
        Self { users: view.users, looking: view.looking, tabs: view.tabs }
    }
}

/// A language that there are sentences in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Locale {
    code: &'static str,
    words: &'static Words,
}

/// A sentence around a number. A sentence that says its number in words has none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sentence {
    pub(crate) before: &'static str,
    pub(crate) number: String,
    pub(crate) after: &'static str,
}

impl Sentence {
    /// The whole sentence.
    pub(crate) fn text(&self) -> String {
        format!("{}{}{}", self.before, self.number, self.after)
    }
}

impl Locale {
    /// The first known language of these tags, such as `de-AT`. Weights, as in `Accept-Language`, are ignored.
    pub(crate) fn known(tags: &str) -> Option<Self> {
        let wanted = tags.split(',').map(|tag| tag.trim().split(['-', '_', ';']).next().unwrap_or_default());
        let mut known = wanted.filter_map(|code| LANGUAGES.get_key_value(&code.to_ascii_lowercase()));
        known.next().map(|(code, words)| Self { code, words })
    }

    /// The first known language of these tags, else English.
    pub(crate) fn of(tags: &str) -> Self {
        Self::known(tags).or_else(|| Self::known("en")).expect("there is English")
    }

    /// The language's code, such as `de`.
    pub(crate) fn code(self) -> &'static str {
        self.code
    }

    /// This number of users or tabs in a sentence.
    pub(crate) fn sentence(self, show: Show, number: u32) -> Sentence {
        let forms = match show {
            Show::Looking => &self.words.looking,
            Show::Tabs => &self.words.tabs,
            Show::Users | Show::Regions | Show::People => &self.words.users,
            Show::Others => &self.words.others,
        };
        let rules = PluralRules::try_new_cardinal((&self.unicode()).into()).expect("there are rules for any language");
        let form = forms.of(rules.category_for(number));
        match form.split_once('#') {
            Some((before, after)) => Sentence { before, number: self.number(number.into()), after },
            None => Sentence { before: form, number: String::new(), after: "" },
        }
    }

    /// The number in the digits of the language, with separated thousands.
    pub(crate) fn number(self, number: u64) -> String {
        let format = DecimalFormatter::try_new((&self.unicode()).into(), Default::default());
        format.expect("there is a format for any language").format(&number.into()).to_string()
    }

    fn unicode(self) -> icu_locale_core::Locale {
        self.code.parse().expect("a test parses all codes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tags: &str, show: Show, number: u32) -> String {
        Locale::of(tags).sentence(show, number).text()
    }

    #[test]
    fn forty_languages_have_words_for_every_number() {
        // Norwegian has two codes.
        assert_eq!(LANGUAGES.len(), 41);
        for code in LANGUAGES.keys() {
            let locale = Locale::of(code);
            assert_eq!(locale.code(), code);
            for show in [Show::Looking, Show::Tabs, Show::Users, Show::Others] {
                for number in 0..200 {
                    let Sentence { before, number: digits, after } = locale.sentence(show, number);
                    assert!(!before.contains('#') && !after.contains('#'), "{code}");
                    // Only a form of one number may leave its digits out.
                    assert!(digits == locale.number(number.into()) || matches!(number, 1 | 2), "{code} {number}");
                }
            }
        }
    }

    #[derive(Deserialize)]
    struct Agreed {
        numbers: Vec<u32>,
        sentences: BTreeMap<String, Vec<String>>,
    }

    #[test]
    fn sentences_are_those_that_the_npm_package_prints() {
        // A browser test compares the package with the same file.
        let agreed: Agreed = serde_json::from_str(include_str!("i18n/sentences.json")).unwrap();
        assert!(agreed.sentences.keys().eq(LANGUAGES.keys()));
        for (code, sentences) in agreed.sentences {
            let written: Vec<String> =
                agreed.numbers.iter().map(|number| text(&code, Show::Looking, *number)).collect();
            assert_eq!(written, sentences, "{code}");
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
        assert_eq!(text("ar", Show::Users, 2), "شخصان");
        assert_eq!(text("sl", Show::Users, 102), "102 osebi");
        assert_eq!(text("ro", Show::Users, 20), "20 de persoane");
        assert_eq!(text("he", Show::Users, 1), "אדם אחד");
    }

    #[test]
    fn a_browsers_list_of_languages_is_read_and_anything_else_is_english() {
        assert_eq!(Locale::of("gsw, de-AT;q=0.9, en;q=0.5").code(), "de");
        assert_eq!(Locale::of("").code(), "en");
        assert_eq!(Locale::of("<b>").code(), "en");
        assert_eq!(Locale::known("gsw, tlh"), None);
    }

    #[test]
    fn numbers_are_written_as_in_the_language() {
        assert_eq!(Locale::of("en").number(1_234_567), "1,234,567");
        assert_eq!(Locale::of("de").number(999), "999");
        assert_eq!(Locale::of("es").number(1_234), "1234");
        assert_eq!(Locale::of("es").number(12_345), "12.345");
        assert_eq!(Locale::of("fa").number(1_234), "۱٬۲۳۴");
    }
}
