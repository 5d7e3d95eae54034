//! Names and values as forms and queries have them.

/// The values of a form or a query, in the order in which the browser sent them. A name may occur several times, as that of
/// checkboxes does.
///
/// ```
/// use presence_core::Fields;
///
/// let sent = [("colour", "red"), ("size", "9"), ("colour", "blue")];
/// let fields: Fields = sent.into_iter().collect();
/// assert_eq!((fields.get("size"), fields.get("weight")), (Some("9"), None));
/// assert_eq!(fields.all("colour").collect::<Vec<_>>(), ["red", "blue"]);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// No values.
    pub fn none() -> &'static Self {
        static NONE: Fields = Fields(Vec::new());
        &NONE
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    /// All values of this name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.iter().filter_map(move |(known, value)| (known == name).then_some(value))
    }

    /// All names, each with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds a value behind the others.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Fields {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
