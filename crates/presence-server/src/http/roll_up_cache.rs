//! Counts of all rooms below a path, kept for a second, with a limit on how many new paths the node is asked to follow.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use parking_lot::Mutex;
use presence_core::{Below, Subtree};

use super::reader::CountsReader;
use crate::lru::Lru;
use crate::problem::Problem;
use crate::sites::network;

/// How long an answer is given again.
const FRESH: Duration = Duration::from_secs(1);
/// The node counts a path room by room if the last request for it is longer ago than this.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Paths that are followed at a time: those that were asked for last.
const PATHS_MAX: usize = 64;
/// The time between new paths of all but the operator, and how many may be at once.
const NEW_PATH_EVERY: Duration = Duration::from_millis(125);
/// The same for one address, so that none takes the new paths of all others.
const NEW_PATH_OF_ADDRESS_EVERY: Duration = Duration::from_millis(500);
/// How many new paths may be at once.
const BURST: u32 = 8;
/// Addresses whose new paths are counted at a time.
const ADDRESSES_MAX: usize = 1_024;

/// The newest answers by path.
pub(super) struct RollUpCache(Mutex<PathAnswers>);

struct PathAnswers {
    by_path: Lru<Subtree, (Instant, Below)>,
    of_operator: NewPaths,
    of_anybody: NewPaths,
    by_address: Lru<IpAddr, NewPaths>,
}

/// When the new paths so far would be done at the allowed rate.
#[derive(Clone, Copy, Default)]
struct NewPaths(Option<Instant>);

impl NewPaths {
    /// The same after one more; `None` if that is too many.
    fn next(self, every: Duration, now: Instant) -> Option<Self> {
        let done = self.0.map_or(now, |done| done.max(now)) + every;
        (done <= now + every * BURST).then_some(Self(Some(done)))
    }
}

/// More new paths are asked for than the node follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TooManyPaths {
    OfAll,
    OfAddress,
}

impl From<TooManyPaths> for Problem {
    fn from(reason: TooManyPaths) -> Self {
        let detail = match reason {
            TooManyPaths::OfAll => {
                "This node is asked for too many different paths. Try again in a second, or ask for single rooms."
            }
            TooManyPaths::OfAddress => {
                "Your network asks for too many different paths. Try again in a second, or ask for single rooms."
            }
        };
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
    }
}

impl Default for RollUpCache {
    fn default() -> Self {
        Self(Mutex::new(PathAnswers::new()))
    }
}

impl RollUpCache {
    /// A fresh answer; `None` if the node may be asked for one.
    pub(super) fn get(&self, path: &Subtree, reader: CountsReader) -> Result<Option<Below>, TooManyPaths> {
        self.0.lock().get(path, reader, Instant::now())
    }

    pub(super) fn insert(&self, path: &Subtree, below: Below) {
        self.0.lock().by_path.insert(path.clone(), (Instant::now(), below));
    }
}

impl PathAnswers {
    fn new() -> Self {
        Self {
            by_path: Lru::new(PATHS_MAX),
            of_operator: NewPaths::default(),
            of_anybody: NewPaths::default(),
            by_address: Lru::new(ADDRESSES_MAX),
        }
    }

    fn get(&mut self, path: &Subtree, reader: CountsReader, now: Instant) -> Result<Option<Below>, TooManyPaths> {
        if let Some((at, below)) = self.by_path.get(path) {
            let age = now.duration_since(*at);
            if age < REMEMBERED {
                return Ok((age < FRESH).then(|| below.clone()));
            }
        }
        self.spend(reader, now)?;
        Ok(None)
    }

    fn spend(&mut self, reader: CountsReader, now: Instant) -> Result<(), TooManyPaths> {
        let CountsReader::Anybody(address) = reader else {
            self.of_operator = self.of_operator.next(NEW_PATH_EVERY, now).ok_or(TooManyPaths::OfAll)?;
            return Ok(());
        };
        let address = network(address);
        let own = self.by_address.get(&address).copied().unwrap_or_default();
        let own = own.next(NEW_PATH_OF_ADDRESS_EVERY, now).ok_or(TooManyPaths::OfAddress)?;
        self.of_anybody = self.of_anybody.next(NEW_PATH_EVERY, now).ok_or(TooManyPaths::OfAll)?;
        self.by_address.insert(address, own);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(number: u64) -> Subtree {
        Subtree { path: format!("shop.example/{number}/"), except: None }
    }

    fn reader(last: u8) -> CountsReader {
        CountsReader::Anybody(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn an_answer_is_given_again_for_a_second_and_the_path_asked_for_last_is_kept_longest() {
        let mut answers = PathAnswers::new();
        let begin = Instant::now();
        for number in 0..100 {
            let now = begin + FRESH * u32::try_from(number).unwrap();
            assert_eq!(answers.get(&path(number), reader(1), now), Ok(None));
            answers.by_path.insert(path(number), (now, Below { users: 7, ..Below::default() }));
            assert_eq!(answers.get(&path(number), reader(2), now + FRESH / 2).unwrap().unwrap().users, 7);
            assert_eq!(answers.get(&path(number), reader(2), now + FRESH), Ok(None), "the node is asked again");
            // Others ask for the first path all the time: that costs them nothing, and it is never forgotten.
            if number < 60 {
                assert!(answers.get(&path(0), reader(3), now).is_ok());
            }
        }
        assert_eq!(answers.by_path.len(), PATHS_MAX);
        assert!(answers.by_path.get(&path(0)).is_some() && answers.by_path.get(&path(1)).is_none());
    }

    #[test]
    fn one_address_can_not_use_up_the_new_paths_of_all_others_nor_all_of_them_those_of_the_key() {
        let mut answers = PathAnswers::new();
        let begin = Instant::now();
        let burst = u64::from(BURST);
        for number in 0..burst {
            assert_eq!(answers.get(&path(number), reader(1), begin), Ok(None));
        }
        assert_eq!(answers.get(&path(99), reader(1), begin), Err(TooManyPaths::OfAddress));
        assert_eq!(answers.get(&path(99), reader(2), begin), Err(TooManyPaths::OfAll));
        assert_eq!(answers.get(&path(99), CountsReader::Operator, begin), Ok(None));
        let mut now = begin;
        for number in 100..160 {
            now += FRESH;
            // Two a second remain for the first address, whatever it asks for.
            let mine = (0..burst).filter(|more| answers.get(&path(1_000 + more), reader(1), now).is_ok());
            assert_eq!(mine.count(), 2, "{number}");
            assert_eq!(answers.get(&path(number), reader(2), now), Ok(None));
        }
    }
}
