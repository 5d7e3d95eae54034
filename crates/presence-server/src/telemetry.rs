//! The log: this program's own lines at the chosen level, those of its libraries only as warnings, and not many of them.

mod filter;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::Context as _;
use parking_lot::Mutex;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, reload};

use self::filter::FilterSource;
pub(crate) use self::filter::LogFilter;
use crate::config::{Config, LogFormat};
use crate::watched_files::WatchedFiles;

/// The crates whose lines are logged at the chosen level; the program itself is added.
const OWN: [&str; 3] = ["presence_core", "presence_cable", "presence_server"];
/// Targets of lines that are records: who asked for what, and who changed what. They are written whatever the level is.
const RECORDS: [&str; 2] = ["access", "audit"];
/// Libraries that log an error at each try, several times a second. What they report is told by our own lines, at most once a
/// minute.
const SILENT: [&str; 1] = ["async_nats"];
/// Lines of libraries in one second; further ones are counted.
const LIBRARY_LINES_MAX: u64 = 10;

/// The filter of this process.
static CURRENT: OnceLock<Arc<LogFilter>> = OnceLock::new();
/// Lines of libraries that were left out since the last call of [`log_left_out`].
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// Starts logging to standard error, for the whole process, panics included. [`run`](crate::run) calls this.
///
/// ```
/// let config = presence_server::Config::of(["--log", "warn", "--log-format", "json"]).unwrap();
/// presence_server::log(&config).unwrap();
/// assert!(presence_server::log(&config).is_err(), "once for each process");
/// ```
///
/// # Errors
///
/// If the filter is invalid, or the process logs already.
pub fn log(config: &Config) -> anyhow::Result<()> {
    let source = FilterSource::of(config);
    let text = source.text()?;
    let (filter, reloadable) = reload::Layer::new(source.filter(&text)?);
    let registry = tracing_subscriber::registry().with(filter).with(LibraryLimit::new());
    let started =
        registry.with(lines(config.log_format, LineKind::Message)).with(lines(config.log_format, LineKind::Record));
    started.try_init().map_err(|error| anyhow::anyhow!("could not start logging: {error}"))?;
    let replace = Box::new(move |filter| reloadable.reload(filter).context("the log has ended"));
    // Set once, since logging starts once.
    let _ = CURRENT.set(LogFilter::new(source, text, replace));
    log_panics();
    Ok(())
}

/// Fails if the filter is invalid, or its file not readable.
pub(crate) fn check_filter(config: &Config) -> anyhow::Result<()> {
    let source = FilterSource::of(config);
    source.filter(&source.text()?).map(drop)
}

/// The filter of this process; `None`: the program has a log of its own.
pub(crate) fn log_filter() -> Option<&'static Arc<LogFilter>> {
    CURRENT.get()
}

/// Reads `--log-filter-file` again when it has changed, for as long as the node runs.
pub(crate) fn follow_filter_file() {
    let Some(filter) = CURRENT.get() else { return };
    let Some(file) = filter.file() else { return };
    let files = WatchedFiles::new("the filter of the log", [file]);
    tokio::spawn(files.follow(move || Some(filter.read_again())));
}

/// Which lines a layer writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineKind {
    /// What happened, for people.
    Message,
    /// One of [`RECORDS`], which is told by its target.
    Record,
}

/// Writes lines of one kind to standard error, with the request that they belong to.
fn lines<S>(format: LogFormat, kind: LineKind) -> impl Layer<S>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(kind == LineKind::Record);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    lines.with_filter(filter_fn(move |metadata| {
        metadata.is_span() || RECORDS.contains(&metadata.target()) == (kind == LineKind::Record)
    }))
}

/// Logs panics as all else is logged, in one line each.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("a panic without a message");
        let name = thread.name().unwrap_or("without a name");
        tracing::error!("thread {name} panicked at {place}: {message}");
    }));
}

/// Logs how many lines of libraries were left out, if any.
pub(crate) fn log_left_out() {
    let count = LEFT_OUT.swap(0, Relaxed);
    if count > 0 {
        tracing::warn!("left out {count} lines of libraries; at most {LIBRARY_LINES_MAX} a second are logged");
    }
}

/// The crate of the running program, as its lines name it.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let name = path.as_deref().and_then(|path| path.file_name()).and_then(|name| name.to_str());
    name.unwrap_or_default().replace('-', "_")
}

