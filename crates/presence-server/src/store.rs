//! Facts on disk; the only file that names the database. Without it a restart would forget.
//!
//! One thread writes, in groups, at most 50 ms behind. No task waits for it: what the disk can't take waits in memory and
//! is written when it can be.

mod opening;
mod permissions;
mod queue;
mod regions;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use presence_core::{DiskRecord, KnownRegion, NodeName};
use redb::{Database, TableDefinition};
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::opening::OpenedStore;
use self::queue::{Continuation, Queue, WriteBatch};
pub(crate) use self::queue::{OnDisk, WriteProgress};
use crate::supervision::PartGuard;

const FACTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("facts");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const FILE: &str = "facts.redb";
/// Facts are held in memory anyway; the database needs little more of it.
const CACHE_BYTES: usize = 8 << 20;
/// How long the node that this one replaces may still hold the file.
const HELD_FOR: Duration = Duration::from_secs(5);
/// After a failure the disk is tried again this often.
const RETRY: Duration = Duration::from_secs(1);

/// A disk that takes longer for one group hangs.
const HUNG_AFTER: Duration = Duration::from_secs(5);
/// How long the disk may take for the last group when the node stops.
const CLOSED_WITHIN: Duration = Duration::from_secs(3);

/// Receives the state of the disk: a sentence about what is wrong, or nothing.
pub(crate) type DiskHealth = Box<dyn Fn(Option<String>) + Send>;

/// The handle of the writing thread.
pub(crate) struct Store {
    queue: Arc<Queue>,
    watch: StoreWatch,
    /// What the writing thread says at its end.
    ended: oneshot::Receiver<Result<(), String>>,
}

/// What was kept before this start.
#[derive(Default)]
pub(crate) struct StoredState {
    /// The records, in the order of their keys.
    pub(crate) records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The incarnation of the last start; 0 if there was none.
    pub(crate) incarnation: u64,
    /// The name that was generated at the first start.
    pub(crate) node: Option<NodeName>,
    /// Addresses of other nodes.
    pub(crate) addresses: Vec<String>,
    /// The regions of other nodes.
    pub(crate) regions: Vec<KnownRegion>,
}

impl Store {
    /// Opens the folder's database, or creates one. The thread that writes holds the guard. A disk that is full is no error: what can
    /// be read is read, and writes are retried. A broken file is put aside.
    ///
    /// # Errors
    ///
    /// Another node uses the folder, or it can't be used at all.
    pub(crate) fn open(
        folder: &Path,
        health: DiskHealth,
        guard: Option<PartGuard>,
    ) -> anyhow::Result<(Self, StoredState)> {
        let path = folder.join(FILE);
        let OpenedStore { database, kept } = opening::open(&path)?;
        let database = database.inspect_err(|error| health(Some(sentence(&path, error)))).ok();
        let on_disk = kept.records.keys().cloned().collect();
        Ok((Self::start(path, database, on_disk, health, guard)?, kept))
    }

    /// What a stopped node has kept in this folder, which is not changed.
    ///
    /// # Errors
    ///
    /// A node uses the folder, or its file can't be read.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<StoredState> {
        opening::read_only(&folder.join(FILE))
    }

    /// Starts the thread that writes to this database, which has these keys.
    fn start(
        path: PathBuf,
        database: Option<Database>,
        on_disk: BTreeSet<Vec<u8>>,
        health: DiskHealth,
        guard: Option<PartGuard>,
    ) -> anyhow::Result<Self> {
        let queue = Arc::new(Queue::new(on_disk));
        let watch = StoreWatch { path: path.clone(), queue: Arc::clone(&queue) };
        let writer = Writer { said: database.is_none(), path, database, queue: Arc::clone(&queue), health };
        let (end, ended) = oneshot::channel();
        let write = move || {
            let _guard = guard;
            drop(end.send(writer.run()));
        };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(write);
        thread.context("the thread that writes to disk can't be started")?;
        Ok(Self { watch, queue, ended })
    }

    /// For a health check: whether the disk answers.
    pub(crate) fn watch(&self) -> StoreWatch {
        self.watch.clone()
    }

    /// The database of this folder.
    pub(crate) fn file(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Whether a node has kept facts in this folder.
    pub(crate) fn exists(folder: &Path) -> bool {
        Self::file(folder).exists()
    }

    /// Keeps records under their keys, or removes them from the disk, all in one transaction. Never waits.
    pub(crate) fn keep(&self, records: Vec<DiskRecord>) {
        self.queue.put(records);
    }

    /// Calls this once everything that was to be kept before is on disk, or was not taken: on the writing thread, so it must not
    /// wait.
    pub(crate) fn then(&self, call: Continuation) {
        self.queue.then(call);
    }

    /// Keeps for the next start: the addresses of other nodes, and this node's incarnation.
    pub(crate) fn remember(&self, addresses: &[String], incarnation: u64) {
        self.queue.put_meta("addresses", addresses.join("\n").into_bytes());
        self.queue.put_meta("incarnation", incarnation.to_be_bytes().to_vec());
    }

    /// Keeps for the next start: the regions of other nodes.
    pub(crate) fn keep_regions(&self, regions: &[KnownRegion]) {
        self.queue.put_meta("regions", regions::to_bytes(regions));
    }

    /// Keeps for the next start: this node's name, and its incarnation.
    pub(crate) fn remember_name(&self, name: &NodeName, incarnation: u64) {
        self.queue.put_meta("node", name.as_str().as_bytes().to_vec());
        self.queue.put_meta("incarnation", incarnation.to_be_bytes().to_vec());
    }

    /// Writes what waits, and closes the database. A disk that can't take it is not tried again, and one that hangs is not
    /// waited for.
    ///
    /// # Errors
    ///
    /// If something was not written, in one sentence.
    pub(crate) async fn close(mut self) -> Result<(), String> {
        self.queue.close();
        match timeout(CLOSED_WITHIN, &mut self.ended).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) => Err("the thread that writes to disk ended in a panic; its last facts are lost".to_owned()),
            Err(_) => Err(format!(
                "the disk of {} has not answered for {} s; what waited for it is lost",
                self.watch.path.display(),
                CLOSED_WITHIN.as_secs()
            )),
        }
    }
}

