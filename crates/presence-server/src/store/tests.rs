//! What the store promises: kept records are there again, and what could not be written is written later.

use std::sync::Mutex;
use std::sync::mpsc;

use super::*;

fn quiet() -> DiskHealth {
    Box::new(|_| {})
}

/// What a new node would find in this folder if the running one were killed now.
fn found_after_a_kill(folder: &Path) -> StoredState {
    let other = tempfile::tempdir().unwrap();
    fs::copy(folder.join(FILE), other.path().join(FILE)).unwrap();
    Store::open(other.path(), quiet()).unwrap().1
}

fn within<T>(time: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + time;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not seen in {time:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn what_was_kept_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, kept) = Store::open(folder.path(), quiet()).unwrap();
    assert!(kept.records.is_empty() && kept.incarnation == 0 && kept.node.is_none());
    store.keep(b"a".to_vec(), Some(b"1".to_vec()));
    store.keep(b"b".to_vec(), Some(b"2".to_vec()));
    store.keep(b"a".to_vec(), None);
    store.remember_name(&NodeName::new("ams-1").unwrap(), 7);
    store.remember(&["quic/10.0.0.1:7447".to_owned(), "quic/10.0.0.2:7447".to_owned()], 8);
    store.close().await;
    let (_store, kept) = Store::open(folder.path(), quiet()).unwrap();
    assert_eq!(kept.records.into_iter().collect::<Vec<_>>(), [(b"b".to_vec(), b"2".to_vec())]);
    assert_eq!((kept.incarnation, kept.node, kept.addresses.len()), (8, NodeName::new("ams-1"), 2));
}

#[test]
fn what_was_kept_survives_a_kill_soon_after() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path(), quiet()).unwrap();
    store.keep(b"first".to_vec(), Some(b"x".to_vec()));
    within(Duration::from_secs(5), || {
        found_after_a_kill(folder.path()).records.contains_key(&b"first"[..]).then_some(())
    });
    let put = Instant::now();
    store.keep(b"bulb".to_vec(), Some(b"on".to_vec()));
    within(Duration::from_secs(5), || store.queue_is_written(b"bulb").then_some(()));
    // The promise is 50 ms; the rest is for busy machines.
    assert!(put.elapsed() < Duration::from_millis(500), "{:?}", put.elapsed());
    assert_eq!(found_after_a_kill(folder.path()).records[&b"bulb"[..]], b"on");
}

#[test]
fn two_nodes_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, _) = Store::open(folder.path(), quiet()).unwrap();
    let refused = Store::open(folder.path(), quiet()).map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("--data-dir"), "{refused}");
}

#[test]
fn what_a_disk_can_not_take_is_written_when_it_can() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    fs::write(&folder, "a file where the folder should be").unwrap();
    let (said_tx, said) = mpsc::channel();
    let (store, _) = Store::open(&folder, Box::new(move |words| drop(said_tx.send(words)))).unwrap();
    assert!(said.recv_timeout(Duration::from_secs(5)).unwrap().unwrap().contains("can't be written"));
    store.keep(b"a".to_vec(), Some(b"1".to_vec()));
    store.keep(b"b".to_vec(), Some(b"2".to_vec()));
    assert!(said.recv_timeout(Duration::from_secs(5)).unwrap().is_some());
    store.keep(b"b".to_vec(), None);
    fs::remove_file(&folder).unwrap();
    within(Duration::from_secs(10), || said.try_recv().ok().filter(Option::is_none));
    within(Duration::from_secs(5), || store.queue_is_written(b"a").then_some(()));
    assert_eq!(found_after_a_kill(&folder).records.into_keys().collect::<Vec<_>>(), [b"a".to_vec()]);
}

/// Needs the right to mount; elsewhere the test above stands in for it.
#[test]
fn a_full_disk_is_written_to_when_it_is_freed() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(folder.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        return;
    }
    let _mount = Mount(folder.path().to_owned());
    let (store, _) = Store::open(folder.path(), quiet()).unwrap();
    store.keep(b"before".to_vec(), Some(b"1".to_vec()));
    within(Duration::from_secs(5), || store.queue_is_written(b"before").then_some(()));
    store.queue.close();
    drop(store);
    fill_up(folder.path());

    let words = Arc::new(Mutex::new(None));
    let told = Arc::clone(&words);
    let (store, kept) = Store::open(folder.path(), Box::new(move |said| *told.lock().unwrap() = said)).unwrap();
    assert!(kept.records.contains_key(&b"before"[..]), "a full disk can be read");
    let big = |n: u32| (format!("big {n}").into_bytes(), Some(vec![7; 4_000]));
    (0..500).map(big).for_each(|(key, record)| store.keep(key, record));
    within(Duration::from_secs(10), || words.lock().unwrap().clone());
    fs::remove_file(folder.path().join("filler")).unwrap();
    within(Duration::from_secs(10), || words.lock().unwrap().is_none().then_some(()));
    within(Duration::from_secs(5), || store.queue_is_written(b"big 499").then_some(()));
}

fn fill_up(folder: &Path) {
    use std::io::Write as _;
    let mut filler = fs::File::create(folder.join("filler")).unwrap();
    while filler.write_all(&[0; 4_096]).is_ok() {}
}

struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

impl Store {
    fn queue_is_written(&self, key: &[u8]) -> bool {
        self.queue.is_written(key)
    }
}

#[test]
fn what_is_put_and_removed_while_the_disk_takes_nothing_leaves_nothing_behind() {
    let queue = Queue::new(std::iter::once(b"old".to_vec()).collect());
    queue.put(b"new".to_vec(), Some(b"1".to_vec()));
    let failed = queue.take().unwrap();
    queue.put(b"new".to_vec(), None);
    queue.put(b"old".to_vec(), None);
    queue.close();
    assert!(queue.put_back(failed, RETRY), "not tried again once it is closed");
    let waiting: Vec<_> = queue.take().unwrap().records.into_iter().collect();
    assert_eq!(waiting, [(b"old".to_vec(), None)], "only what is on disk must be removed");
}