/// Lets few lines of libraries through in one second, so that none of them can fill the disk.
struct LibraryLimit {
    own: Vec<String>,
    started: Instant,
    /// The second, and the lines in it.
    second: Mutex<(u64, u64)>,
}

impl LibraryLimit {
    fn new() -> Self {
        let own = OWN.iter().chain(&RECORDS).map(ToString::to_string).chain([program(), "presence_demo".to_owned()]);
        Self { own: own.collect(), started: Instant::now(), second: Mutex::default() }
    }

    fn is_own(&self, metadata: &Metadata<'_>) -> bool {
        let name = metadata.target().split("::").next().unwrap_or_default();
        self.own.iter().any(|own| own == name)
    }

    fn admits(&self, second: u64) -> bool {
        let mut counted = self.second.lock();
        if counted.0 != second {
            *counted = (second, 0);
        }
        counted.1 += 1;
        counted.1 <= LIBRARY_LINES_MAX
    }
}

impl<S: Subscriber> Layer<S> for LibraryLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let admitted = self.is_own(event.metadata()) || self.admits(self.started.elapsed().as_secs());
        if !admitted {
            LEFT_OUT.fetch_add(1, Relaxed);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tracing_subscriber::EnvFilter;

    use super::filter::directives;
    use super::*;

    /// What a log with this filter has written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(given: &str, log: impl FnOnce()) -> Vec<String> {
        let written = Written::default();
        let writer = written.clone();
        let lines =
            tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(move || writer.clone());
        let filter = EnvFilter::try_new(directives(given, "shop")).unwrap();
        let subscriber = tracing_subscriber::registry().with(filter).with(LibraryLimit::new()).with(lines);
        tracing::subscriber::with_default(subscriber, log);
        let text = String::from_utf8(written.0.lock().clone()).unwrap();
        text.lines().map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned()).collect()
    }

    fn everyone_logs() {
        tracing::debug!(target: "presence_core::node", "own-debug");
        tracing::info!(target: "shop", "app-info");
        tracing::info!(target: "quinn", "library-info");
        tracing::debug!(target: "quinn::connection", "library-debug");
        tracing::warn!(target: "quinn", "library-warn");
    }

    #[test]
    fn a_level_is_that_of_our_own_crates_and_what_names_a_library_is_taken_as_it_is() {
        assert_eq!(logged("info", everyone_logs), ["app-info", "library-warn"]);
        assert_eq!(logged("debug", everyone_logs), ["own-debug", "app-info", "library-warn"]);
        assert_eq!(logged("error", everyone_logs), Vec::<String>::new());
        assert_eq!(
            logged("info,quinn=debug", everyone_logs),
            ["app-info", "library-info", "library-debug", "library-warn"]
        );
        assert_eq!(logged("error,presence_core=debug", everyone_logs), ["own-debug"]);
    }

    #[test]
    fn a_library_whose_errors_our_own_lines_tell_is_logged_only_if_the_filter_names_it() {
        let refused = || tracing::error!(target: "async_nats::connector", "authorization-violation");
        for filter in ["error", "warn", "info", "debug", "info,presence_core=debug"] {
            assert_eq!(logged(filter, refused), Vec::<String>::new(), "{filter}");
        }
        assert_eq!(logged("info,async_nats=warn", refused), ["authorization-violation"]);
    }

    #[test]
    fn a_panic_is_one_line_of_the_log() {
        let before = std::panic::take_hook();
        let lines = logged("error", || {
            log_panics();
            assert!(std::panic::catch_unwind(|| panic!("this test's own-panic")).is_err());
        });
        std::panic::set_hook(before);
        assert_eq!(lines, ["own-panic"]);
    }

    #[test]
    fn a_library_that_floods_the_log_is_cut_and_our_own_lines_are_not() {
        let lines = logged("info", || {
            for _ in 0..1_000 {
                tracing::warn!(target: "quinn", "flood");
                tracing::info!(target: "presence_server", "own");
            }
        });
        let flood = lines.iter().filter(|line| *line == "flood").count();
        // Twice as many where a second ends meanwhile.
        assert!((10..=20).contains(&flood), "{flood}");
        assert_eq!(lines.len() - flood, 1_000);
        assert!(LEFT_OUT.load(Relaxed) >= 980);
    }
}
