//! Panics: those of the app are kept for whoever called it, all others are counted.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

thread_local! {
    static IN_APP: Cell<bool> = const { Cell::new(false) };
    /// What the last panic of the app on this thread said, and where.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics outside of the app, in all nodes of this process: a hook belongs to the process.
static OTHERS: AtomicU64 = AtomicU64::new(0);

/// From now on panics of apps are not printed: those who called log them, once a minute, with the room.
pub(super) fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if IN_APP.get() {
                PANIC.set(panic.to_string());
            } else {
                OTHERS.fetch_add(1, Relaxed);
                print(panic);
            }
        }));
    });
}

/// Calls the app. `Err`: it panicked; what it said is in [`take`].
pub(super) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, ()> {
    let before = IN_APP.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    IN_APP.set(before);
    result.map_err(drop)
}

/// What the last panic of the app on this thread said, and where.
pub(super) fn take() -> String {
    PANIC.take()
}

/// How many panics there were outside of the app, each of which has ended a task, a request or a thread.
pub(crate) fn outside() -> u64 {
    OTHERS.load(Relaxed)
}
