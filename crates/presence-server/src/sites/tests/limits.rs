//! What a site may use, and what one address.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::sites::limits::network;

fn address(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn acquired(sites: &Arc<Sites>, site: &EmbedSite, name: &str, last: u8) -> Result<RoomPermit, RoomError> {
    sites.acquire_room(site, &room(name), address(last))
}

#[test]
fn each_site_has_its_own_limit_of_rooms_and_all_that_anybody_invents_have_one() {
    let sites = sites("--site https://a.example --site https://b.example --site * --rooms-per-site 2");
    let site = |origin| sites.page(origin).unwrap().site;
    let (a, b) = (site("https://a.example"), site("https://b.example"));
    let first = acquired(&sites, &a, "a.example/1", 1).unwrap_or_else(|_| panic!("a permit"));
    let again = acquired(&sites, &a, "a.example/1", 1);
    let second = acquired(&sites, &a, "a.example/2", 1);
    assert!(again.is_ok() && second.is_ok());
    assert_eq!(acquired(&sites, &a, "a.example/3", 1).err(), Some(RoomError::TooManyRooms { max: 2 }));
    assert!(acquired(&sites, &b, "b.example/3", 1).is_ok());
    drop(first);
    assert!(acquired(&sites, &a, "a.example/3", 1).is_err(), "the first room is still in use");
    drop(again);
    assert!(acquired(&sites, &a, "a.example/3", 1).is_ok());
    drop(second);
    assert_eq!(sites.usage.len(), 0);
    let one = acquired(&sites, &site("https://c.example"), "c.example/1", 1);
    let two = acquired(&sites, &site("https://d.example"), "d.example/1", 1);
    assert!(one.is_ok() && two.is_ok());
    let three = acquired(&sites, &site("https://e.example"), "e.example/1", 1);
    assert_eq!(three.err(), Some(RoomError::TooManyRooms { max: 2 }));
}

#[test]
fn an_address_has_a_quarter_of_a_sites_rooms_and_of_a_rooms_users() {
    let sites = sites("--site https://a.example --rooms-per-site 800 --users-per-room 800");
    let site = sites.page("https://a.example").unwrap().site;
    let mut held: Vec<_> = (0..200).map(|number| acquired(&sites, &site, &format!("a.example/{number}"), 1)).collect();
    assert!(held.iter().all(Result::is_ok));
    assert_eq!(acquired(&sites, &site, "a.example/new", 1).err(), Some(RoomError::RoomsOfAddress { share: 200 }));
    // A room that it is in already, and any room for another address.
    assert!(acquired(&sites, &site, "a.example/7", 1).is_ok() && acquired(&sites, &site, "a.example/new", 2).is_ok());
    held.pop();
    held.push(acquired(&sites, &site, "a.example/new", 1));
    let mut users: Vec<_> = (0..199).map(|_| acquired(&sites, &site, "a.example/7", 1).unwrap()).collect();
    assert_eq!(sites.check_room(&users[0], None), Ok(()));
    users.push(acquired(&sites, &site, "a.example/7", 1).unwrap());
    assert_eq!(sites.check_room(&users[0], None), Err(RoomError::UsersOfAddress { share: 200 }));
    let other = acquired(&sites, &site, "a.example/7", 2).unwrap();
    assert_eq!(sites.check_room(&other, None), Ok(()));
    drop((held, users, other));
    assert_eq!(sites.usage.len(), 0);
}

#[test]
fn an_address_joins_with_a_quarter_of_a_sites_rate() {
    let sites = sites("--site https://a.example --joins-per-second 400");
    let site = sites.page("https://a.example").unwrap().site;
    let _permit = acquired(&sites, &site, "a.example/1", 1);
    let begin = Instant::now() + Duration::from_secs(1);
    let delay = |last| sites.join_delay_at(&site, address(last), begin);
    let waits: Vec<_> = (0..1_101).map(|_| delay(1)).collect();
    assert!(waits[..100].iter().all(|wait| *wait == Ok(Duration::ZERO)));
    assert_eq!(waits[1_099], Ok(Duration::from_secs(10)));
    assert_eq!(waits[1_100], Err(RoomError::JoinsOfAddress { per_second: 100 }));
    // What one address has asked for delays the others by a quarter of that at most.
    assert!(delay(2).unwrap() < Duration::from_secs(2));
}

#[test]
fn joins_keep_the_allowed_rate_and_wait_at_most_10_s() {
    let sites = sites("--site * --joins-per-second 10");
    let site = sites.page("https://a.example").unwrap().site;
    let permit = acquired(&sites, &site, "a.example/1", 1);
    let begin = Instant::now() + Duration::from_secs(1);
    let delay = |at| sites.join_delay_at(&site, address(1), at).map_err(|error| Problem::from(error).status());
    let waits: Vec<_> = (0..120).map(|_| delay(begin)).collect();
    assert!(waits[..10].iter().all(|wait| *wait == Ok(Duration::ZERO)));
    assert_eq!(waits[10], Ok(Duration::from_millis(100)));
    assert_eq!(waits[109], Ok(Duration::from_secs(10)));
    assert_eq!(waits[110..], [Err(429); 10]);
    assert_eq!(delay(begin + Duration::from_secs(2)), Ok(Duration::from_millis(8_100)));
    drop(permit);
    assert_eq!(sites.usage.len(), 1, "a site whose pages are gone still has to wait");
}

#[test]
fn an_ipv6_network_of_64_bits_shares_a_limit() {
    let network = |text: &str| network(text.parse().unwrap());
    assert_eq!(network("2001:db8:1:2:3::9"), network("2001:db8:1:2::"));
    assert_ne!(network("2001:db8:1:3::"), network("2001:db8:1:2::"));
    assert_ne!(network("1.2.3.4"), network("1.2.3.5"));
}
