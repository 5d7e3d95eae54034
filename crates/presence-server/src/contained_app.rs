//! Calls of the app: a call that panics or takes long costs its own answer, and nothing else.

mod function;
pub(crate) mod panics;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use presence_core::{
    App, Click, Drawing, Drawn, PageError, PageRequest, ReflexError, Report, Room, RoomView, Route, SignedUser,
    Viewers, Visit, Write,
};
use tokio::runtime::{Handle, RuntimeFlavor};

use self::function::AppFunction;
use crate::clock::millis;

/// A call that takes longer is logged.
const SLOW_AFTER: Duration = Duration::from_millis(100);
/// Failures of one kind are logged once in this time.
const LOGGED_EVERY: Duration = Duration::from_secs(60);
/// Kinds of failures that are remembered: an app that fails in more ways is logged more often.
const KINDS_MAX: usize = 64;
/// Calls at once beside those that the workers have room for: each holds a thread, of which a runtime has 512. Without a limit an
/// app that does not return takes all of them, and health checks are no longer answered.
const CALLS_MAX: usize = 256;
/// The same for one function and one room, so that a room in which the app does not return leaves calls to the others.
const ROOM_CALLS_MAX: usize = 64;

/// The app, contained.
pub(crate) struct ContainedApp {
    app: Arc<dyn App>,
    /// Calls that keep their worker from other tasks now, and how many may: one worker is always left, whatever calls do.
    inline: AtomicUsize,
    inline_max: usize,
    /// By function.
    panics: [AtomicU64; AppFunction::ALL.len()],
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    last: u64,
    running: HashMap<u64, RunningCall>,
    logged: HashMap<(AppFunction, Room, &'static str), Instant>,
}

struct RunningCall {
    function: AppFunction,
    room: Room,
    since: Instant,
    reported: bool,
}

impl ContainedApp {
    /// For calls on the current runtime.
    pub(crate) fn new(app: Arc<dyn App>) -> Self {
        panics::keep();
        let runtime = Handle::current();
        let inline_max = match runtime.runtime_flavor() {
            RuntimeFlavor::MultiThread => runtime.metrics().num_workers() - 1,
            // There is no other worker that could be left.
            _ => usize::MAX,
        };
        Self { app, inline: AtomicUsize::new(0), inline_max, panics: Default::default(), calls: Mutex::default() }
    }

    /// What a request is for, and who sends it: see [`App::route`] and [`App::signed_user`]. `Err`: the app failed.
    pub(crate) fn enter(&self, request: &PageRequest<'_>) -> Result<(Route, Option<SignedUser>), AppFailed> {
        self.call(AppFunction::Route, request.site, request.path, || {
            let signed = self.app.signed_user(request);
            let route = self.app.route(&PageRequest { signed: signed.as_ref(), ..*request });
            (route, signed)
        })
    }

    /// What a request of this user is for: see [`App::route`]. `Err`: the app failed.
    pub(crate) fn route(&self, request: &PageRequest<'_>) -> Result<Route, AppFailed> {
        self.call(AppFunction::Route, request.site, request.path, || self.app.route(request))
    }

    /// Who sends a request: see [`App::signed_user`]. `Err`: the app failed.
    pub(crate) fn signed_user(&self, request: &PageRequest<'_>) -> Result<Option<SignedUser>, AppFailed> {
        self.call(AppFunction::SignedUser, request.site, request.path, || self.app.signed_user(request))
    }

    /// An error page: see [`App::error_page`]. `None`: it has none, or failed.
    pub(crate) fn error_page(&self, error: PageError, request: &PageRequest<'_>) -> Option<String> {
        self.call(AppFunction::ErrorPage, request.site, request.path, || self.app.error_page(error, request)).ok()?
    }

    /// A whole page: see [`App::page`]. `Err`: the app failed.
    pub(crate) fn page(&self, view: &RoomView, visit: &Visit<'_>) -> Result<String, AppFailed> {
        self.call(AppFunction::Page, &view.room, visit.path, || self.app.page(view, visit))
    }

    /// What a click means: see [`App::reflex`].
    pub(crate) fn reflex(&self, click: &Click, view: &RoomView) -> Result<Vec<Write>, ReflexError> {
        let writes = self.call(AppFunction::Reflex, &view.room, &click.target, || click.asked_of(&*self.app, view));
        writes.unwrap_or(Err(ReflexError::Failed))
    }

    /// What a change looks like: see [`App::render`]. A fragment of a failed call is left out: what is drawn before and after
    /// it is not lost.
    pub(crate) fn draw(&self, drawing: &Drawing) -> Option<Drawn> {
        let whole = self.call(AppFunction::Render, &drawing.view.room, &drawing.changes, || drawing.by(&*self.app));
        whole.unwrap_or_else(|_failed| {
            let one_by_one = drawing.changes.iter().filter(|_| drawing.changes.len() > 1).filter_map(|change| {
                let one = drawing.only(change);
                self.call(AppFunction::Render, &drawing.view.room, change, || one.by(&*self.app)).ok().flatten()
            });
            let fragments: Vec<_> = one_by_one.flat_map(|drawn| drawn.fragments.to_vec()).collect();
            // Even if nothing of a room can be drawn for a newcomer, changes from then on can.
            let newcomer = matches!(drawing.to, Viewers::Subscription { whole: true, .. });
            (newcomer || !fragments.is_empty()).then(|| Drawn { to: drawing.to.clone(), fragments: fragments.into() })
        })
    }

    /// The other rooms that a room's pages show, too: see [`App::related`]. `None`: the app failed.
    pub(crate) fn related(&self, room: &Room) -> Option<Vec<Room>> {
        self.call(AppFunction::Related, room, "it", || self.app.related(room)).ok()
    }

