//! Checks every second what no event reports: memory, a disk that hangs, lines that were left out of the log, and whether the
//! node works at all, which the service manager is told.

use std::sync::Weak;
use std::time::Duration;

use crate::http::Readiness;
use crate::planted;
use crate::service_manager;
use crate::telemetry;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until the node is dropped. A fault is logged when it begins and when it ends.
pub(crate) async fn run(readiness: Weak<Readiness>) {
    let (mut memory, mut disk) = (LoggedFault::default(), LoggedFault::default());
    loop {
        let Some(node) = readiness.upgrade() else { return };
        node.memory().measure();
        memory.log(node.memory().fault(), "memory is free again; new sockets are accepted");
        disk.log(node.disk_hangs(), "the disk answers again");
        telemetry::log_left_out();
        if node.failure().await.is_none() {
            service_manager::alive();
        }
        drop(node);
        if planted::part_ends() {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether a fault has been logged.
#[derive(Default)]
struct LoggedFault(bool);

impl LoggedFault {
    fn log(&mut self, fault: Option<String>, over: &str) {
        let was = std::mem::replace(&mut self.0, fault.is_some());
        match fault {
            Some(fault) if !was => tracing::warn!("{fault}"),
            None if was => tracing::info!("{over}"),
            _ => {}
        }
    }
}
