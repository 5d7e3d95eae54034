//! The functions of an app, as logs and metrics name them.

/// A function of an app.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum AppFunction {
    Route,
    SignedUser,
    ErrorPage,
    Page,
    Reflex,
    Render,
    RedrawsOwn,
    Related,
    Reports,
}

impl AppFunction {
    /// In the order of their numbers.
    pub(super) const ALL: [Self; 9] = [
        Self::Route,
        Self::SignedUser,
        Self::ErrorPage,
        Self::Page,
        Self::Reflex,
        Self::Render,
        Self::RedrawsOwn,
        Self::Related,
        Self::Reports,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::SignedUser => "signed_user",
            Self::ErrorPage => "error_page",
            Self::Page => "page",
            Self::Reflex => "reflex",
            Self::Render => "render",
            Self::RedrawsOwn => "redraws_own",
            Self::Related => "related",
            Self::Reports => "reports",
        }
    }
}
