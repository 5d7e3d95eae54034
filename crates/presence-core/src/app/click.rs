//! A click as an app receives it: what the browser sent, who sent it, and when.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::App;
use crate::app::fields::Fields;
use crate::app::reflex::{ReflexError, Refusal};
use crate::app::request::SignedUser;
use crate::app::view::RoomView;
use crate::app::write::Write;
use crate::id::{PublicId, Region, UserId};

/// A click. `target`, `attributes` and `form` are what the browser sent: untrusted input. The node knows the rest.
///
/// ```
/// use presence_core::{Click, Refusal};
///
/// /// The amount of a bid, in whole euros.
/// fn amount(click: &Click) -> Result<u32, Refusal> {
///     let amount = click.form.get("amount").and_then(|amount| amount.parse().ok());
///     amount.ok_or_else(|| Refusal::Because("A bid is a whole number of euros.".to_owned()))
/// }
///
/// assert_eq!(amount(&Click::on("Bid#place").field("amount", "12")), Ok(12));
/// assert!(amount(&Click::on("Bid#place").field("amount", "a lot")).is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Click {
    /// `Lightbulb#toggle`, without the optional `Reflex` of `LightbulbReflex#toggle`.
    pub target: String,
    /// The element's attributes as text (`aria-pressed`, `data-colour`, ...), data attributes included.
    pub attributes: BTreeMap<String, String>,
    /// The values of the form around the element, if there is one. At most 128.
    pub form: Fields,
    /// The user who clicked, the same in all rooms. It is never shown to others.
    pub user: UserId,
    /// The same user as the room's visitors see them.
    pub public: PublicId,
    /// The region whose node took the click.
    pub region: Region,
    /// When the node took it: ms since 1970 by the node's time.
    pub now_ms: u64,
    /// Who the user is, if they have signed in.
    pub signed: Option<Arc<SignedUser>>,
}

impl Click {
    /// A click without attributes by a user who has not signed in, at the beginning of 1970 in the region `ams`: for tests of an
    /// app's `reflex`.
    ///
    /// ```
    /// use presence_core::Click;
    ///
    /// let click = Click::on("Poll#vote").attribute("value", "tea").field("reason", "warm");
    /// assert_eq!((click.attributes["value"].as_str(), click.form.get("reason")), ("tea", Some("warm")));
    /// ```
    pub fn on(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            attributes: BTreeMap::new(),
            form: Fields::default(),
            user: UserId([0; 32]),
            public: PublicId([0; 32]),
            region: Region::new("ams").expect("three letters are a code"),
            now_ms: 0,
            signed: None,
        }
    }

    /// The same click on an element with this attribute.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// The same click in a form with this value, behind those that it already has.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.form.push(name, value);
        self
    }

    /// Asks the app which facts this click writes, or why it writes none.
    ///
    /// # Errors
    ///
    /// If no reflex has the name, or the app refuses.
    pub fn asked_of(&self, app: &dyn App, view: &RoomView) -> Result<Vec<Write>, ReflexError> {
        app.reflex(self, view).map_err(|refusal| match refusal {
            Refusal::Unknown => ReflexError::Unknown { target: self.target.clone() },
            Refusal::Because(why) => ReflexError::Refused(why),
        })
    }
}
