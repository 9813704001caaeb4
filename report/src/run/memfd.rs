//! The recording of a run: a sparse memfd with its header, which the target's processes find by MEMTRACE_RUN.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;

use memtrace_wire::layout::{
    Ask, FILE_HEADER_BYTES, FileHeader, LAUNCHER_SETTINGS_AT, LAUNCHER_SETTINGS_BYTES, MAGIC, PROCESS_MAGIC,
    ProcessHeader, VERSION,
};
use memtrace_wire::map::{self, Record, U32, U64, bytes_of};

use crate::error::Error;
use crate::sys::{self, Pid};

/// Room that no run fills; it costs nothing until it is written to.
const CAPACITY_BYTES: u64 = 1 << 42;
/// Less than this is no recording: a file size limit of the user's.
const CAPACITY_BYTES_MIN: u64 = 1 << 32;

/// The recording, and what lets a process into it.
pub struct Recording {
    file: File,
    cookie: u64,
}

impl Recording {
    /// An empty recording that brings settings, each `NAME=VALUE`, to all processes that write into it.
    pub fn with_settings(settings: &[Vec<u8>]) -> Result<Recording, Error> {
        sys::without_file_size_signal(|| Recording::create(settings))
    }

    fn create(settings: &[Vec<u8>]) -> Result<Recording, Error> {
        let failed = |cause| Error::System { what: "cannot make a recording", cause };
        let file = sys::memfd(c"memtrace").map_err(failed)?;
        let capacity_bytes = grow(&file).map_err(failed)?;
        let cookie = sys::random().map_err(failed)?;
        let header = FileHeader {
            magic: U64::new(MAGIC),
            version: U32::new(VERSION),
            launcher_pid: U32::new(std::process::id()),
            cookie: U64::new(cookie),
            next_offset: U64::new(FILE_HEADER_BYTES),
            capacity_bytes: U64::new(capacity_bytes),
            first_process: U64::default(),
            process_count: U32::default(),
            process_lost: U32::default(),
            ask: Ask::default(),
            copies: U64::new(0),
            spare: Default::default(),
        };
        file.write_all_at(bytes_of(&header), 0).map_err(failed)?;
        let text: Vec<u8> = settings.iter().flat_map(|setting| setting.iter().copied().chain([0])).collect();
        if text.len() as u64 >= LAUNCHER_SETTINGS_BYTES {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        }
        file.write_all_at(&text, LAUNCHER_SETTINGS_AT).map_err(failed)?;
        Ok(Recording { file, cookie })
    }

    /// The value of MEMTRACE_RUN for processes that find the file with `keeper`.
    pub fn address(&self, keeper: Pid) -> String {
        format!("{keeper}:{}:{:016x}", self.fd(), self.cookie)
    }

    /// The fd under which the keeper has it too.
    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// The headers of all processes that report in, without their tables. The newest stands first.
    pub fn processes(&self) -> io::Result<Vec<ProcessHeader>> {
        let header: FileHeader = self.record(0)?;
        let mut at = header.first_process.get();
        let mut processes = Vec::new();
        let mut seen = HashSet::new();
        // A link back into the chain ends it.
        while at != 0 && seen.insert(at) {
            let process: ProcessHeader = self.record(at)?;
            at = process.next_process.get();
            if process.magic.get() == PROCESS_MAGIC {
                processes.push(process);
            }
        }
        Ok(processes)
    }

    fn record<T: Record>(&self, at: u64) -> io::Result<T> {
        let mut bytes = vec![0; size_of::<T>()];
        self.file.read_exact_at(&mut bytes, at)?;
        map::read(&bytes, 0).ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    /// The file, for a reader.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

fn grow(file: &File) -> io::Result<u64> {
    let mut bytes = CAPACITY_BYTES;
    loop {
        match file.set_len(bytes) {
            Ok(()) => return Ok(bytes),
            Err(cause) if bytes <= CAPACITY_BYTES_MIN => return Err(cause),
            Err(_) => bytes /= 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_recording_is_empty_and_takes_no_memory() {
        let recording = Recording::with_settings(&[]).unwrap();
        let header: FileHeader = recording.record(0).unwrap();
        assert_eq!((header.magic.get(), header.version.get()), (MAGIC, VERSION));
        assert_eq!(header.capacity_bytes.get(), recording.file.metadata().unwrap().len());
        assert_eq!((header.next_offset.get(), header.first_process.get()), (FILE_HEADER_BYTES, 0));
        assert!(recording.address(7).starts_with(&format!("7:{}:", recording.fd())));
        assert!(recording.address(7).ends_with(&format!("{:016x}", header.cookie.get())));
    }

    #[test]
    fn processes_are_those_whose_magic_was_written_and_a_ring_ends() {
        let recording = Recording::with_settings(&[]).unwrap();
        assert!(recording.processes().unwrap().is_empty());
        let put = |at: u64, bytes: &[u8]| recording.file.write_all_at(bytes, at).unwrap();
        let first = std::mem::offset_of!(FileHeader, first_process) as u64;
        put(first, &4096u64.to_le_bytes());
        // Three roots in a ring; the second has not begun.
        for (at, next, magic) in [(4096u64, 8192u64, PROCESS_MAGIC), (8192, 12288, 0), (12288, 4096, PROCESS_MAGIC)] {
            put(at, &magic.to_le_bytes());
            put(at + 8, &next.to_le_bytes());
        }
        assert_eq!(recording.processes().unwrap().len(), 2);
    }
}
