//! How long a node runs: until a signal, or until a part of it has ended.

use anyhow::{Context as _, anyhow, bail};

use super::{Running, result};
use crate::signals::Signals;

impl Running {
    /// Waits for SIGTERM, SIGINT or SIGQUIT and drains.
    ///
    /// # Errors
    ///
    /// If the node can't continue, with the reason, or if a second signal ends the drain.
    pub async fn until_signalled(self) -> anyhow::Result<()> {
        self.until(Signals::listen()?).await
    }

    pub(crate) async fn until(mut self, mut signals: Signals) -> anyhow::Result<()> {
        let failed = tokio::select! {
            // A part that is told of has ended before the node, and may be why that ended, too.
            biased;
            () = signals.stop() => None,
            end = self.parts.next() => Some(end.to_string()),
            ended = &mut self.ended => return result(ended.context("the node panicked")?),
        };
        if let Some(end) = &failed {
            tracing::error!("{end}; the node stops");
            self.readiness.fail(end.clone());
        }
        let drained = tokio::select! {
            drained = self.drain() => drained,
            () = signals.stop() => bail!("stopped at once by a second signal"),
        };
        failed.map_or(drained, |end| Err(anyhow!(end)))
    }
}
