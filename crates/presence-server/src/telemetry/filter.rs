//! Which lines are logged: as the options say, or as an operator has said since.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing_subscriber::EnvFilter;

use super::{OWN, RECORDS, SILENT, program};
use crate::config::Config;

/// Takes the place of the filter that is in use.
type Replace = Box<dyn Fn(EnvFilter) -> anyhow::Result<()> + Send + Sync>;

/// The filter of this process: where it comes from, and what is used instead.
pub(crate) struct LogFilter {
    source: FilterSource,
    replace: Replace,
    choice: Mutex<FilterChoice>,
}

/// What is logged now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FilterInUse {
    /// The filter in use.
    pub(crate) filter: String,
    /// What the options say.
    pub(crate) configured: String,
    /// For how long it is used; `None`: until it is changed.
    pub(crate) ends_in: Option<Duration>,
}

#[derive(Default)]
struct FilterChoice {
    configured: String,
    /// Instead of `configured`, until the options' file is read again.
    chosen: Option<String>,
    /// Instead of both, for a while: `None` stands for `configured`.
    passing: Option<PassingFilter>,
}

struct PassingFilter {
    filter: Option<String>,
    ends: Instant,
    timer: AbortHandle,
}

impl Drop for PassingFilter {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

impl FilterChoice {
    fn in_use(&self) -> &str {
        let chosen = match &self.passing {
            Some(passing) => passing.filter.as_ref(),
            None => self.chosen.as_ref(),
        };
        chosen.unwrap_or(&self.configured)
    }
}

impl LogFilter {
    pub(super) fn new(source: FilterSource, configured: String, replace: Replace) -> Arc<Self> {
        let choice = Mutex::new(FilterChoice { configured, ..FilterChoice::default() });
        Arc::new(Self { source, replace, choice })
    }

    /// The file that the filter is read from, if there is one.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.source.file.clone()
    }

    /// Reads the options' filter again: it is used now, whatever an operator has chosen before.
    pub(super) fn read_again(&self) -> anyhow::Result<()> {
        let configured = self.source.text()?;
        (self.replace)(self.source.filter(&configured)?)?;
        *self.choice.lock() = FilterChoice { configured, ..FilterChoice::default() };
        Ok(())
    }

    /// What is logged now.
    pub(crate) fn in_use(&self) -> FilterInUse {
        let choice = self.choice.lock();
        FilterInUse {
            filter: choice.in_use().to_owned(),
            configured: choice.configured.clone(),
            ends_in: choice.passing.as_ref().map(|passing| passing.ends.saturating_duration_since(Instant::now())),
        }
    }

    /// Uses another filter, for that long if a time is given, and then the earlier one. `None`: what the options say.
    ///
    /// # Errors
    ///
    /// If it is not a filter.
    pub(crate) fn choose(self: &Arc<Self>, filter: Option<String>, lasts: Option<Duration>) -> anyhow::Result<()> {
        filter.as_deref().map(|given| parse("the filter", given)).transpose()?;
        {
            let mut choice = self.choice.lock();
            choice.passing = lasts.map(|lasts| PassingFilter {
                filter: filter.clone(),
                ends: Instant::now() + lasts,
                timer: self.end_after(lasts),
            });
            if lasts.is_none() {
                choice.chosen = filter;
            }
        }
        self.apply()
    }

    fn end_after(self: &Arc<Self>, lasts: Duration) -> AbortHandle {
        let filter = Arc::downgrade(self);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(lasts).await;
            let Some(filter) = filter.upgrade() else { return };
            // A later choice may have taken its place a moment ago. What is dropped ends this task, which waits for nothing more.
            if filter.choice.lock().passing.take_if(|passing| passing.ends <= Instant::now()).is_none() {
                return;
            }
            let applied = filter.apply();
            let used = filter.in_use().filter;
            match applied {
                Ok(()) => tracing::info!(target: "audit", filter = used, "the log's earlier filter is used again"),
                Err(error) => tracing::warn!(target: "audit", "could not use the log's earlier filter: {error:#}"),
            }
        });
        timer.abort_handle()
    }

    fn apply(&self) -> anyhow::Result<()> {
        let used = self.choice.lock().in_use().to_owned();
        (self.replace)(parse("the filter", &used)?)
    }
}

/// Where the filter comes from.
pub(super) struct FilterSource {
    /// `--log`
    log: String,
    /// `--log-filter-file`, which goes before `--log` unless it is empty.
    file: Option<PathBuf>,
}

