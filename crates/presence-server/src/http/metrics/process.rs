//! What every process tells a monitoring system, under the names that all of them use.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use rustix::param::clock_ticks_per_second;
use rustix::process::{Resource, getrlimit};

use super::writer::MetricWriter;
use crate::memory::resident_bytes;

/// Reads the process from `/proc` (proc(5)); what can't be read is left out.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = MetricWriter::new(encoder);
        if let Some(times) = ProcessTimes::read() {
            to.counter("process_cpu_seconds", "CPU time, in user and system mode", times.cpu_seconds)?;
            to.gauge("process_start_time_seconds", "When the process started, since 1970", times.started_seconds)?;
        }
        to.gauge("process_resident_memory_bytes", "Memory that the process holds", resident_bytes())?;
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            to.gauge("process_open_fds", "Open files and sockets", open.count())?;
        }
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        to.gauge("process_max_fds", "How many files and sockets may be open", files)
    }
}

struct ProcessTimes {
    cpu_seconds: f64,
    started_seconds: f64,
}

impl ProcessTimes {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field, the program's name, is in brackets and may hold spaces: the third follows.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        let ticks = clock_ticks_per_second() as f64;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            started_seconds: now - uptime + field(22)? / ticks,
        })
    }
}
