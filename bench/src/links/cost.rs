//! Cost of this process: CPU, memory, threads and open files.

use std::fs::read_dir;

use presence_bench::process::Processes;
use serde_json::{Value, json};

/// Reports the cost since the start.
pub(crate) fn report() -> Value {
    let own = Processes::own();
    let entries = |folder| read_dir(folder).map_or(0, Iterator::count);
    json!({
        "cpu_s": own.cpu_s(), "rss_kib": own.rss_kib(), "threads": entries("/proc/self/task"),
        // One of them reads the folder.
        "files": entries("/proc/self/fd").saturating_sub(1),
    })
}
