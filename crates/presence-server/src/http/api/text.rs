//! The sentence in an answer: what `<live-presence>` would show, ready to print.

use axum::http::StatusCode;

use crate::i18n::{Locale, SentenceCounts, Show};
use crate::problem::Problem;

/// Which count the sentence says, and in which language.
#[derive(Clone, Copy)]
pub(super) struct TextParams {
    locale: Locale,
    show: Show,
}

impl TextParams {
    /// Takes `lang` and `show` out of a query; `None` where no sentence is asked for.
    pub(super) fn take(pairs: &mut Vec<(String, String)>) -> Result<Option<Self>, Problem> {
        let (lang, show) = (take_one(pairs, "lang")?, take_one(pairs, "show")?);
        if lang.is_none() && show.is_none() {
            return Ok(None);
        }
        let locale = Locale::of(&lang.unwrap_or_default());
        Ok(Some(Self { locale, show: Show::parse(&show.unwrap_or_default()) }))
    }

    /// The sentence for these counts.
    pub(super) fn say(self, counts: SentenceCounts) -> String {
        self.locale.sentence(self.show, self.show.of(counts)).text()
    }
}

fn take_one(pairs: &mut Vec<(String, String)>, name: &str) -> Result<Option<String>, Problem> {
    let mut values = pairs.extract_if(.., |(key, _)| key == name).map(|(_, value)| value);
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        let detail = format!("Send {name}= once: it is for all rooms.");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    Ok(first)
}
