//! Properties whose bound is time: every parser that meets the outside is given inputs that are valid, nearly valid, or
//! anything. `FUZZ_SECONDS` is shared by all of them; a plain `cargo test` tries each for a moment.

mod inputs;

use std::cell::Cell;
use std::env;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

pub use inputs::{changed_bytes, changed_text, token};

/// How long each property runs without `FUZZ_SECONDS`.
const MOMENT: Duration = Duration::from_millis(200);
/// Inputs that are tried between two looks at the clock.
const AT_A_TIME: u32 = 8;
/// How long the smallest input that fails is looked for.
const SHRINK_MS: u32 = 20_000;

/// One parser, or a few that read the same, and what is asked of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Property {
    /// What browsers say in Action Cable and presence-v1: recorded texts that were changed.
    RecordedText,
    /// The same, any text.
    AnyText,
    /// WebSocket frames: a conversation that was changed, and any bytes.
    WebSocketFrames,
    /// HTTP requests to a node: paths, queries, bodies, headers of proxies and pages.
    Requests,
    /// Headers that say who a visitor is: hosts, addresses, origins, languages.
    Headers,
    /// The header `traceparent`.
    TraceParents,
    /// Names of rooms.
    RoomNames,
    /// Tokens of sites.
    RoomTokens,
    /// Signed names of streams, cookies, and ids that pages keep.
    SignedNames,
    /// Messages between nodes with a byte changed.
    NodeMessages,
    /// The same, any bytes.
    AnyNodeMessage,
    /// What a valid member says, with any numbers.
    MemberMessages,
    /// Frames of links over TLS.
    LinkFrames,
    /// Records of facts, as the disk and other nodes have them.
    FactRecords,
    /// The file that facts are kept in.
    FactsFile,
}

impl Property {
    /// How many share the time; all are tried.
    const COUNT: u32 = 15;

    /// Tries inputs until this property's part of the time is over.
    ///
    /// # Panics
    ///
    /// If one fails, with the smallest input that does.
    pub fn holds<S: Strategy>(self, input: &S, check: impl Fn(S::Value) -> Result<(), TestCaseError>) {
        let given = env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
        let time = given.map_or(MOMENT, |seconds: u32| Duration::from_secs(seconds.into()) / Self::COUNT);
        let (began, tried) = (Instant::now(), Cell::new(0_u64));
        while tried.get() == 0 || began.elapsed() < time {
            let config = Config {
                cases: AT_A_TIME,
                failure_persistence: None,
                max_shrink_iters: u32::MAX,
                max_shrink_time: SHRINK_MS,
                ..Config::default()
            };
            let tried_once = |value| {
                tried.set(tried.get() + 1);
                check(value)
            };
            if let Err(failed) = TestRunner::new(config).run(input, tried_once) {
                panic!("{self:?}: {failed}");
            }
        }
        if given.is_some() {
            println!("{self:?}: {} inputs in {:.1} s", tried.get(), began.elapsed().as_secs_f32());
        }
    }
}
