//! CPU time and memory of processes, and how a benchmark's own process starts and ends.

use std::fs::read_to_string;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Runs a program's work with as many open files as the machine allows, and prints how it failed.
pub fn run(work: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    let most = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The processes of one server.
#[derive(Clone)]
pub struct Processes(pub Vec<u32>);

impl Processes {
    /// This process.
    pub fn own() -> Self {
        Self(vec![std::process::id()])
    }

    /// CPU seconds so far, in steps of 10 ms; the kernel derives them from exact run times.
    pub fn cpu_s(&self) -> f64 {
        let ticks: u64 = self.each("stat", ticks).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    /// Resident memory in KiB; the kernel's own memory for sockets is not part of it.
    pub fn rss_kib(&self) -> u64 {
        self.each("status", rss_kib).sum()
    }

    fn each(&self, file: &str, read: fn(&str) -> Option<u64>) -> impl Iterator<Item = u64> {
        self.0.iter().filter_map(move |pid| read(&read_to_string(format!("/proc/{pid}/{file}")).ok()?))
    }
}

/// User and system time of a `stat` file. A program's name may hold spaces and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

fn rss_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_the_name_whatever_it_is() {
        assert_eq!(ticks("12 (a) b (c) S 1 12 12 0 -1 4194304 90 0 0 0 250 31 0 0 20 0"), Some(281));
        assert_eq!(rss_kib("VmPeak:\t 9 kB\nVmRSS:\t   5364 kB\n"), Some(5_364));
    }

    #[test]
    fn this_process_has_memory() {
        assert!(Processes::own().rss_kib() > 100);
    }
}
