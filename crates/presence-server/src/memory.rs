//! How much memory the node uses of what it may: it refuses new sockets before the kernel would end it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// New sockets are refused above this part of the limit, in percent.
const FULL_PERCENT: u64 = 90;
/// They are accepted again below this part.
const FREE_PERCENT: u64 = 85;
/// Version 1 of cgroups writes no limit as a number near the largest.
const NO_LIMIT: u64 = 1 << 60;
const PAGE_BYTES: u64 = 4_096;
const MIB: u64 = 1 << 20;

/// The limit, and what was used of it when it was last measured.
pub(crate) struct MemoryUse {
    limit: Option<u64>,
    /// The group whose use counts, if the limit is its own.
    group: Option<MemoryGroup>,
    used: AtomicU64,
    full: AtomicBool,
}

impl MemoryUse {
    /// With this limit, or that of the process's cgroup.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        let group = if limit.is_none() { MemoryGroup::find(Path::new("/")) } else { None };
        let limit = limit.or_else(|| group.as_ref().map(|group| group.limit));
        let memory = Self { limit, group, used: AtomicU64::new(0), full: AtomicBool::new(false) };
        memory.measure();
        memory
    }

    /// Measures again. Reading two small files takes some 20 µs.
    pub(crate) fn measure(&self) {
        let Some(limit) = self.limit else { return };
        // The group's number also counts what the kernel holds for sockets.
        let group = self.group.as_ref().and_then(MemoryGroup::used).unwrap_or(0);
        let used = resident_bytes().max(group);
        self.used.store(used, Relaxed);
        let percent = if self.is_full() { FREE_PERCENT } else { FULL_PERCENT };
        self.full.store(used >= limit / 100 * percent, Relaxed);
    }

    /// Whether new sockets are to be refused.
    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Relaxed)
    }

    /// How much the node may use, if there is a limit.
    pub(crate) fn limit_bytes(&self) -> Option<u64> {
        self.limit
    }

    /// That the memory is full, in a sentence.
    pub(crate) fn fault(&self) -> Option<String> {
        let limit = self.limit.filter(|_| self.is_full())?;
        let (used, limit) = (self.used.load(Relaxed) / MIB, limit / MIB);
        Some(format!("memory is full: {used} of {limit} MiB are used; new sockets are refused"))
    }
}

/// The memory that this process holds.
pub(crate) fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE_BYTES
}

/// A cgroup with a limit, of version 1 or 2.
struct MemoryGroup {
    limit: u64,
    current: PathBuf,
    stat: PathBuf,
    /// How the line of `memory.stat` begins that says how much the kernel can reclaim at any time.
    reclaimable: &'static str,
}

impl MemoryGroup {
    /// The group with the lowest limit among this process's and those that it is in.
    fn find(root: &Path) -> Option<Self> {
        let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
        let found = groups.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            let second = controllers.is_empty();
            let first = controllers.split(',').any(|controller| controller == "memory");
            (first || second).then(|| {
                let top = root.join(if second { "sys/fs/cgroup" } else { "sys/fs/cgroup/memory" });
                // In a container the path may be that of the host, which is not visible: then the top is the group.
                Path::new(path)
                    .ancestors()
                    .filter_map(move |path| Self::at(&top.join(path.strip_prefix("/").unwrap_or(path)), second))
            })
        });
        found.flatten().min_by_key(|group| group.limit)
    }

    fn at(folder: &Path, second: bool) -> Option<Self> {
        let (limit, current, reclaimable) = if second {
            ("memory.max", "memory.current", "inactive_file ")
        } else {
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
        };
        let limit = number(&folder.join(limit)).filter(|limit| *limit < NO_LIMIT)?;
        Some(Self { limit, current: folder.join(current), stat: folder.join("memory.stat"), reclaimable })
    }

    fn used(&self) -> Option<u64> {
        let stat = fs::read_to_string(&self.stat).unwrap_or_default();
        let cached = stat.lines().find_map(|line| line.strip_prefix(self.reclaimable)?.parse::<u64>().ok());
        Some(number(&self.current)?.saturating_sub(cached.unwrap_or(0)))
    }
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let file = root.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn the_lowest_limit_of_a_cgroup_counts_without_what_the_kernel_can_take_back() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert!(MemoryGroup::find(root).is_none());
        write(root, "proc/self/cgroup", "0::/a/b\n");
        write(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
        assert!(MemoryGroup::find(root).is_none());
        write(root, "sys/fs/cgroup/a/memory.max", "536870912\n");
        write(root, "sys/fs/cgroup/a/memory.current", "400\n");
        write(root, "sys/fs/cgroup/a/memory.stat", "anon 300\ninactive_file 90\n");
        let group = MemoryGroup::find(root).unwrap();
        assert_eq!((group.limit, group.used()), (536_870_912, Some(310)));
    }

    #[test]
    fn version_1_is_read_also_where_only_the_top_is_visible() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(root, "proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/0123\n");
        write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert!(MemoryGroup::find(root).is_none());
        write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000\n");
        write(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", "500\n");
        let group = MemoryGroup::find(root).unwrap();
        assert_eq!((group.limit, group.used()), (1_000_000, Some(500)));
    }

    #[test]
    fn a_process_over_its_limit_is_full_and_one_far_below_is_not() {
        let full = MemoryUse::new(Some(MIB));
        assert!(full.is_full() && full.fault().is_some_and(|fault| fault.contains("of 1 MiB")));
        let free = MemoryUse::new(Some(1 << 40));
        assert!(!free.is_full() && free.fault().is_none());
        assert!(free.used.load(Relaxed) > MIB);
    }
}
