//! Files of messages with their times: peers run one after another, and the observed node receives all traces at once.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

/// A message with its time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TraceEntry {
    pub(crate) at_ms: u64,
    /// Each kind of file has its own meaning of the tag.
    pub(crate) tag: u8,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct TraceWriter(BufWriter<File>);

impl TraceWriter {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::with_capacity(1 << 16, File::create(path)?)))
    }

    pub(crate) fn add(&mut self, at_ms: u64, tag: u8, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.0.write_all(&at_ms.to_le_bytes())?;
        self.0.write_all(&[tag])?;
        self.0.write_all(&length.to_le_bytes())?;
        self.0.write_all(bytes)
    }

    pub(crate) fn close(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Reads entries one after another.
pub(crate) struct TraceReader(BufReader<File>);

impl TraceReader {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(BufReader::with_capacity(1 << 16, File::open(path)?)))
    }

    fn read(&mut self) -> io::Result<TraceEntry> {
        let (mut at_ms, mut tag, mut length) = ([0; 8], [0; 1], [0; 4]);
        self.0.read_exact(&mut at_ms)?;
        self.0.read_exact(&mut tag)?;
        self.0.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        self.0.read_exact(&mut bytes)?;
        Ok(TraceEntry { at_ms: u64::from_le_bytes(at_ms), tag: tag[0], bytes })
    }
}

impl Iterator for TraceReader {
    type Item = TraceEntry;

    fn next(&mut self) -> Option<TraceEntry> {
        self.read().ok()
    }
}
