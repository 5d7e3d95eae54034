//! Files that are read again while the node runs: certificates, API keys and the log's filter. A change is noticed within a
//! minute, and SIGHUP makes the node read them at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often the files are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(60);

/// Files that belong together, and when they had been changed when they were last read.
pub(crate) struct WatchedFiles {
    what: &'static str,
    files: Vec<PathBuf>,
    read: Vec<Option<SystemTime>>,
    check_every: Duration,
    hangup: Option<Signal>,
}

impl WatchedFiles {
    /// Made before the files are read, so that no change is missed, and in a runtime. `what` names them in the log.
    pub(crate) fn new(what: &'static str, files: impl IntoIterator<Item = PathBuf>) -> Self {
        let files: Vec<_> = files.into_iter().collect();
        // Without a handler a change is still noticed within a minute.
        let hangup = signal(SignalKind::hangup()).ok();
        Self { what, read: modified(&files), files, check_every: CHECK_EVERY, hangup }
    }

    /// Calls `load` whenever the files have changed, and at each SIGHUP, until it returns `None`. What `load` used before stays
    /// in use if it fails: several files are not written at the same time.
    pub(crate) async fn follow(mut self, mut load: impl FnMut() -> Option<anyhow::Result<()>>) {
        loop {
            let asked = self.asked_or_later().await;
            let now = modified(&self.files);
            if now == self.read && !asked {
                continue;
            }
            match load() {
                None => return,
                Some(Ok(())) => {
                    self.read = now;
                    tracing::info!("loaded {} again", self.what);
                }
                Some(Err(error)) => {
                    tracing::warn!("could not load {} again; still using the old: {error:#}", self.what);
                }
            }
        }
    }

    /// Waits for SIGHUP, or until it is time to look at the files.
    async fn asked_or_later(&mut self) -> bool {
        match &mut self.hangup {
            Some(hangup) => matches!(tokio::time::timeout(self.check_every, hangup.recv()).await, Ok(Some(()))),
            None => {
                tokio::time::sleep(self.check_every).await;
                false
            }
        }
    }
}

fn modified(files: &[impl AsRef<Path>]) -> Vec<Option<SystemTime>> {
    files.iter().map(|file| fs::metadata(file).and_then(|data| data.modified()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_changed_file_is_loaded_once_and_one_that_could_not_be_loaded_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "first").unwrap();
        let mut watched = WatchedFiles::new("a test's file", [file.clone()]);
        watched.check_every = Duration::from_millis(1);
        let touch = |second| {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            fs::File::options().write(true).open(&file).unwrap().set_modified(at).unwrap();
        };
        let (loaded_tx, mut loaded) = mpsc::unbounded_channel();
        let of = file.clone();
        let following = tokio::spawn(watched.follow(move || {
            let text = fs::read_to_string(&of).unwrap();
            loaded_tx.send(text.clone()).unwrap();
            match text.as_str() {
                "the end" => None,
                "half a fi" => Some(Err(anyhow::anyhow!("not whole"))),
                _ => Some(Ok(())),
            }
        }));
        let mut next = async || timeout(SOON, loaded.recv()).await.expect("it is loaded soon").unwrap();
        fs::write(&file, "half a fi").unwrap();
        touch(1);
        assert_eq!(next().await, "half a fi");
        assert_eq!(next().await, "half a fi", "it is tried again");
        fs::write(&file, "second").unwrap();
        touch(2);
        while next().await != "second" {}
        fs::write(&file, "the end").unwrap();
        touch(3);
        assert_eq!(next().await, "the end", "what was loaded is not loaded again");
        timeout(SOON, following).await.expect("it ends with what uses it").unwrap();
    }
}
