//! Opening the database: waits for the node that this one replaces, and puts a broken file aside.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;
use std::{fs, thread};

use anyhow::{Context as _, anyhow, bail};
use presence_core::NodeName;
use redb::backends::InMemoryBackend;
use redb::{Builder, Database, Error, ReadableDatabase, ReadableTable, StorageBackend};

use super::{CACHE_BYTES, FACTS, HELD_FOR, META, StoredState, permissions, regions, sentence};
use crate::clock::wall_ms;
use crate::rfc3339::rfc3339;

/// The pause between two tries to open a file that another node holds.
const HELD_RETRY: std::time::Duration = std::time::Duration::from_millis(50);

/// The database, or why it can't be written, and what is in it.
pub(super) struct OpenedStore {
    pub(super) database: Result<Database, Error>,
    pub(super) kept: StoredState,
}

/// Opens the database or creates one. A disk that is full is no error: what can be read is read.
///
/// # Errors
///
/// Another node uses the file, or the folder can't be used at all.
pub(super) fn open(path: &Path) -> anyhow::Result<OpenedStore> {
    match open_or_wait(path)? {
        Ok((database, kept)) => Ok(OpenedStore { database: Ok(database), kept }),
        Err(error) if is_broken(&error) => {
            put_aside(path, &error)?;
            let (database, kept) = open_and_read(path).with_context(|| unusable(path))?;
            Ok(OpenedStore { database: Ok(database), kept })
        }
        Err(Error::UpgradeRequired(version)) => Err(anyhow!(
            "{} was written by another version of this program (format {version}): use that one, or another --data-dir",
            path.display()
        )),
        Err(error) if is_mistake(&error) => Err(anyhow!(error).context(unusable(path))),
        Err(error) => {
            tracing::warn!("{}; continuing from memory", sentence(path, &error));
            let kept = salvaged(path);
            Ok(OpenedStore { database: Err(error), kept })
        }
    }
}

fn unusable(path: &Path) -> String {
    let folder = path.parent().unwrap_or(path);
    format!("--data-dir {} can't be used: name a folder that this user may write to", folder.display())
}

/// Whether the file is not, or is no longer, a database.
pub(super) fn is_broken(error: &Error) -> bool {
    match error {
        Error::Corrupted(_) | Error::RepairAborted | Error::TableTypeMismatch { .. } => true,
        Error::TypeDefinitionChanged { .. } | Error::TableIsMultimap(_) => true,
        Error::Io(error) => matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof),
        _ => false,
    }
}

/// Whether the folder is none, or one that may not be written to: waiting does not help.
fn is_mistake(error: &Error) -> bool {
    use ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    let kinds = [AlreadyExists, IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem];
    matches!(error, Error::Io(error) if kinds.contains(&error.kind()))
}

/// Renames a broken file, so that it can be examined. One is kept for each day.
fn put_aside(path: &Path, error: &Error) -> anyhow::Result<()> {
    let date = rfc3339(wall_ms());
    let aside = path.with_extension(format!("redb.broken-{}", date.split('T').next().unwrap_or_default()));
    fs::rename(path, &aside).with_context(|| format!("{} is broken and can't be renamed", path.display()))?;
    tracing::error!(
        "{} is broken ({error}); put aside as {}. Starting with an empty one, which the other nodes fill",
        path.display(),
        aside.display()
    );
    Ok(())
}

pub(super) fn create(path: &Path) -> Result<Database, Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
        permissions::keep_private(folder, path);
    }
    Ok(builder().create(path)?)
}

pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

/// Opens the file and reads it. A file that makes the database panic is a broken one.
fn open_and_read(path: &Path) -> Result<(Database, StoredState), Error> {
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let database = create(path)?;
        let kept = read(&database)?;
        Ok((database, kept))
    }));
    opened.unwrap_or_else(|_| Err(Error::Corrupted("the database panicked on it".to_owned())))
}

fn open_or_wait(path: &Path) -> anyhow::Result<Result<(Database, StoredState), Error>> {
    let deadline = Instant::now() + HELD_FOR;
    loop {
        match open_and_read(path) {
            Err(Error::DatabaseAlreadyOpen) if Instant::now() < deadline => thread::sleep(HELD_RETRY),
            Err(Error::DatabaseAlreadyOpen) => {
                bail!("another node uses {}: end it, or give this one a --data-dir of its own", path.display());
            }
            other => return Ok(other),
        }
    }
}

/// Reads what a disk has that can't be written.
fn salvaged(path: &Path) -> StoredState {
    let read = match fs::read(path) {
        Ok(bytes) if !bytes.is_empty() => read_copy(&bytes),
        _ => Ok(StoredState::default()),
    };
    read.unwrap_or_else(|error| {
        tracing::error!("{} can't be read: {error:#}; starting without it", path.display());
        StoredState::default()
    })
}

/// Repairs a copy in memory, and reads that.
fn read_copy(file: &[u8]) -> Result<StoredState, Error> {
    let copy = InMemoryBackend::new();
    copy.set_len(file.len() as u64)?;
    copy.write(0, file)?;
    read(&builder().create_with_backend(copy)?)
}

/// Reads a database, and changes nothing. One that was not closed, such as that of a snapshot, is repaired in memory alone.
///
/// # Errors
///
/// A node uses the file, or it can't be read.
pub(super) fn read_only(path: &Path) -> anyhow::Result<StoredState> {
    let read = catch_unwind(AssertUnwindSafe(|| {
        match builder().open_read_only(path).map_err(Error::from).and_then(|database| read(&database)) {
            Err(Error::RepairAborted) => read_copy(&fs::read(path)?),
            read => read,
        }
    }));
    let read = read.unwrap_or_else(|_| Err(Error::Corrupted("the database panicked on it".to_owned())));
    read.map_err(|error| match error {
        Error::DatabaseAlreadyOpen => {
            anyhow!("a node uses {}: stop the node first, or write its --url", path.display())
        }
        error => anyhow!(error).context(format!("{} can't be read", path.display())),
    })
}

fn read(database: &impl ReadableDatabase) -> Result<StoredState, Error> {
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
    kept.regions = regions::from_bytes(&value("regions")?.unwrap_or_default());
    kept.addresses = text(value("addresses")?).lines().map(str::to_owned).collect();
    Ok(kept)
}
