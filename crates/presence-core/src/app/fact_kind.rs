//! The kinds of facts.

/// What kind of fact a name stands for.
///
/// ```
/// assert_eq!(presence_core::FactKind::Register.as_str(), "register");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FactKind {
    /// One value.
    Register,
    /// A log of entries.
    Log,
    /// Values by key.
    Map,
    /// A number that is added to.
    Counter,
    /// Users.
    Set,
    /// A kind that only a later version knows.
    Unknown,
}

impl FactKind {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Log => "log",
            Self::Map => "map",
            Self::Counter => "counter",
            Self::Set => "set",
            Self::Unknown => "unknown",
        }
    }
}