/// Tells whether the disk answers.
#[derive(Clone)]
pub(crate) struct StoreWatch {
    path: PathBuf,
    queue: Arc<Queue>,
}

impl StoreWatch {
    /// How far the disk is behind.
    pub(crate) fn progress(&self) -> WriteProgress {
        self.queue.progress()
    }

    /// The size of the database's file.
    pub(crate) fn file_bytes(&self) -> Option<u64> {
        std::fs::metadata(&self.path).ok().map(|file| file.len())
    }

    /// What is wrong if the disk has not answered for 5 s, in a sentence.
    pub(crate) fn fault(&self) -> Option<String> {
        let busy = self.queue.busy_for().filter(|busy| *busy >= HUNG_AFTER)?;
        Some(format!("the disk of {} has not answered for {} s", self.path.display(), busy.as_secs()))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The thread that owns the database.
struct Writer {
    path: PathBuf,
    database: Option<Database>,
    queue: Arc<Queue>,
    health: DiskHealth,
    /// Whether something was reported to be wrong.
    said: bool,
}

impl Writer {
    /// Writes until the queue is closed. Fails if something was not written.
    fn run(mut self) -> Result<(), String> {
        while let Some(batch) = self.queue.take() {
            match self.write(&batch) {
                Ok(()) => {
                    self.queue.written(batch);
                    self.recovered();
                }
                Err(error) => {
                    // After an I/O error the database fails every call until it is opened again.
                    self.database = None;
                    self.failed(&error, &batch);
                    if self.queue.put_back(batch, RETRY) {
                        return Err(sentence(&self.path, &error));
                    }
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: &WriteBatch) -> Result<(), redb::Error> {
        if batch.writes_nothing() {
            return Ok(());
        }
        let database = match self.database.take() {
            Some(database) => database,
            None => opening::create(&self.path)?,
        };
        let database = self.database.insert(database);
        let transaction = database.begin_write()?;
        {
            let mut facts = transaction.open_table(FACTS)?;
            for (key, record) in &batch.records {
                match record {
                    Some(record) => drop(facts.insert(key.as_slice(), record.as_slice())?),
                    None => drop(facts.remove(key.as_slice())?),
                }
            }
            let mut meta = transaction.open_table(META)?;
            for (name, value) in &batch.meta {
                meta.insert(*name, value.as_slice())?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn failed(&mut self, error: &redb::Error, batch: &WriteBatch) {
        let words = sentence(&self.path, error);
        if !std::mem::replace(&mut self.said, true) {
            tracing::warn!("{words}; {} records wait in memory", batch.records.len());
        }
        (self.health)(Some(words));
    }

    fn recovered(&mut self) {
        if std::mem::replace(&mut self.said, false) {
            tracing::info!("{} can be written again; all facts are on disk", self.path.display());
            (self.health)(None);
        }
    }
}

fn sentence(path: &Path, error: &redb::Error) -> String {
    format!("facts can't be written to {}: {error}", path.display())
}

#[cfg(test)]
mod tests;