impl FilterSource {
    pub(super) fn of(config: &Config) -> Self {
        Self { log: config.log.clone(), file: config.log_filter_file.clone() }
    }

    pub(super) fn text(&self) -> anyhow::Result<String> {
        let Some(file) = &self.file else { return Ok(self.log.clone()) };
        let text = fs::read_to_string(file)
            .with_context(|| format!("--log-filter-file {} is not readable", file.display()))?;
        Ok(if text.trim().is_empty() { self.log.clone() } else { text.trim().to_owned() })
    }

    /// Parses what [`FilterSource::text`] has returned.
    pub(super) fn filter(&self, text: &str) -> anyhow::Result<EnvFilter> {
        match &self.file {
            Some(file) if text != self.log => parse(&format!("--log-filter-file {}:", file.display()), text),
            _ => parse("--log", text),
        }
    }
}

fn parse(option: &str, given: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(directives(given, &program())).with_context(|| {
        format!("{option} {given:?} is not a filter: write info or info,presence_server=debug, for example")
    })
}

/// The filter that an operator's stands for: a level alone is that of our own crates, and libraries get `warn` at most. What
/// names a crate or a span is taken as it is. Records are always written, and silent libraries never, unless the filter names
/// them.
pub(super) fn directives(given: &str, program: &str) -> String {
    let crates = OWN.iter().copied().chain([program]).filter(|name| !name.is_empty());
    let expand = |part: &str| {
        let level = part.trim();
        match level.to_ascii_lowercase().as_str() {
            "info" | "debug" | "trace" => {
                let own: Vec<String> = crates.clone().map(|name| format!("{name}={level}")).collect();
                format!("warn,{}", own.join(","))
            }
            _ => level.to_owned(),
        }
    };
    let silent = SILENT.iter().map(|library| format!("{library}=off"));
    let records = RECORDS.iter().map(|record| format!("{record}=info"));
    silent.chain(records).chain(given.split(',').map(expand)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter that the options say is `info`, and the filters that were used, as their text.
    fn filter() -> (Arc<LogFilter>, Arc<Mutex<Vec<String>>>) {
        let used = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&used);
        let source = FilterSource { log: "info".to_owned(), file: None };
        let replace: Replace = Box::new(move |filter| {
            told.lock().push(filter.to_string());
            Ok(())
        });
        (LogFilter::new(source, "info".to_owned(), replace), used)
    }

    #[tokio::test]
    async fn a_filter_for_a_while_gives_way_to_the_one_before_it() {
        let (log, used) = filter();
        log.choose(Some("warn".to_owned()), None).unwrap();
        log.choose(Some("debug".to_owned()), Some(Duration::from_millis(30))).unwrap();
        let now = log.in_use();
        assert_eq!((now.filter.as_str(), now.configured.as_str()), ("debug", "info"));
        assert!(now.ends_in.is_some_and(|left| left <= Duration::from_millis(30)));
        let ended = async {
            while log.in_use().ends_in.is_some() || used.lock().len() < 3 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
        assert_eq!(
            log.in_use(),
            FilterInUse { filter: "warn".to_owned(), configured: "info".to_owned(), ends_in: None }
        );
        let all = used.lock().clone();
        assert!(all[1].contains("presence_core=debug") && !all[2].contains("presence_core"), "{all:?}");
    }

    #[tokio::test]
    async fn a_later_choice_ends_an_earlier_one_with_its_time() {
        let (log, _) = filter();
        log.choose(Some("debug".to_owned()), Some(Duration::from_secs(3_600))).unwrap();
        let timer = log.choice.lock().passing.as_ref().unwrap().timer.clone();
        log.choose(None, Some(Duration::from_secs(7_200))).unwrap();
        assert_eq!(log.in_use().filter, "info");
        log.choose(Some("error".to_owned()), None).unwrap();
        assert_eq!((log.in_use().filter.as_str(), log.in_use().ends_in), ("error", None));
        assert!(log.choose(Some("presence_core=loud".to_owned()), None).is_err());
        assert_eq!(log.in_use().filter, "error", "what is no filter changes nothing");
        while !timer.is_finished() {
            tokio::task::yield_now().await;
        }
        log.read_again().unwrap();
        assert_eq!(log.in_use().filter, "info", "the options hold again once they are read again");
    }
}
