//! Any names of rooms, and any tokens.

use presence_fuzz::{Property, changed_text};
use proptest::prelude::*;

use super::*;

#[test]
fn a_normal_form_is_its_own_normal_form_and_names_the_same_room() {
    let names = ["lamp/7", "//caf%C3%A9//", "%6Camp/%2F/%FF", "~ada/e\u{301}", "shop.example/private/7", "a%0Ab/100%"];
    let letters = "([%/a-f0-9A-F]|\\PC|[\u{300}-\u{303}e\u{e9}]){0,24}";
    let name = prop_oneof![changed_text(names.iter().map(ToString::to_string).collect()), letters];
    let sites = sites("--site https://shop.example --site https://*.below.example");
    Property::RoomNames.holds(&name, |name| {
        let normal = normal_form(&name).into_owned();
        prop_assert_eq!(normal_form(&normal), normal.as_str());
        let page = sites.page("https://shop.example").unwrap();
        let named = |name: &str| sites.admit(&page, name, None, NOW_S).ok().map(|admission| admission.room);
        prop_assert_eq!(named(&name), named(&normal), "one spelling needs a token, or none does");
        if let Some(room) = sites.named(&name) {
            prop_assert_eq!(sites.named(room.as_str()), Some(room));
        }
        Ok(())
    });
}

#[test]
fn only_tokens_of_the_site_s_key_let_anyone_in() {
    let sites = sites("--site https://shop.example --site *");
    let site = "https://shop.example";
    let valid = [
        token(&sites, site, "private/7", None),
        token(&sites, site, "private/8", Some("ada")),
        token(&sites, "https://other.example", "private/7", None),
    ];
    let rooms = [("private/7", &valid[0]), ("private/8", &valid[1])];
    let corpus = valid.iter().cloned().chain([String::new(), "e30.".to_owned()]).collect();
    Property::RoomTokens.holds(&changed_text(corpus), |text| {
        for (room, right) in rooms {
            // Digits of the signature may be capitals.
            let same = text.eq_ignore_ascii_case(right);
            let page = sites.page(site).unwrap();
            prop_assert!(same || sites.admit(&page, room, Some(&text), NOW_S).is_err(), "{text} opens {room}");
        }
        drop(sites.grant(&text, None, NOW_S));
        Ok(())
    });
}
