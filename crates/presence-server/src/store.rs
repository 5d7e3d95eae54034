//! Facts on disk; the only file that names the database. Without it a restart would forget.
//!
//! One thread writes, in groups, at most 50 ms behind. No task waits for it: what the disk can't take waits in memory and
//! is written when it can be.

mod queue;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use presence_core::NodeName;
use redb::backends::InMemoryBackend;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};

use self::queue::{Queue, WriteBatch};

const FACTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("facts");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const FILE: &str = "facts.redb";
/// Facts are held in memory anyway; the database needs little more of it.
const CACHE_BYTES: usize = 8 << 20;
/// How long the node that this one replaces may still hold the file.
const HELD_FOR: Duration = Duration::from_secs(5);
/// After a failure the disk is tried again this often.
const RETRY: Duration = Duration::from_secs(1);

/// Receives the state of the disk: a sentence about what is wrong, or nothing.
pub(crate) type DiskHealth = Box<dyn Fn(Option<String>) + Send>;

/// The handle of the writing thread.
pub(crate) struct Store {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

/// What was kept before this start.
#[derive(Default)]
pub(crate) struct StoredState {
    /// The records, in the order of their keys.
    pub(crate) records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The incarnation of the last start; 0 if there was none.
    pub(crate) incarnation: u64,
    /// The name that was drawn at the first start.
    pub(crate) node: Option<NodeName>,
    /// Addresses of other nodes.
    pub(crate) addresses: Vec<String>,
}

impl Store {
    /// Opens the folder's database, or creates one. A disk that is full or read-only is no error: what can be read is read,
    /// and writes are retried.
    ///
    /// # Errors
    ///
    /// Another node uses the folder.
    pub(crate) fn open(folder: &Path, health: DiskHealth) -> anyhow::Result<(Self, StoredState)> {
        let path = folder.join(FILE);
        let (database, kept) = match open_or_wait(&path)? {
            Ok(database) => {
                let kept = read(&database).with_context(|| format!("{} can't be read", path.display()))?;
                (Some(database), kept)
            }
            Err(error) => {
                health(Some(sentence(&path, &error)));
                tracing::warn!("{}; continuing from memory", sentence(&path, &error));
                (None, salvaged(&path))
            }
        };
        let queue = Arc::new(Queue::new(kept.records.keys().cloned().collect()));
        let writer = Writer { said: database.is_none(), path, database, queue: Arc::clone(&queue), health };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.run());
        let writer = Some(thread.context("the thread that writes to disk can't be started")?);
        Ok((Self { queue, writer }, kept))
    }

    /// Whether a node has kept facts in this folder.
    pub(crate) fn exists(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Keeps a record under its key, or removes it from the disk. Never waits.
    pub(crate) fn keep(&self, key: Vec<u8>, record: Option<Vec<u8>>) {
        self.queue.put(key, record);
    }

    /// Keeps for the next start: the addresses of other nodes, and this node's incarnation.
    pub(crate) fn remember(&self, addresses: &[String], incarnation: u64) {
        self.queue.put_meta("addresses", addresses.join("\n").into_bytes());
        self.queue.put_meta("incarnation", incarnation.to_be_bytes().to_vec());
    }

    /// Keeps for the next start: this node's name, and its incarnation.
    pub(crate) fn remember_name(&self, name: &NodeName, incarnation: u64) {
        self.queue.put_meta("node", name.as_str().as_bytes().to_vec());
        self.queue.put_meta("incarnation", incarnation.to_be_bytes().to_vec());
    }

    /// Writes what waits, and closes the database. A disk that can't take it is not tried again.
    pub(crate) async fn close(mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            let ended = tokio::task::spawn_blocking(move || writer.join()).await;
            if !matches!(ended, Ok(Ok(()))) {
                tracing::error!("the thread that writes to disk ended in a panic");
            }
        }
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
    fn run(mut self) {
        while let Some(batch) = self.queue.take() {
            match self.write(&batch) {
                Ok(()) => {
                    self.queue.written(&batch);
                    self.recovered();
                }
                Err(error) => {
                    // After an I/O error the database fails every call until it is opened again.
                    self.database = None;
                    self.failed(&error, &batch);
                    if self.queue.put_back(batch, RETRY) {
                        return;
                    }
                }
            }
        }
    }

    fn write(&mut self, batch: &WriteBatch) -> Result<(), redb::Error> {
        let database = match self.database.take() {
            Some(database) => database,
            None => create(&self.path)?,
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
            tracing::info!("{} can be written again; nothing waits any longer", self.path.display());
            (self.health)(None);
        }
    }
}

fn sentence(path: &Path, error: &redb::Error) -> String {
    format!("facts can't be written to {}: {error}", path.display())
}

fn create(path: &Path) -> Result<Database, redb::Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(builder().create(path)?)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn open_or_wait(path: &Path) -> anyhow::Result<Result<Database, redb::Error>> {
    let deadline = Instant::now() + HELD_FOR;
    loop {
        match create(path) {
            Err(redb::Error::DatabaseAlreadyOpen) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(redb::Error::DatabaseAlreadyOpen) => {
                bail!("another node uses {}: end it, or give this one a --data-dir of its own", path.display());
            }
            other => return Ok(other),
        }
    }
}

/// Reads what a disk has that can't be written: a copy in memory is repaired and read.
fn salvaged(path: &Path) -> StoredState {
    let read = || -> anyhow::Result<StoredState> {
        let bytes = match fs::read(path) {
            Ok(bytes) if !bytes.is_empty() => bytes,
            _ => return Ok(StoredState::default()),
        };
        let copy = InMemoryBackend::new();
        copy.set_len(bytes.len() as u64)?;
        copy.write(0, &bytes)?;
        Ok(read(&builder().create_with_backend(copy)?)?)
    };
    read().unwrap_or_else(|error| {
        tracing::error!("{} can't be read: {error:#}; starting without it", path.display());
        StoredState::default()
    })
}

fn read(database: &Database) -> Result<StoredState, redb::Error> {
    let mut kept = StoredState::default();
    let transaction = database.begin_read()?;
    match transaction.open_table(FACTS) {
        Ok(facts) => {
            for entry in facts.iter()? {
                let (key, record) = entry?;
                kept.records.insert(key.value().to_vec(), record.value().to_vec());
            }
        }
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(kept),
        Err(error) => return Err(error.into()),
    }
    let meta = transaction.open_table(META)?;
    let value = |name: &str| meta.get(name).map(|found| found.map(|value| value.value().to_vec()));
    let text = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    kept.incarnation = value("incarnation")?.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
    kept.node = NodeName::new(&text(value("node")?));
    kept.addresses = text(value("addresses")?).lines().map(str::to_owned).collect();
    Ok(kept)
}

#[cfg(test)]
mod tests;
