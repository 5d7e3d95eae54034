//! The picture that a link to this page is shown with, where links are shown with pictures: how many people are here, and
//! whether the light is on.

mod board;
mod land;
mod letters;
mod png;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;
use presence_core::{Room, RoomView};
use presence_server::RoomViews;

use crate::{lightbulb, map};
use board::{DotBoard, Shade};

/// The address of the picture.
pub(crate) const PATH: &str = "/og.png";
/// It is drawn at most this often, however often it is asked for.
const DRAWN_EVERY: Duration = Duration::from_secs(2);

/// Where the map is on the board, and how many units of the map a dot is wide.
const MAP_LEFT: f64 = 72.0;
const MAP_TOP: f64 = 4.0;
const MAP_UNITS: f64 = 7.0;

/// Where the bulb is on the board.
const BULB: (f64, f64) = (34.0, 38.0);
const BULB_RADIUS: f64 = 15.0;

/// The route of the picture.
pub(crate) fn router(room: &'static str) -> Router {
    let last =
        Arc::new(LastPicture { room: Room::new(room).expect("a site's name is a room's"), drawn: Mutex::default() });
    Router::new().route(PATH, get(answer)).with_state(last)
}

/// The picture as it was drawn last.
struct LastPicture {
    room: Room,
    drawn: Mutex<Option<DrawnPicture>>,
}

struct DrawnPicture {
    words: PictureWords,
    at: Instant,
    png: Bytes,
}

