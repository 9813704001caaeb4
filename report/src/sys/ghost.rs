//! A process of ours that is given the memory of another one, at the same addresses, and runs a function there.

use std::fs::File;
use std::io;
use std::mem::transmute;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::ptr;
use std::time::{Duration, Instant};

use memtrace_wire::dead::Dead;

use super::{Pid, checked, send};

/// A piece of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// First address.
    pub start: u64,
    /// Last address + 1.
    pub end: u64,
    /// It can be run.
    pub is_code: bool,
    /// What is in it.
    pub content: Content,
}

/// What is in a piece of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// What the other process has there.
    Copy,
    /// The same, but pages that it never touched are zeroes.
    Touched,
    /// A piece of the shared file, from this offset on.
    Shared(u64),
}

/// The other process.
pub struct Source {
    /// /proc/pid/mem.
    pub memory: File,
    /// /proc/pid/pagemap.
    pub pages: File,
    /// What `Content::Shared` is a piece of.
    pub shared: File,
}

const PAGE: u64 = 4096;
/// How the process ends that does not get the memory.
pub const CLASH: i32 = 1;

/// Has the function at an address called with `dead`, and waits for the end of the process: its status. It ends itself,
/// with 0. `None`: it was killed, at `limit` perhaps.
pub fn run(pieces: &[Piece], source: &Source, entry: u64, dead: &Dead, limit: Instant) -> io::Result<Option<i32>> {
    // SAFETY: one thread only, so the child may use everything that the parent could.
    let pid: Pid = checked(unsafe { libc::fork() })?;
    if pid == 0 {
        // SAFETY: numbers.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        if pieces.iter().all(|piece| take(piece, source).is_ok()) {
            // SAFETY: the library's function of this type, with all that it uses where it was.
            let call = unsafe { transmute::<usize, unsafe extern "C" fn(*const Dead) -> !>(entry as usize) };
            // SAFETY: `dead` is whole; the function never returns.
            unsafe { call(dead) };
        }
        // SAFETY: ends this process without the parent's exit handlers.
        unsafe { libc::_exit(CLASH) };
    }
    loop {
        let mut status = 0;
        // SAFETY: room for a status.
        if checked(unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) })? == pid {
            return Ok(libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)));
        }
        if Instant::now() > limit {
            send(pid, libc::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Maps a piece, and fills it.
fn take(piece: &Piece, source: &Source) -> io::Result<()> {
    let (at, bytes) = (piece.start as *mut libc::c_void, (piece.end - piece.start) as usize);
    let rights = libc::PROT_READ | libc::PROT_WRITE | if piece.is_code { libc::PROT_EXEC } else { 0 };
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let (kind, fd, offset) = match piece.content {
        Content::Shared(offset) => (libc::MAP_SHARED, source.shared.as_raw_fd(), offset),
        Content::Copy | Content::Touched => (private, -1, 0),
    };
    // SAFETY: nothing that is mapped already is replaced.
    let got = unsafe { libc::mmap(at, bytes, rights, kind | libc::MAP_FIXED_NOREPLACE, fd, offset as libc::off_t) };
    if got != at {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    match piece.content {
        Content::Copy => _ = copy(piece.start, piece.end, source),
        Content::Touched => touched(piece, source),
        Content::Shared(_) => {}
    }
    Ok(())
}

/// What cannot be read stays zero.
fn copy(start: u64, end: u64, source: &Source) -> io::Result<()> {
    // SAFETY: just mapped, and nothing else of this process is there.
    let into = unsafe {
        std::slice::from_raw_parts_mut(ptr::with_exposed_provenance_mut(start as usize), (end - start) as usize)
    };
    source.memory.read_exact_at(into, start)
}

/// proc(5), /proc/pid/pagemap: bit 63 present, 62 swapped.
fn touched(piece: &Piece, source: &Source) {
    const ENTRIES: u64 = 4096;
    let mut entries = [0u8; ENTRIES as usize * 8];
    let mut at = piece.start;
    while at < piece.end {
        let next = piece.end.min(at + ENTRIES * PAGE);
        let told = &mut entries[..((next - at) / PAGE * 8) as usize];
        if source.pages.read_exact_at(told, at / PAGE * 8).is_err() {
            let _ = copy(at, next, source);
            at = next;
            continue;
        }
        let is_there = |entry: &[u8]| entry[7] >> 6 != 0;
        let mut first = at;
        for same in told.as_chunks::<8>().0.chunk_by(|one, other| is_there(one) == is_there(other)) {
            let behind = first + same.len() as u64 * PAGE;
            if is_there(&same[0]) {
                let _ = copy(first, behind, source);
            }
            first = behind;
        }
        at = next;
    }
}
