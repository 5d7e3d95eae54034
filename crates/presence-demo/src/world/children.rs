//! The processes of the world: starts them, repeats their logs, stops them.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{WorldRegion, random, say};

/// A node needs 3 s to drain its visitors and 1 s to say goodbye.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What all children should do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ChildOrder {
    Run,
    Stop,
    Kill,
}

/// All processes.
pub(super) struct Children {
    orders: watch::Sender<ChildOrder>,
    living: JoinSet<(&'static str, ExitStatus)>,
}

impl Children {
    /// Starts one process of this program for each region, linked by the options that `mesh` returns.
    pub(super) fn start(
        places: &[WorldRegion],
        folder: &Path,
        log: &str,
        mesh: impl Fn(&WorldRegion) -> Vec<String>,
    ) -> anyhow::Result<Self> {
        let secret: String = random::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let (orders, orders_rx) = watch::channel(ChildOrder::Run);
        let mut living = JoinSet::new();
        for place in places {
            let mut command = command(place, folder)?;
            command.args(mesh(place)).args(["--log", log]).env("GP_SECRET", &secret);
            let mut child = command.spawn().with_context(|| format!("{} does not start", place.code))?;
            let (code, orders) = (place.code, orders_rx.clone());
            tokio::spawn(repeat(code, child.stderr.take()));
            living.spawn(async move { (code, live(child, orders).await) });
        }
        Ok(Self { orders, living })
    }

    /// Reports each process that ends unexpectedly; returns when none is left.
    pub(super) async fn watch(&mut self) -> anyhow::Result<()> {
        while let Some((code, status)) = self.next().await {
            let left = self.living.len();
            say(&format!("{code} has ended unexpectedly ({status}); {left} regions go on without it."));
        }
        anyhow::bail!("all regions have ended unexpectedly")
    }

    async fn next(&mut self) -> Option<(&'static str, ExitStatus)> {
        loop {
            // A task that panicked has dropped its child, and with it killed it.
            if let Ok(ended) = self.living.join_next().await? {
                return Some(ended);
            }
        }
    }

    /// Asks all to leave, waits, and kills those that are late.
    pub(super) async fn stop(&mut self) {
        self.orders.send_replace(ChildOrder::Stop);
        while let Some((code, status)) = self.next().await {
            if !status.success() {
                say(&format!("{code} did not stop cleanly ({status})."));
            }
        }
    }

    /// Kills all.
    pub(super) async fn kill(&mut self) {
        self.orders.send_replace(ChildOrder::Kill);
        while self.next().await.is_some() {}
    }
}

fn command(place: &WorldRegion, folder: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("this program does not find itself")?);
    // Settings of the caller's shell are meant for one node.
    let inherited = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in inherited.filter(|name| name.starts_with("GP_") || name.starts_with("FLY_")) {
        command.env_remove(name);
    }
    command
        .args(["--listen", &format!("127.0.0.1:{}", place.port)])
        .args(["--region", place.code, "--node", place.code])
        .arg("--data-dir")
        .arg(folder.join(place.code));
    for edge in place.edges {
        command.args(["--pretend-edge", edge]);
    }
    // In a process group of its own, so that Ctrl-C reaches only this process, which then asks the children to leave.
    command.process_group(0).kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    Ok(command)
}

async fn live(mut child: Child, mut orders: watch::Receiver<ChildOrder>) -> ExitStatus {
    tokio::select! {
        status = child.wait() => return status.unwrap_or_default(),
        _ = orders.wait_for(|order| *order != ChildOrder::Run) => {}
    }
    terminate(&child);
    tokio::select! {
        status = child.wait() => return status.unwrap_or_default(),
        _ = orders.wait_for(|order| *order == ChildOrder::Kill) => {}
        () = sleep(STOP_WITHIN) => {}
    }
    // An error means that it has just ended.
    let _ = child.start_kill();
    child.wait().await.unwrap_or_default()
}

fn terminate(child: &Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // An error means that it has just ended.
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Repeats the log of a region, with its name before each line.
async fn repeat(code: &str, log: Option<impl AsyncRead + Unpin>) {
    let Some(log) = log else { return };
    let mut lines = BufReader::new(log).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        say(&format!("{code}: {line}"));
    }
}
