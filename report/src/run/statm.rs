//! The memory of a process as statm(5) has it, which takes no lock of the process's.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const PAGE_BYTES: u64 = memtrace_wire::layout::PAGE_BYTES;

/// The file, kept open: a process id that is used again is not taken for the process.
pub struct Statm(File);

/// Resident memory, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resident {
    /// All.
    pub all: u64,
    /// Of it: files and memory that can be shared.
    pub shared: u64,
}

impl Statm {
    /// That of a process.
    pub fn open(pid: u32) -> io::Result<Statm> {
        File::open(format!("/proc/{pid}/statm")).map(Statm)
    }

    /// What is resident now; nothing is when the process has ended.
    pub fn read(&self) -> io::Result<Resident> {
        let mut text = [0; 128];
        let length = self.0.read_at(&mut text, 0)?;
        Ok(parse(&String::from_utf8_lossy(text.get(..length).unwrap_or_default())))
    }
}

/// Size, resident and shared pages come first.
fn parse(text: &str) -> Resident {
    let mut pages = text.split_ascii_whitespace().map(|number| number.parse::<u64>().unwrap_or(0));
    let mut next = |place| pages.nth(place).unwrap_or(0).saturating_mul(PAGE_BYTES);
    let all = next(1);
    Resident { all, shared: next(0).min(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_and_shared_are_the_second_and_third_number() {
        assert_eq!(parse("9 5 3 1 0 2 0\n"), Resident { all: 5 * PAGE_BYTES, shared: 3 * PAGE_BYTES });
        assert_eq!(parse("9 5 7"), Resident { all: 5 * PAGE_BYTES, shared: 5 * PAGE_BYTES });
        assert_eq!((parse("").all, parse("x y").all), (0, 0));
        let own = Statm::open(std::process::id()).and_then(|statm| statm.read()).unwrap();
        assert!(own.all > own.shared && own.shared > 0);
    }
}
