//! Processes that end by a signal which no code of their own can see, SIGKILL, or with threads whose registers only the
//! launcher can read: they are checked in a process of the launcher's that is given their memory.
//!
//! ```text
//!   a signal kills ─▶ each thread stops at its end ─▶ the last one has: memory, registers ─▶ ghost: checks, writes rows
//!                                                                      └─▶ all go on, and end
//! ```

use std::collections::HashMap;
use std::ffi::CString;
use std::fmt::{self, Display, Formatter};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use memtrace_wire::dead::{Dead, Thread};

use super::alive::{MAPPED_NAME, exists};
use crate::error;
use crate::leaks::target;
use crate::sys::ghost::{self, Content, Piece, Source};
use crate::sys::{self, Pid, trace};

/// The function in the library that checks.
const ENTRY: &str = "memtrace_check_dead";
/// How long threads are held until the last has come to its end: one may be about to exec, which ends the others first.
pub const HOLD: Duration = Duration::from_secs(1);
/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Files that are only read are not needed for more than their headers and tables; no module has more of them.
const READ_ONLY_BYTES_MAX: u64 = 256 << 20;

/// Processes some of whose threads have come to their end.
pub struct Dying {
    recording: File,
    held: HashMap<Pid, Vec<Pid>>,
}

impl Dying {
    /// None yet.
    pub fn new(recording: File) -> Dying {
        Dying { recording, held: HashMap::new() }
    }

    /// Whether any thread is held.
    pub fn any(&self) -> bool {
        !self.held.is_empty()
    }

    /// A thread has come to its end, and stands still. If it is the last one, its process is checked, and all go on.
    pub fn add(&mut self, pid: Pid, tid: Pid) {
        let held = self.held.entry(pid).or_default();
        held.push(tid);
        if threads_of(pid).any(|tid| !held.contains(&tid) && exists(tid)) {
            return;
        }
        if let Err(why) = check(pid, held, &self.recording) {
            sys::say(&format!("memtrace: process {pid}, which was killed, is not looked at: {why}\n"));
        }
        self.let_go(pid);
    }

    /// No thread is held any longer; those of these processes were.
    pub fn give_up(&mut self) -> Vec<Pid> {
        let pids: Vec<Pid> = self.held.keys().copied().collect();
        pids.iter().for_each(|&pid| self.let_go(pid));
        pids
    }

    fn let_go(&mut self, pid: Pid) {
        self.held.remove(&pid).into_iter().flatten().for_each(|tid| trace::go_on(tid, 0));
    }
}

/// The threads of a process.
pub fn threads_of(pid: Pid) -> impl Iterator<Item = Pid> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok())
}

fn check(pid: Pid, tids: &[Pid], recording: &File) -> Result<(), Refused> {
    // The first thread may be gone already.
    let tid = tids.first().copied().unwrap_or(pid);
    // Not recorded, or of another version: it is not ours to check.
    let Ok(entry) = target::function(pid as u32, tid, ENTRY) else { return Ok(()) };
    let of = |name: &str| format!("/proc/{pid}/task/{tid}/{name}");
    let list = fs::read(of("maps"))?;
    let inode = recording.metadata()?.ino();
    let pieces: Vec<Piece> = list.split(|&byte| byte == b'\n').filter_map(|line| piece(line, inode)).collect();
    let threads = tids.iter().map(|&tid| trace::held(tid)).collect::<io::Result<Vec<Thread>>>()?;
    let source = Source {
        memory: File::open(format!("/proc/{tid}/mem"))?,
        pages: File::open(format!("/proc/{tid}/pagemap"))?,
        shared: recording.try_clone()?,
    };
    // No NUL is in it.
    let maps = CString::new(of("maps")).unwrap_or_default();
    let dead = Dead { pid: pid as u64, maps: maps.as_ptr(), threads: threads.as_ptr(), count: threads.len() as u64 };
    match ghost::run(&pieces, &source, entry, &dead, Instant::now() + PATIENCE)? {
        Some(0) => Ok(()),
        Some(ghost::CLASH) => Err(Refused("its addresses are taken in memtrace's own process".into())),
        _ => Err(Refused("the check ended early".into())),
    }
}

/// Why a process was not looked at.
struct Refused(String);

impl Display for Refused {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl From<io::Error> for Refused {
    fn from(cause: io::Error) -> Self {
        Refused(error::words(&cause))
    }
}

/// What a check needs of a line of the list of mappings (proc(5)): memory that was written, modules, the recording.
fn piece(line: &[u8], recording: u64) -> Option<Piece> {
    let line = String::from_utf8_lossy(line);
    let mut columns = line.split_ascii_whitespace();
    let (start, end) = columns.next()?.split_once('-')?;
    let (rights, offset) = (columns.next()?, columns.next()?);
    let inode: u64 = columns.nth(1)?.parse().ok()?;
    let name = columns.next().unwrap_or("");
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = (number(start)?, number(end)?);
    let [reads, writes, runs, shares] = rights.as_bytes() else { return None };
    let content = match (*shares, name) {
        // The loader keeps the kernel's module among its own.
        (_, "[vdso]") => Content::Copy,
        _ if *reads != b'r' || name.starts_with("[v") => return None,
        (b's', _) if inode == recording && line.ends_with(MAPPED_NAME) => Content::Shared(number(offset)?),
        // Memory that others see: what a check takes for a root has no file of its own.
        (b's', _)
            if *writes == b'w'
                && ["/dev/zero", "/SYSV", "/memfd:", "/dev/shm/"].iter().any(|start| name.starts_with(start)) =>
        {
            Content::Copy
        }
        (b's', _) => return None,
        (_, name) if name.starts_with("/dev/") => return None,
        (_, name) if name.starts_with('/') => match *writes == b'w' || end - start <= READ_ONLY_BYTES_MAX {
            true => Content::Copy,
            false => return None,
        },
        _ => Content::Touched,
    };
    Some(Piece { start, end, is_code: *runs == b'x', content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_was_written_modules_and_the_recording_are_taken() {
        let of = |line: &str| piece(line.as_bytes(), 77).map(|piece| (piece.content, piece.is_code));
        let heap = "55d0-55e0 rw-p 00000000 00:00 0                          [heap]";
        assert_eq!(of(heap), Some((Content::Touched, false)));
        assert_eq!(of("7f00-7f10 rw-p 00000000 00:00 0 "), Some((Content::Touched, false)));
        assert_eq!(of("7f00-7f10 r-xp 00001000 08:01 42  /lib/libc.so.6"), Some((Content::Copy, true)));
        let recording = |inode| format!("7f00-7f10 rw-s 00003000 00:01 {inode} /memfd:memtrace (deleted)");
        assert_eq!(of(&recording(77)), Some((Content::Shared(0x3000), false)));
        assert_eq!(of(&recording(78)), Some((Content::Copy, false)));
        for not in ["7f00-7f10 ---p 0 00:00 0", "7f00-7f10 r--p 0 00:00 0 [vvar]", "7f00-7f10 r--s 0 08:01 4 /a", ""] {
            assert_eq!(of(not), None, "{not}");
        }
    }
}