async fn answer(State(last): State<Arc<LastPicture>>, rooms: RoomViews) -> Response {
    let png = last.png(&rooms.view(&last.room), Instant::now());
    let headers = [
        (header::CONTENT_TYPE, "image/png"),
        (header::CACHE_CONTROL, "public, max-age=10"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    (headers, png).into_response()
}

impl LastPicture {
    /// The picture of this view, or a younger one than [`DRAWN_EVERY`].
    fn png(&self, view: &RoomView, now: Instant) -> Bytes {
        let words = PictureWords::of(view);
        let mut drawn = self.drawn.lock();
        if let Some(last) = &*drawn
            && (last.words == words || now.duration_since(last.at) < DRAWN_EVERY)
        {
            return last.png.clone();
        }
        let png = Bytes::from(draw(&words).png());
        *drawn = Some(DrawnPicture { words, at: now, png: png.clone() });
        png
    }
}

/// What the picture says and shows.
#[derive(Clone, PartialEq, Debug)]
struct PictureWords {
    people: String,
    rest: String,
    lit: bool,
    /// Where regions are on the map, and whether they have people.
    regions: Vec<((f64, f64), bool)>,
}

impl PictureWords {
    fn of(view: &RoomView) -> Self {
        let occupied = view.regions.iter().filter(|region| region.users > 0).count();
        let on_map = view.regions.iter().filter_map(|region| Some((map::position(region)?, region.users > 0)));
        let lit = lightbulb::is_on(view);
        let light = if lit { "the light is on" } else { "the light is off" };
        let (people, place) = match (view.users, occupied) {
            (0, _) => ("no one yet,".to_owned(), String::new()),
            (1, _) => ("1 person".to_owned(), "in 1 region, ".to_owned()),
            (users, 1) => (format!("{users} people"), "in 1 region, ".to_owned()),
            (users, regions) => (format!("{users} people"), format!("in {regions} regions, ")),
        };
        Self { people, rest: format!("{place}{light}"), lit, regions: on_map.collect() }
    }
}

fn draw(words: &PictureWords) -> DotBoard {
    let on_board = |(x, y): (f64, f64)| (MAP_LEFT + (x - map::LEFT) / MAP_UNITS, MAP_TOP + y / MAP_UNITS);
    let regions: Vec<_> = words.regions.iter().map(|(position, people)| (on_board(*position), people)).collect();
    let coasts: Vec<Vec<f64>> =
        (0..board::ROWS).map(|row| land::coasts((row as f64 + 0.5 - MAP_TOP) * MAP_UNITS)).collect();
    let mut board = DotBoard::of(|x, y| {
        let near = |radius: f64| regions.iter().find(|((to_x, to_y), _)| (x - to_x).hypot(y - to_y) < radius);
        if let Some((_, people)) = near(1.6) {
            if **people { Shade::People } else { Shade::Faint }
        } else if let Some(shade) = bulb(x - BULB.0, y - BULB.1, words.lit) {
            shade
        } else if land::is_land(&coasts[y as usize], map::LEFT + (x - MAP_LEFT) * MAP_UNITS) {
            Shade::Land
        } else {
            Shade::None
        }
    });
    board.write(&words.people, 8, 68, 2, Shade::Text);
    board.write(&words.rest, 8, 91, 1, if words.lit { Shade::Light } else { Shade::Faint });
    board
}

/// The bulb around its middle, hanging from the upper edge; `None` beside it.
fn bulb(x: f64, y: f64, lit: bool) -> Option<Shade> {
    let from = x.hypot(y);
    if from < BULB_RADIUS {
        let inside = lit || from > BULB_RADIUS - 1.5;
        return inside.then_some(if lit { Shade::Light } else { Shade::Glass });
    }
    let (socket, cord) = (-BULB_RADIUS - 7.0..-BULB_RADIUS + 4.0, ..-BULB_RADIUS - 7.0);
    if (socket.contains(&y) && x.abs() < 6.0) || (cord.contains(&y) && x.abs() < 1.0) {
        return Some(Shade::Glass);
    }
    // Rays: at every eighth of a circle, but not where the socket is.
    let eighth = (y.atan2(x) / std::f64::consts::FRAC_PI_4).round() * std::f64::consts::FRAC_PI_4;
    let beside = (x * eighth.sin() - y * eighth.cos()).abs();
    let shines = lit && (18.0..24.0).contains(&from) && beside < 0.75 && eighth.sin() > -0.9;
    shines.then_some(Shade::Light)
}

#[cfg(test)]
mod tests {
    use presence_core::{Author, Entry, Place, PublicId, Region, RegionView, UserId};

    use super::*;

    /// A room whose regions have that many users, with the light on or off.
    fn room(users: &[u32], lit: bool) -> RoomView {
        let region = |(at, users): (usize, &u32)| {
            let region = Region::new(["yyz", "ams", "maa"][at]).unwrap();
            let place = Place { name: String::new(), location: Some((0.0, 10.0 * at as f64)) };
            RegionView { users: *users, ..RegionView::empty(region, place) }
        };
        let here = Region::new("yyz").unwrap();
        let empty = RoomView::empty(Room::new("demo").unwrap(), here.clone());
        let regions = users.iter().enumerate().map(region).collect();
        let mut view = RoomView { users: users.iter().sum(), regions, ..empty };
        let author = Author { user: UserId([1; 32]), public: PublicId([1; 32]), region: here };
        let value = vec![0xa1, 0x00, if lit { 0xf5 } else { 0xf4 }];
        view.registers.insert(lightbulb::KEY.to_owned(), Entry { value, author, at_ms: 0, id: None });
        view
    }

    #[test]
    fn it_says_who_is_here_and_whether_the_light_is_on() {
        for (users, lit, expected) in [
            (&[9, 7, 1][..], true, "17 people in 3 regions, the light is on"),
            (&[2, 0], false, "2 people in 1 region, the light is off"),
            (&[0, 1], true, "1 person in 1 region, the light is on"),
            (&[0], false, "no one yet, the light is off"),
            (&[1_234_560, 0, 7], false, "1234567 people in 2 regions, the light is off"),
        ] {
            let PictureWords { people, rest, .. } = PictureWords::of(&room(users, lit));
            let said = format!("{people} {rest}");
            assert_eq!(said, expected);
            for letter in said.chars().filter(|letter| *letter != ' ') {
                assert!(letters::dots(&letter.to_string()).next().is_some(), "{letter:?} has no dots");
            }
        }
    }

    #[test]
    fn it_is_drawn_again_after_a_change_but_not_more_often_than_every_two_seconds() {
        let last = LastPicture { room: Room::new("demo").unwrap(), drawn: Mutex::default() };
        let began = Instant::now();
        let first = last.png(&room(&[1], true), began);
        let is_first = |png: Bytes| png.as_ptr() == first.as_ptr();
        assert!(is_first(last.png(&room(&[1], true), began + 2 * DRAWN_EVERY)), "nothing has changed");
        assert!(is_first(last.png(&room(&[1], false), began + DRAWN_EVERY / 2)), "too soon");
        let second = last.png(&room(&[1], false), began + DRAWN_EVERY);
        assert_ne!(first, second);
        let mut moved = room(&[1], false);
        moved.regions[0].place.location = Some((40.0, 100.0));
        assert_ne!(second, last.png(&moved, began + 2 * DRAWN_EVERY), "another region has the same people");
        assert!(second.starts_with(b"\x89PNG") && second.len() < 100_000, "{} bytes", second.len());
    }

    #[test]
    fn every_number_of_people_has_room() {
        let words = PictureWords::of(&room(&[1_234_567, 1_234_567], false));
        for (text, size) in [(&words.people, 2), (&words.rest, 1)] {
            let end = letters::dots(text).map(|(column, _)| 8 + (column + 1) * size).max();
            assert!(end.is_some_and(|end| end <= board::COLUMNS), "{text} ends at {end:?}");
        }
    }
}