    /// Whether what is each user's own is to be drawn next: see [`App::redraws_own`].
    pub(crate) fn redraws_own(&self, drawing: &Drawing) -> bool {
        let asked = || drawing.redraws_own(&*self.app);
        self.call(AppFunction::RedrawsOwn, &drawing.view.room, &drawing.changes, asked).unwrap_or(false)
    }

    /// What the site's own server is to know of a room: see [`App::reports`]. What may not be sent is left out. `None`: the app
    /// failed.
    pub(crate) fn reports(&self, view: &RoomView) -> Option<Vec<Report>> {
        let mut reports = self.call(AppFunction::Reports, &view.room, "it", || self.app.reports(view)).ok()?;
        let left_out = |sentence: String| self.log(AppFunction::Reports, &view.room, "limit", || sentence);
        if reports.len() > Report::OF_ROOM_MAX {
            left_out(format!(
                "The app reports {} things of a room; {} is the most.",
                reports.len(),
                Report::OF_ROOM_MAX
            ));
            reports.truncate(Report::OF_ROOM_MAX);
        }
        reports.retain(|report| report.mistake().map(left_out).is_none());
        Some(reports)
    }

    /// An order to draw that room was dropped: too many wait.
    pub(crate) fn left_behind(&self, room: &Room) {
        self.log(AppFunction::Render, room, "overload", || {
            "the app draws too slowly: pages of this room are not updated until it changes again".to_owned()
        });
    }

    /// How many calls of each function have panicked since the start.
    pub(crate) fn panics(&self) -> impl Iterator<Item = (&'static str, u64)> {
        AppFunction::ALL.iter().map(|function| (function.name(), self.panics[*function as usize].load(Relaxed)))
    }

    /// How many calls run for more than 100 ms now. Logs each of them.
    pub(crate) fn inspect(&self) -> usize {
        let (mut stuck, mut slow) = (0, Vec::new());
        for call in self.calls.lock().running.values_mut().filter(|call| call.since.elapsed() > SLOW_AFTER) {
            stuck += 1;
            if !std::mem::replace(&mut call.reported, true) {
                slow.push((call.function, call.room.clone()));
            }
        }
        for (function, room) in slow {
            self.log(function, &room, "slow", || "a call of the app has not returned for more than 100 ms".to_owned());
        }
        stuck
    }

    fn call<T>(
        &self,
        function: AppFunction,
        room: &Room,
        detail: impl std::fmt::Debug,
        call: impl FnOnce() -> T,
    ) -> Result<T, AppFailed> {
        let since = Instant::now();
        let begun = RunningCall { function, room: room.clone(), since, reported: false };
        let begun = self.calls.lock().begin(begun, self.inline_max);
        let Some(number) = begun else {
            self.log(function, room, "overload", || {
                "too many calls of the app have not returned: further ones are refused".to_owned()
            });
            return Err(AppFailed::Overloaded);
        };
        let contained = || panics::catch(call);
        // Only a task keeps a worker from others: the thread that draws is none.
        let result = if tokio::task::try_id().is_none() {
            contained()
        } else {
            // `block_in_place` hands the worker's other tasks over, which costs some microseconds.
            let room = self.inline.fetch_add(1, Relaxed) < self.inline_max;
            let result = if room { contained() } else { tokio::task::block_in_place(contained) };
            self.inline.fetch_sub(1, Relaxed);
            result
        };
        self.calls.lock().running.remove(&number);
        let took = since.elapsed();
        if took > SLOW_AFTER {
            self.log(function, room, "slow", || format!("a call of the app took {} ms for {detail:?}", millis(took)));
        }
        result.map_err(|()| {
            self.panics[function as usize].fetch_add(1, Relaxed);
            let (count, why) = (self.panics().map(|(_, count)| count).sum::<u64>(), panics::take());
            self.log(function, room, "panic", || {
                format!("the app panicked for {detail:?}: {why} ({count} panics since the start)")
            });
            AppFailed::Panicked
        })
    }

    /// Logs, once a minute for each function, room and kind.
    fn log(&self, function: AppFunction, room: &Room, kind: &'static str, sentence: impl FnOnce() -> String) {
        if self.calls.lock().may_log((function, room.clone(), kind)) {
            tracing::error!(app.function = function.name(), room = %room, "{}", sentence());
        }
    }
}

/// Why a call of the app has no result. It is logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AppFailed {
    Panicked,
    /// Too many calls have not returned: this one was not made.
    Overloaded,
}

impl Calls {
    /// Begins a call; `workers`: how many calls there may be besides. `None`: it must not be made.
    fn begin(&mut self, call: RunningCall, workers: usize) -> Option<u64> {
        let same = |other: &&RunningCall| other.function == call.function && other.room == call.room;
        let of_room_max = ROOM_CALLS_MAX.saturating_add(workers);
        let full = self.running.len() >= CALLS_MAX.saturating_add(workers)
            || (self.running.len() >= of_room_max && self.running.values().filter(same).count() >= of_room_max);
        // Of drawings there are few at a time, and one that is left out is not made up for.
        if full && !matches!(call.function, AppFunction::Render | AppFunction::RedrawsOwn) {
            return None;
        }
        self.last += 1;
        self.running.insert(self.last, call);
        Some(self.last)
    }

    fn may_log(&mut self, kind: (AppFunction, Room, &'static str)) -> bool {
        if self.logged.len() >= KINDS_MAX {
            self.logged.retain(|_, at| at.elapsed() < LOGGED_EVERY);
        }
        let known = self.logged.get(&kind).is_some_and(|at| at.elapsed() < LOGGED_EVERY);
        if !known && self.logged.len() < KINDS_MAX {
            self.logged.insert(kind, Instant::now());
        }
        !known
    }
}

#[cfg(test)]
mod tests;
