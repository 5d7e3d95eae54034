//! Any text as a signed name or a cookie.

use presence_fuzz::{Property, changed_text};
use proptest::prelude::*;

use super::*;

#[test]
fn only_what_was_signed_opens() {
    let names = SignedNames::new(keys(1), "demo");
    let cookies = Cookies::new(keys(2), "demo");
    let embeds = EmbedIds::new(keys(3));
    let browser = BrowserId::random();
    let cookie = cookies.write(&browser, false);
    let id = embeds.text(&EmbedId::random());
    let signed = [
        names.room(&room("demo"), None),
        names.user(&room("a:b"), &PublicId([7; 32]), Some(&Guest::random())),
        sign_name(&[1; 32], "user:no user"),
        sign_name(&[1; 32], "guest:00:room:demo"),
    ];
    let corpus = signed.iter().cloned().chain([cookie.clone(), id.clone(), format!("a=b; {cookie}")]).collect();
    let opens: Vec<OpenedName> = signed.iter().filter_map(|name| names.open(name)).collect();
    Property::SignedNames.holds(&changed_text(corpus), |text| {
        prop_assert!(names.open(&text).is_none_or(|opened| opens.contains(&opened)), "{text}");
        prop_assert!(cookies.read(&text, false).is_none_or(|read| read == browser), "{text}");
        prop_assert!(embeds.read(&text).is_none_or(|read| Some(read) == embeds.read(&id)), "{text}");
        prop_assert!(cookies.read(&text, true).is_none(), "of the other scheme");
        Ok(())
    });
}
