//! What one node said, kept in a file: peers run one after another, and the node that is observed hears them all at once.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

/// Something with its moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// When.
    pub at_ms: u64,
    /// What it is; each file has its own meaning of it.
    pub tag: u8,
    /// The message.
    pub bytes: Vec<u8>,
}

/// A file that grows.
pub struct Frames(BufWriter<File>);

impl Frames {
    /// A new file.
    ///
    /// # Errors
    ///
    /// Where it can't be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::with_capacity(1 << 16, File::create(path)?)))
    }

    /// Adds a frame.
    ///
    /// # Errors
    ///
    /// Where it can't be written.
    pub fn add(&mut self, at_ms: u64, tag: u8, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.0.write_all(&at_ms.to_le_bytes())?;
        self.0.write_all(&[tag])?;
        self.0.write_all(&length.to_le_bytes())?;
        self.0.write_all(bytes)
    }

    /// Writes what is left.
    ///
    /// # Errors
    ///
    /// Where it can't be written.
    pub fn close(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Reads frames one after another.
pub struct Reading(BufReader<File>);

impl Reading {
    /// From the first.
    ///
    /// # Errors
    ///
    /// Where there is no such file.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(BufReader::with_capacity(1 << 16, File::open(path)?)))
    }

    fn read(&mut self) -> io::Result<Frame> {
        let (mut at_ms, mut tag, mut length) = ([0; 8], [0; 1], [0; 4]);
        self.0.read_exact(&mut at_ms)?;
        self.0.read_exact(&mut tag)?;
        self.0.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        self.0.read_exact(&mut bytes)?;
        Ok(Frame { at_ms: u64::from_le_bytes(at_ms), tag: tag[0], bytes })
    }
}

impl Iterator for Reading {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        self.read().ok()
    }
}
