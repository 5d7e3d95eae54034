//! Light and dark.

/// The colour scheme of a frame or a badge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Theme {
    #[default]
    Either,
    Light,
    Dark,
}

impl Theme {
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::Either,
        }
    }

    /// The value of `color-scheme`.
    pub(super) fn color_scheme(self) -> &'static str {
        match self {
            Self::Either => "light dark",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}
