//! The site of a page, the room that it means, and the tokens for private rooms.

use clap::Parser as _;

use super::token::TokenUser;
use super::*;
use crate::config::Secrets;
use crate::problem::Problem;

mod fuzz;
mod limits;

const NOW_S: u64 = 1_800_000_000;

#[derive(clap::Parser)]
struct SiteOptions {
    #[command(flatten)]
    config: Config,
}

fn secret(text: &str) -> Secret {
    Secret::find(&Secrets { secret: Some(text.repeat(32)), ..Secrets::default() }, None).0
}

fn sites(line: &str) -> Arc<Sites> {
    let config = SiteOptions::parse_from(["node"].into_iter().chain(line.split_whitespace())).config;
    Arc::new(Sites::new(&config, secret("a"), room("demo")))
}

fn room(name: &str) -> Room {
    Room::new(name).unwrap()
}

/// Enters a room from a page of an origin.
fn enter(sites: &Sites, origin: &str, name: &str, token: Option<&str>) -> Result<Admission, RoomError> {
    sites.admit(&sites.page(origin).unwrap(), name, token, NOW_S)
}

fn entered(sites: &Sites, origin: &str, name: &str) -> String {
    enter(sites, origin, name, None).unwrap().room.to_string()
}

fn token(sites: &Sites, site: &str, room: &str, user: Option<&str>) -> String {
    let user = user.map(|user| TokenUser::Text(user.to_owned()));
    let keys = TextKeys::of(&sites.secret.site_keys(site, &[]));
    RoomToken { room: room.to_owned(), exp: NOW_S + 60, user, info: None }.sign(&keys)
}

#[test]
fn a_page_belongs_to_the_narrowest_site_that_covers_it() {
    let sites =
        sites("--site * --site https://*.shop.example --site https://eu.shop.example,https://*.eu.shop.example");
    let name = |origin| sites.page(origin).map(|page| page.site.name().to_owned()).unwrap();
    assert_eq!(name("https://eu.shop.example"), "https://eu.shop.example");
    assert_eq!(name("https://a.eu.shop.example"), "https://*.eu.shop.example");
    assert_eq!(name("https://us.shop.example"), "https://*.shop.example");
    assert_eq!(name("http://elsewhere.example:81"), "http://elsewhere.example:81");
    for other in ["null", "", "file://", "shop.example"] {
        assert!(sites.page(other).is_none(), "{other}");
    }
    let one = self::sites("--site https://shop.example");
    assert!(one.page("https://shop.example").is_some() && one.page("https://evil.example").is_none());
    assert!(self::sites("").page("https://shop.example").is_none());
}

#[test]
fn a_room_is_below_the_pages_host_unless_it_names_a_host_of_the_site() {
    let one = sites("--site https://shop.example --site https://*.wide.example");
    let shop = |name| entered(&one, "https://shop.example", name);
    assert_eq!(shop("lamp"), "shop.example/lamp");
    assert_eq!(shop("/lamp/7/"), "shop.example/lamp/7");
    assert_eq!(shop("shop.example/lamp"), "shop.example/lamp");
    assert_eq!(shop("Shop.Example//lamp/"), "shop.example/lamp");
    assert_eq!(
        (shop(""), shop("/"), shop("shop.example/")),
        ("shop.example".to_owned(), "shop.example".to_owned(), "shop.example".to_owned())
    );
    assert_eq!(shop("other.example/lamp"), "shop.example/other.example/lamp");
    assert_eq!(shop("a.wide.example/lamp"), "shop.example/a.wide.example/lamp");
    assert_eq!(shop("shop.example.evil/x"), "shop.example/shop.example.evil/x");
    let wide = |name| entered(&one, "https://a.wide.example", name);
    assert_eq!((wide("x"), wide("b.wide.example/x")), ("a.wide.example/x".to_owned(), "b.wide.example/x".to_owned()));
    assert_eq!(wide("wide.example/x"), "a.wide.example/wide.example/x");
    let open = sites("--site *");
    assert_eq!(entered(&open, "https://a.example", "b.example/x"), "a.example/b.example/x");
    let long = "x".repeat(Room::NAME_BYTES_MAX);
    assert_eq!(enter(&open, "https://a.example", &long, None), Err(RoomError::NameTooLong));
}

