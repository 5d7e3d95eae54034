//! Cost of this process: CPU, memory, threads and open files.

use std::fs::{read_dir, read_to_string};

use presence_bench::process::{Processes, ticks};
use serde_json::{Value, json};

/// Name of the mesh's own thread.
const MESH: &str = "mesh";

/// Reports the cost since the start.
pub(crate) fn report() -> Value {
    let own = Processes::own();
    let entries = |folder| read_dir(folder).map_or(0, Iterator::count);
    json!({
        "cpu_s": own.cpu_s(), "mesh_cpu_s": mesh_cpu_s(), "rss_kib": own.rss_kib(), "threads": entries("/proc/self/task"),
        // One of them reads the folder.
        "files": entries("/proc/self/fd").saturating_sub(1),
    })
}

/// CPU of the mesh's thread; the rest is that of whoever reads its messages.
fn mesh_cpu_s() -> f64 {
    let tasks = read_dir("/proc/self/task").into_iter().flatten().flatten();
    let stats = tasks.filter_map(|task| read_to_string(task.path().join("stat")).ok());
    let sum: u64 = stats.filter(|stat| stat.contains(&format!(" ({MESH}) "))).filter_map(|stat| ticks(&stat)).sum();
    sum as f64 / rustix::param::clock_ticks_per_second() as f64
}
