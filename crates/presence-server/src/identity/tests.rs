//! Cookies, signed names and the users that ids stand for.

use super::*;

mod fuzz;

fn keys(byte: u8) -> RotatingKeys {
    RotatingKeys { signing: [byte; 32], accepted: vec![[byte; 32]] }
}

fn room(name: &str) -> Room {
    Room::new(name).unwrap()
}

#[test]
fn a_signed_name_opens_to_what_was_signed() {
    let names = SignedNames::new(keys(1), "demo");
    let public = PublicId([7; 32]);
    let awkward = room("a:b \"ü\"");
    assert_eq!(
        names.open(&names.room(&awkward, None)),
        Some(OpenedName { stream: StreamKind::Room(awkward.clone()), guest: None, page: None })
    );
    assert_eq!(
        names.open(&names.user(&awkward, &public, None)),
        Some(OpenedName { stream: StreamKind::User(awkward), guest: None, page: None })
    );
    let guest = Guest::random();
    let opened = names.open(&names.user(&room("demo"), &public, Some(&guest))).unwrap();
    assert_eq!(opened.guest, Some(names.guest(&guest)));
}

#[test]
fn a_name_for_a_user_who_has_signed_in_says_whose_it_is_and_of_which_page() {
    let names = SignedNames::new(keys(1), "demo");
    let user = PublicId([7; 32]);
    let holder = NameHolder::SignedIn { user, address: "/a:b?c=d:e" };
    let page = Some(SignedInPage { user: user.long(), address: "/a:b?c=d:e".to_owned() });
    for (signed, stream) in [
        (names.room(&room("a:b"), holder), StreamKind::Room(room("a:b"))),
        (names.user(&room("a:b"), &user, holder), StreamKind::User(room("a:b"))),
    ] {
        assert_eq!(names.open(&signed), Some(OpenedName { stream, guest: None, page: page.clone() }));
    }
}

#[test]
fn a_name_of_a_secret_that_will_be_dropped_is_renewed_for_the_same_holder() {
    let (old, new) = (SignedNames::new(keys(1), "demo"), SignedNames::new(keys(2), "demo"));
    let both = SignedNames::new(RotatingKeys { signing: [2; 32], accepted: vec![[2; 32], [1; 32]] }, "demo");
    let (public, guest) = (PublicId([7; 32]), Guest::random());
    let names = |names: &SignedNames| {
        [names.room(&room("a"), Some(&guest)), names.user(&room("a"), &public, None), names.room(&room("b"), None)]
    };
    for (name, expected) in names(&old).iter().zip(names(&new)) {
        assert_eq!(both.renewed(name).as_deref(), Some(expected.as_str()));
        assert_eq!((both.renewed(&expected), both.open(&expected)), (None, both.open(name)));
    }
}

#[test]
fn the_longest_name_of_a_room_can_be_signed_and_opened() {
    let names = SignedNames::new(keys(1), "demo");
    let longest = room(&"\u{1}".repeat(Room::NAME_BYTES_MAX));
    let signed = names.user(&longest, &PublicId([0; 32]), Some(&Guest::random()));
    assert_eq!(names.open(&signed).unwrap().stream, StreamKind::User(longest));
}

#[test]
fn a_name_that_was_changed_or_signed_with_another_key_does_not_open() {
    let names = SignedNames::new(keys(1), "demo");
    let signed = SignedNames::new(keys(2), "demo").room(&room("demo"), None);
    assert_eq!(names.open(&signed), None);
    let ours = names.room(&room("demo"), None);
    for wrong in [&ours[1..], &ours[..ours.len() - 1], "", "--", "a--b", &ours.replace("--", "-")] {
        assert_eq!(names.open(wrong), None, "{wrong}");
    }
}

#[test]
fn a_cookie_is_read_back_and_only_under_its_own_name() {
    let cookies = Cookies::new(keys(1), "demo");
    let browser = BrowserId::random();
    let header = cookies.write(&browser, true);
    let pair = header.split(';').next().unwrap();
    assert!(header.contains("HttpOnly") && header.contains("; Secure") && pair.starts_with("__Host-"));
    assert!(cookies.read(&format!("other=1; {pair}"), true) == Some(browser));
    assert!(cookies.read(pair, false).is_none());
    assert!(Cookies::new(keys(2), "demo").read(pair, true).is_none());
    assert!(!cookies.write(&browser, false).contains("Secure"));
}

#[test]
fn kinds_and_sites_make_different_users_of_one_id() {
    let id = [3; 16];
    assert_ne!(IdKind::Cookie.user("demo", &id), IdKind::Guest.user("demo", &id));
    assert_ne!(IdKind::Cookie.user("demo", &id), IdKind::Cookie.user("shop", &id));
    let signed = signed_user(&[1; 32], "demo", "ada");
    assert_eq!(signed, signed_user(&[1; 32], "demo", "ada"));
    let others = [("demo", "bob", 1), ("shop", "ada", 1), ("demo", "ada", 2)];
    assert!(others.into_iter().all(|(site, id, key)| signed_user(&[key; 32], site, id) != signed));
}

#[test]
fn a_signed_id_is_one_member_and_a_guests_id_another_for_each_guest() {
    let members = MemberIds::new([1; 32]);
    let (ann, bob) = (UserId([1; 32]), UserId([2; 32]));
    assert_eq!(members.signed("u1"), members.signed("u1"));
    assert_eq!(members.of_guest(&ann, "u1"), members.of_guest(&ann, "u1"));
    let different = [members.signed("u1"), members.of_guest(&ann, "u1"), members.of_guest(&bob, "u1")];
    assert!(different[0] != different[1] && different[1] != different[2] && different[0] != different[2]);
    assert_ne!(MemberIds::new([2; 32]).signed("u1"), members.signed("u1"));
}