#[test]
fn every_door_gives_a_room_the_same_name() {
    let sites = sites("--site https://shop.example --site http://localhost:3000");
    let page = |name| entered(&sites, "https://shop.example", name);
    let named = |name| sites.named(name).map(|room| room.to_string()).unwrap_or_default();
    for spelling in
        ["lamp/caf%C3%A9", "/lamp//cafe\u{301}/", "Shop.Example/lamp/caf%c3%a9", "shop.example:443/lamp/caf\u{e9}"]
    {
        assert_eq!(page(spelling), "shop.example/lamp/caf\u{e9}", "{spelling}");
    }
    for spelling in
        ["shop.example/lamp/caf%C3%A9", "/SHOP.example//lamp/cafe\u{301}", "shop.example:443/%6Camp/caf%c3%a9"]
    {
        assert_eq!(named(spelling), "shop.example/lamp/caf\u{e9}", "{spelling}");
    }
    assert_eq!(
        (named("Shop.Example"), named("Shop.example//")),
        ("shop.example".to_owned(), "shop.example/".to_owned())
    );
    assert_eq!(
        (named("LOCALHOST:3000/x"), named("Elsewhere/x")),
        ("localhost:3000/x".to_owned(), "Elsewhere/x".to_owned())
    );
    let anybody = self::sites("--site *");
    let own = |name| anybody.named(name).map(|room| room.to_string()).unwrap_or_default();
    assert_eq!((own("demo/A"), own("Shop.example/A")), ("demo/A".to_owned(), "shop.example/A".to_owned()));
    assert_eq!(enter(&sites, "https://shop.example", "%70rivate/7", None), Err(RoomError::TokenMissing));
}

#[test]
fn pages_of_sites_may_not_be_in_the_servers_own_room() {
    let sites = sites("--site *");
    for name in ["", "/", "demo"] {
        assert_eq!(enter(&sites, "http://demo", name, None), Err(RoomError::Reserved), "{name:?}");
    }
    assert_eq!(entered(&sites, "https://a.example", "demo"), "a.example/demo");
}

#[test]
fn a_complete_name_tells_the_site_of_a_room() {
    let sites = sites("--site https://shop.example --site http://localhost:3000");
    let whose = |name| sites.page_of_room(name).map(|page| page.site.name().to_owned());
    assert_eq!(whose("shop.example/lamp").as_deref(), Some("https://shop.example"));
    assert_eq!(whose("/shop.example").as_deref(), Some("https://shop.example"));
    assert_eq!(whose("localhost:3000/x").as_deref(), Some("http://localhost:3000"));
    assert_eq!((whose("lamp"), whose(""), whose("evil.example/lamp")), (None, None, None));
    let private = |name| Sites::is_private(&room(name));
    assert!(private("shop.example/private/7") && private("localhost:3000/private/") && private("demo/private/7"));
    assert!(!private("shop.example/lamp") && !private("private/7"));
    let below = |name| Sites::private_below(&room(name));
    assert_eq!(below("shop.example/").as_deref(), Some("shop.example/private/"));
    assert_eq!((below("shop.example/lamps/"), below("shop.example")), (None, None));
}

#[test]
fn a_private_room_needs_the_sites_token_for_that_room() {
    let sites = sites("--site https://shop.example --site https://*.wide.example --site https://other.example");
    let (shop, name) = ("https://shop.example", "private/orders/7");
    for locked in [name, "/private/x", "shop.example/private/orders/7", "Shop.Example/private/"] {
        let entered = enter(&sites, shop, locked, None);
        assert!(locked.ends_with("private/") == entered.is_ok(), "{locked}");
        assert!(entered.is_ok() || entered == Err(RoomError::TokenMissing));
    }
    for signed in [name, "shop.example/private/orders/7", "/private/orders/7/"] {
        let entry = enter(&sites, shop, name, Some(&token(&sites, shop, signed, None))).unwrap();
        assert_eq!((entry.room.as_str(), entry.user), ("shop.example/private/orders/7", None));
    }
    let refused = |token: &str| enter(&sites, shop, name, Some(token)).unwrap_err();
    for wrong in ["private/orders/8", "orders/7", "other.example/private/orders/7", ""] {
        let error = refused(&token(&sites, shop, wrong, None));
        assert!(matches!(error, RoomError::TokenForOtherRoom { .. }), "{wrong} {error:?}");
    }
    let other = token(&sites, "https://other.example", name, None);
    assert_eq!(refused(&other), TokenError::NotSignedByThisSite.into());
    let keys = TextKeys::of(&sites.secret.site_keys(shop, &[]));
    let until = |exp| RoomToken { room: name.to_owned(), exp, user: None, info: None }.sign(&keys);
    assert_eq!(refused(&until(NOW_S)), RoomError::TokenExpired);
    let in_milliseconds = until((NOW_S + 60) * 1_000);
    assert_eq!(refused(&in_milliseconds), TokenError::ExpNotSeconds.into());
    let granted = sites.grant(&until((NOW_S + 60) * 1_000), None, NOW_S);
    assert_eq!(granted, Err(TokenError::ExpNotSeconds.into()), "nor does it open a stream");
    assert!(enter(&sites, shop, name, Some(&until(NOW_S + 3_000_000_000))).is_ok(), "95 years");
    // An invalid token is refused for a public room too, since its visitor would not be the user it names.
    assert!(enter(&sites, shop, "lamp", Some("x.y")).is_err());
}

