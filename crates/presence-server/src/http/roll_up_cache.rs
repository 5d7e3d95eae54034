//! Counts of all rooms below a path, kept for a second, with a limit on how many new paths the node is asked to follow.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use parking_lot::Mutex;
use presence_core::{Below, Room};

use crate::problem::Problem;

/// How long an answer is given again.
const FRESH: Duration = Duration::from_secs(1);
/// The node counts a path room by room if the last request for it is longer ago than this.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Paths that are followed at a time.
const PATHS_MAX: usize = 64;
/// New paths a second.
const NEW_PATHS_MAX: u32 = 8;

/// The newest answers by path.
#[derive(Default)]
pub(super) struct RollUpCache(Mutex<PathAnswers>);

#[derive(Default)]
struct PathAnswers {
    by_path: HashMap<Room, (Instant, Below)>,
    new_paths: u32,
    since: Option<Instant>,
}

/// More paths are asked for than the node follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooManyPaths;

impl From<TooManyPaths> for Problem {
    fn from(_: TooManyPaths) -> Self {
        let detail = "This node is asked for too many different paths. Try again in a minute, or ask for single rooms.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
    }
}

impl RollUpCache {
    /// A fresh answer; `None` if the node may be asked for one.
    pub(super) fn get(&self, path: &Room) -> Result<Option<Below>, TooManyPaths> {
        self.0.lock().get(path, Instant::now())
    }

    pub(super) fn insert(&self, path: &Room, below: Below) {
        self.0.lock().by_path.insert(path.clone(), (Instant::now(), below));
    }
}

impl PathAnswers {
    fn get(&mut self, path: &Room, now: Instant) -> Result<Option<Below>, TooManyPaths> {
        if let Some((at, below)) = self.by_path.get(path) {
            let age = now.duration_since(*at);
            if age < REMEMBERED {
                return Ok((age < FRESH).then(|| below.clone()));
            }
        }
        self.by_path.retain(|_, (at, _)| now.duration_since(*at) < REMEMBERED);
        if self.since.is_none_or(|since| now.duration_since(since) >= FRESH) {
            (self.since, self.new_paths) = (Some(now), 0);
        }
        if self.new_paths >= NEW_PATHS_MAX || self.by_path.len() >= PATHS_MAX {
            return Err(TooManyPaths);
        }
        self.new_paths += 1;
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
    fn an_answer_is_given_again_for_a_second_and_new_paths_are_limited() {
        let mut answers = PathAnswers::default();
        let begin = Instant::now();
        for number in 0..64 {
            let now = begin + FRESH * u32::try_from(number).unwrap();
            assert_eq!(answers.get(&path(number), now), Ok(None));
            answers.by_path.insert(path(number), (now, Below { users: 7, ..Below::default() }));
            assert_eq!(answers.get(&path(number), now + FRESH / 2).unwrap().unwrap().users, 7);
            assert_eq!(answers.get(&path(number), now + FRESH), Ok(None), "the node is asked again");
        }
        let later = begin + Duration::from_secs(1_000);
        for number in 100..100 + u64::from(NEW_PATHS_MAX) {
            assert_eq!(answers.get(&path(number), later), Ok(None));
        }
        assert_eq!(answers.get(&path(200), later), Err(TooManyPaths), "too many in one second");
        assert_eq!(answers.get(&path(200), later + FRESH), Ok(None));
    }
}
