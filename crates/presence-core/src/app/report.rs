//! What an app reports to the site's own server.

use std::borrow::Cow;

use serde::Serialize;

use crate::app::write::NotJson;

/// Something about a room that the site's own server is to know, such as that a lot is sold: see
/// [`App::reports`](crate::App::reports). Two with the same name and the same data are one: the data says what makes them
/// different.
///
/// ```
/// use presence_core::{Report, RoomView};
///
/// /// The lot is sold once its deadline has come.
/// fn reports(view: &RoomView) -> Vec<Report> {
///     let sold = view.get::<u32>("bid").filter(|_| !view.registers.contains_key("ends"));
///     sold.map(|euros| Report::new("sold", &euros)).into_iter().collect()
/// }
/// # use presence_core::{Author, Entry, PublicId, Region, Room, UserId};
/// # let here = Region::new("ams").unwrap();
/// # let mut view = RoomView::empty(Room::new("lot").unwrap(), here.clone());
/// # let author = Author { user: UserId([1; 32]), public: PublicId([1; 32]), region: here };
/// # view.registers.insert("bid".to_owned(), Entry { value: b"13".to_vec(), author, at_ms: 0, id: None });
/// assert_eq!(reports(&view), [Report::new("sold", &13)]);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    name: Cow<'static, str>,
    json: Result<String, NotJson>,
}

impl Report {
    /// The most bytes of a report's data.
    const DATA_MAX: usize = 4_096;
    /// The most reports of one room.
    pub const OF_ROOM_MAX: usize = 64;

    /// A report of this name, 1 to 64 lower-case letters, digits, `_` and `-`, and with this data, at most 4 KiB of JSON. One
    /// that is different is not sent, and logged.
    pub fn new(name: impl Into<Cow<'static, str>>, data: &impl Serialize) -> Self {
        // The fields of a `HashMap` are in the same order on every node this way.
        let sorted = serde_json::to_value(data);
        Self { name: name.into(), json: sorted.map(|sorted| sorted.to_string()).map_err(NotJson::from) }
    }

    /// What is reported, such as `sold`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The data, as JSON; `null` if it can't be written as JSON.
    pub fn json(&self) -> &str {
        self.json.as_deref().unwrap_or("null")
    }

    /// Why it can't be sent, if it can't.
    pub fn mistake(&self) -> Option<String> {
        let (name, most) = (&self.name, Self::DATA_MAX);
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        if !(1..=64).contains(&name.len()) || !name.bytes().all(letter) {
            return Some(format!(
                "A report's name has 1 to 64 lower-case letters, digits, _ and -, and is not {name:?}."
            ));
        }
        match &self.json {
            Err(not_json) => Some(format!("The report {name}: {not_json}")),
            Ok(json) if json.len() > most => {
                Some(format!("The report {name} has {} bytes; {most} is the most.", json.len()))
            }
            Ok(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_a_short_report_with_a_plain_name_may_be_sent() {
        assert_eq!(Report::new("sold_at-2", &"x".repeat(4_094)).mistake(), None);
        let mistake = |report: Report| report.mistake().expect("it can't be sent");
        for name in ["", "Sold", "sold!", "sold lot", &"s".repeat(65)] {
            assert!(mistake(Report::new(name.to_owned(), &1)).contains("lower-case"), "{name}");
        }
        assert_eq!(
            mistake(Report::new("sold", &"x".repeat(4_095))),
            "The report sold has 4097 bytes; 4096 is the most."
        );
        assert!(mistake(Report::new("sold", &BTreeMap::from([((1, 2), 3)]))).contains("JSON"));
    }
}
