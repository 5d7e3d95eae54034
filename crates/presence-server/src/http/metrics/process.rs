//! What every process tells a monitoring system, under the names that all of them use.

use std::fmt;
use std::fs;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use rustix::process::{Resource, getrlimit};

use super::writer::MetricWriter;
use crate::memory::resident_bytes;

/// `USER_HZ`: the ticks in which the kernel tells times, the same on every architecture that a node runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads the process from `/proc` (proc(5)); what can't be read is left out.
#[derive(Debug, Default)]
pub(super) struct ProcessCollector {
    /// Read once: reckoned from two clocks it is another number each time, which monitoring systems take for a restart.
    started_seconds: OnceLock<Option<f64>>,
}

impl Collector for ProcessCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = MetricWriter::new(encoder);
        if let Some(seconds) = cpu_seconds() {
            to.counter("process_cpu_seconds", "CPU time, in user and system mode", seconds)?;
        }
        if let Some(seconds) = *self.started_seconds.get_or_init(started_seconds) {
            to.gauge("process_start_time_seconds", "When the process started, since 1970", seconds)?;
        }
        to.gauge("process_resident_memory_bytes", "Memory that the process holds", resident_bytes())?;
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            to.gauge("process_open_fds", "Open files and sockets", open.count())?;
        }
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        to.gauge("process_max_fds", "How many files and sockets may be open", files)
    }
}

/// What `/proc/self/stat` has at this place, in ticks, as seconds.
fn stat_seconds(stat: &str, number: usize) -> Option<f64> {
    // The second field, the program's name, is in brackets and may hold spaces: the third follows.
    let field = stat.rsplit_once(')')?.1.split_whitespace().nth(number - 3)?;
    Some(field.parse::<f64>().ok()? / TICKS_PER_SECOND)
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    Some(stat_seconds(&stat, 14)? + stat_seconds(&stat, 15)?)
}

fn started_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    Some(now - uptime + stat_seconds(&stat, 22)?)
}
