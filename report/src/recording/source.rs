//! The file under a recording: bounded reads, and a budget for what is kept.
//!
//! A sparse file can claim a terabyte that holds nothing. So the bytes that are kept in all may not pass what
//! the disk (or the memfd) has really stored, times `DENSITY`, plus a little.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use memtrace_wire::map::{self, Record};

use crate::error::{Error, words};
use crate::sys;

/// A file system that compresses stores less than it gives back; recordings compress 5 to 10 times.
const DENSITY: u64 = 16;
/// Half empty first windows of several processes.
const SLACK_BYTES: u64 = 64 << 20;

/// The file under a recording.
pub struct Source {
    file: File,
    what: String,
    bytes: u64,
    /// Bytes that may still be kept.
    budget: Cell<u64>,
}

impl Source {
    /// Takes a regular file (or memfd) that is not empty.
    pub fn new(file: File, what: &str) -> Result<Source, Error> {
        let about = file.metadata().map_err(|error| Error::read(what, words(&error)))?;
        let stored = about.blocks().saturating_mul(512).saturating_mul(DENSITY).saturating_add(SLACK_BYTES);
        // File systems over a network may not know what is stored.
        let budget = if about.blocks() == 0 { about.len() } else { stored };
        Ok(Source { file, what: what.into(), bytes: about.len(), budget: Cell::new(budget) })
    }

    /// The error that says what was found in this file.
    pub fn error(&self, found: &str) -> Error {
        Error::read(&self.what, found)
    }

    /// `length` bytes from `offset`, all of them.
    pub fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>, Error> {
        let end = offset.checked_add(length).filter(|&end| end <= self.bytes);
        if end.is_none() {
            let found = format!("{length} bytes at {offset} belong to it, but it ends at {}", self.bytes);
            return Err(self.error(&found));
        }
        let Some(rest) = self.budget.get().checked_sub(length) else {
            return Err(self.error("it claims far more data than is stored in it"));
        };
        self.budget.set(rest);
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, offset).map_err(|error| Error::read(&self.what, words(&error)))?;
        Ok(bytes)
    }

    /// Fills a buffer from `offset`; what it holds is not kept.
    pub fn fill(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        self.file.read_exact_at(buffer, offset).map_err(|error| Error::read(&self.what, words(&error)))
    }

    /// The pieces between two offsets that were ever written.
    pub fn stored(&self, start: u64, end: u64) -> Vec<(u64, u64)> {
        sys::stored(&self.file, start, end.min(self.bytes))
    }

    /// Their bytes.
    pub fn stored_bytes(&self, start: u64, end: u64) -> u64 {
        self.stored(start, end).iter().map(|piece| piece.1 - piece.0).sum()
    }

    /// Says that bytes are no longer kept.
    pub fn give_back(&self, length: u64) {
        self.budget.set(self.budget.get().saturating_add(length));
    }

    /// One record.
    pub fn record<T: Record>(&self, offset: u64) -> Result<T, Error> {
        let bytes = self.bytes(offset, size_of::<T>() as u64)?;
        map::read(&bytes, 0).ok_or_else(|| self.error("a record that is cut off"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::builder::file_of;

    #[test]
    fn reads_past_the_end_are_refused() {
        let source = Source::new(file_of(&[7; 100]), "recording `x`").unwrap();
        assert_eq!(source.bytes(90, 10).unwrap(), [7; 10]);
        let error = source.bytes(90, 11).unwrap_err().to_string();
        assert!(error.ends_with("11 bytes at 90 belong to it, but it ends at 100"), "{error}");
        assert!(source.bytes(u64::MAX, 2).is_err());
    }

    #[test]
    fn a_sparse_file_cannot_ask_for_more_than_it_stores() {
        let file = file_of(&[7; 100]);
        file.set_len(1 << 40).unwrap();
        let source = Source::new(file, "recording `x`").unwrap();
        let error = source.bytes(0, 1 << 39).unwrap_err();
        assert!(error.to_string().contains("far more data"), "{error}");
    }
}