#[test]
fn tokens_of_a_site_with_many_hosts_name_the_host() {
    let sites = sites("--site https://*.wide.example");
    let (page, site) = ("https://a.wide.example", "https://*.wide.example");
    let whole = token(&sites, site, "a.wide.example/private/x", None);
    assert!(enter(&sites, page, "private/x", Some(&whole)).is_ok());
    assert!(enter(&sites, "https://b.wide.example", "a.wide.example/private/x", Some(&whole)).is_ok());
    assert!(enter(&sites, "https://b.wide.example", "private/x", Some(&whole)).is_err());
    assert!(enter(&sites, page, "private/x", Some(&token(&sites, site, "private/x", None))).is_err());
}

#[test]
fn a_signed_user_is_the_same_in_every_room_of_a_site_only() {
    let sites = sites("--site https://a.example --site https://b.example");
    let user = |site: &str, room: &str, user| {
        enter(&sites, site, room, Some(&token(&sites, site, room, Some(user)))).unwrap().user.unwrap()
    };
    let ada = user("https://a.example", "x", "ada");
    assert_eq!(ada, user("https://a.example", "private/y", "ada"));
    assert_ne!(ada, user("https://a.example", "x", "bob"));
    assert_ne!(ada, user("https://b.example", "x", "ada"));
}

#[test]
fn during_a_rotation_tokens_of_both_secrets_are_valid() {
    let config = SiteOptions::parse_from(["node", "--site", "https://a.example"]).config;
    let texts = |byte: &str| byte.repeat(32);
    let both = Secrets { secret: Some(texts("b")), accepted: Some(texts("a")), ..Secrets::default() };
    let changing = Sites::new(&config, Secret::find(&both, None).0, room("demo"));
    let keys = |secret: &Secret| TextKeys::of(&secret.site_keys("https://a.example", &[]));
    for old_or_new in ["a", "b"] {
        let made = RoomToken { room: "private/x".to_owned(), exp: NOW_S + 1, user: None, info: None };
        let text = made.sign(&keys(&secret(old_or_new)));
        assert!(enter(&changing, "https://a.example", "private/x", Some(&text)).is_ok(), "{old_or_new}");
    }
    assert_eq!(keys(&changing.secret).signing(), keys(&secret("b")).signing());
}

#[test]
fn a_token_without_an_origin_opens_the_one_room_that_it_names() {
    let all = sites("--site https://shop.example --site https://*.wide.example");
    let own = || Some(SitePage::of("http://localhost:4000".parse().unwrap()));
    let opened = |text: &str, now_s: u64| {
        let grant = all.grant(text, own(), now_s)?;
        Ok::<_, RoomError>((grant.site.name().to_owned(), grant.room.to_string(), grant.user))
    };
    for (site, named, whole) in [
        ("https://shop.example", "shop.example/private/7", "shop.example/private/7"),
        ("https://shop.example", "private/7", "shop.example/private/7"),
        ("https://*.wide.example", "a.wide.example/private/7", "a.wide.example/private/7"),
        ("http://localhost:4000", "private/7", "localhost:4000/private/7"),
    ] {
        let granted = opened(&token(&all, site, named, Some("ann")), NOW_S);
        assert_eq!(granted, Ok((site.to_owned(), whole.to_owned(), Some("ann".to_owned()))));
    }
    let good = token(&all, "https://shop.example", "private/7", None);
    assert_eq!(opened(&good, NOW_S + 60), Err(RoomError::TokenExpired));
    for forged in [
        token(&all, "https://elsewhere.example", "private/7", None),
        token(&all, "https://*.wide.example", "shop.example/private/7", None),
        token(&sites("--site *"), "https://other.example", "other.example/private/7", None),
        good[..good.len() - 1].to_owned(),
        String::new(),
        "a.b".to_owned(),
        "x".repeat(20_000),
    ] {
        let error = opened(&forged, NOW_S).unwrap_err();
        assert_eq!(Problem::from(error).status(), 403, "{forged}");
    }
    let anybody = sites("--site *");
    let text = token(&anybody, "https://other.example", "other.example/private/7", None);
    assert_eq!(anybody.grant(&text, None, NOW_S).map(|grant| grant.room).ok(), Some(room("other.example/private/7")));
}
