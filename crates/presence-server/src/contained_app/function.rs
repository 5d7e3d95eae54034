//! The functions of an app, as logs name them.

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
