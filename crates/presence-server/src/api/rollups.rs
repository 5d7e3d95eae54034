//! Counts of all rooms below a path, kept for a second; without it anybody could keep the node busy by asking for many.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use presence_core::{Below, Found, Query, Room};

use super::asked::found;
use crate::problem::Problem;
use crate::web::Web;

/// How long an answer is given again.
const FRESH: Duration = Duration::from_secs(1);
/// The node counts a path anew, room by room, where nobody has asked for it for longer than this.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Paths that are remembered at a time.
const PATHS_MAX: usize = 64;
/// New paths that are begun in a second.
const BEGUN_MAX: u32 = 8;

/// What was answered lately.
#[derive(Default)]
pub(crate) struct RollUps(Mutex<Lately>);

#[derive(Default)]
struct Lately {
    answers: HashMap<Room, (Instant, Below)>,
    begun: u32,
    since: Option<Instant>,
}

impl RollUps {
    /// Whether a name stands for all rooms below it.
    pub(super) fn is_path(room: &Room) -> bool {
        room.as_str().ends_with('/')
    }

    /// The counts of all rooms below a path.
    pub(super) async fn below(web: &Web, path: &Room) -> Result<Below, Problem> {
        let known = web.roll_ups.lately().look(path, Instant::now())?;
        if let Some(below) = known {
            return Ok(below);
        }
        let query = Query::Below { path: path.as_str().to_owned() };
        let Found::Below(below) = found(web, query).await? else { unreachable!("what is below is asked for") };
        web.roll_ups.lately().answers.insert(path.clone(), (Instant::now(), below.clone()));
        Ok(below)
    }

    fn lately(&self) -> MutexGuard<'_, Lately> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lately {
    /// An answer that is fresh; else the node may be asked, unless too many paths are new.
    fn look(&mut self, path: &Room, now: Instant) -> Result<Option<Below>, Problem> {
        if let Some((at, below)) = self.answers.get(path) {
            let age = now.duration_since(*at);
            if age < REMEMBERED {
                return Ok((age < FRESH).then(|| below.clone()));
            }
        }
        self.answers.retain(|_, (at, _)| now.duration_since(*at) < REMEMBERED);
        if self.since.is_none_or(|since| now.duration_since(since) >= FRESH) {
            (self.since, self.begun) = (Some(now), 0);
        }
        if self.begun >= BEGUN_MAX || self.answers.len() >= PATHS_MAX {
            let detail =
                "Too many different paths are asked for on this node. Try again in a minute, or ask for rooms.";
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
        self.begun += 1;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(number: u64) -> Room {
        Room::new(&format!("shop.example/{number}/")).unwrap()
    }

    #[test]
    fn an_answer_is_given_again_for_a_second_and_new_paths_are_begun_slowly() {
        let mut lately = Lately::default();
        let begin = Instant::now();
        for number in 0..64 {
            let now = begin + FRESH * u32::try_from(number).unwrap();
            assert_eq!(lately.look(&path(number), now), Ok(None));
            lately.answers.insert(path(number), (now, Below { users: 7, ..Below::default() }));
            assert_eq!(lately.look(&path(number), now + FRESH / 2).unwrap().unwrap().users, 7);
            assert_eq!(lately.look(&path(number), now + FRESH), Ok(None), "it is asked for again");
        }
        let later = begin + Duration::from_secs(1_000);
        for number in 100..100 + u64::from(BEGUN_MAX) {
            assert_eq!(lately.look(&path(number), later), Ok(None));
        }
        assert!(lately.look(&path(200), later).is_err(), "too many in one second");
        assert_eq!(lately.look(&path(200), later + FRESH), Ok(None));
    }
}
