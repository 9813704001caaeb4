//! A stack fails first in a copy of the process, which goes on to its end as the process would, and counts for nothing.
//!
//! ```text
//!   first allocation ─▶ raw clone ─▶ NULL, and on to the end     (copy: no recording, outputs of its own)
//!     of a stack             └─▶ waits; puts back what both share; makes the allocation     (process)
//! ```
//!
//! A raw clone keeps what the C library knows of the thread: fork(2) would give the copy another thread id, so that it
//! waits for ever for locks that it holds itself. What a copy would take from the process is an `Obstacle`.

use core::ffi::CStr;
use memtrace_hot::{Hot, maps, own};
use memtrace_wire::layout::Point;
use memtrace_wire::screen::{Obstacle, Screened};
use memtrace_wire::{settings, sys};

use crate::given::Given;
use crate::opened::{self, Fresh, Opened};
use crate::{file, task};

/// What is to be screened.
pub struct Screen<'a> {
    /// The tables.
    pub hot: &'static Hot,
    /// The stack's row.
    pub point: &'a Point,
    /// How long the copy may take.
    pub patience_ms: u64,
    /// Device and inode of the files that stdout and stderr were at the start.
    pub outputs: [(u64, u64); 2],
}

/// True: this is the copy. In the process itself the copy has ended, and its point says what came of it.
pub fn screen(request: &Screen<'_>) -> bool {
    if sys::is_sealed() {
        request.point.screened.set(Screened::Not(Obstacle::Filter).word());
        return false;
    }
    let mask = file::block_signals();
    let screened = Memory::new().map_or(Err(Obstacle::Refused), |mut memory| make(request, &mut memory));
    let is_copy = screened == Ok(None);
    if let Some(screened) = screened.unwrap_or_else(|obstacle| Some(Screened::Not(obstacle))) {
        request.point.screened.set(screened.word());
    }
    file::restore_signals(mask);
    is_copy
}

/// At the start of a program of which stacks are to be screened.
pub fn begin_screening(hot: &'static Hot) {
    if let Some(mut memory) = Memory::new() {
        opened::note_inherited(memory.parts().1, &hot.announced.inherited);
    }
}

/// Descriptors that are looked at: more are `Refused`.
const OPENED_MAX: usize = 4096;
/// The list of mappings of a process with ten thousand of them.
const TEXT_BYTES: usize = 1 << 20;
const MEMORY_BYTES: usize = OPENED_MAX * size_of::<Opened>() + TEXT_BYTES;

/// Memory for one copy: the target's stack may be small.
struct Memory(*mut u8);

impl Memory {
    fn new() -> Option<Memory> {
        let base = sys::map_private(MEMORY_BYTES);
        (!base.is_null()).then_some(Memory(base))
    }

    fn parts(&mut self) -> (&mut [Opened], &mut [u8]) {
        let opened = self.0.cast::<Opened>();
        // SAFETY: zeroed memory of our own, which is integers; the two parts do not overlap.
        unsafe {
            let text = opened.add(OPENED_MAX).cast::<u8>();
            (core::slice::from_raw_parts_mut(opened, OPENED_MAX), core::slice::from_raw_parts_mut(text, TEXT_BYTES))
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; the parts are gone.
        unsafe { sys::unmap(self.0, MEMORY_BYTES) };
    }
}

/// Makes a copy and waits for it. `None`: this is the copy.
fn make(request: &Screen<'_>, memory: &mut Memory) -> Result<Option<Screened>, Obstacle> {
    let header = request.hot.store.header().ok_or(Obstacle::Refused)?;
    let (opened, text) = memory.parts();
    if thread_count().ok_or(Obstacle::Refused)? != 1 {
        return Err(Obstacle::Threads);
    }
    if has_children() {
        return Err(Obstacle::Children);
    }
    if shares_memory(text).ok_or(Obstacle::Refused)? {
        return Err(Obstacle::Shared);
    }
    // What a copy leaves running could not be found otherwise.
    read(CHILDREN, text).ok_or(Obstacle::Refused)?;
    let count = opened::look(opened, text, request.outputs, &request.hot.announced.inherited)?;
    let opened = opened.get(..count).unwrap_or(&[]);
    let fresh = Fresh::of(opened)?;
    let leads_group = process_group() == sys::pid();
    let was_waiting = is_child_signal_pending();
    let was_reaper = task::adopts_orphans() && sys::pid() != 1;
    adopt_orphans(true);
    header.copies.fetch_add(1);
    let deadline_ns = sys::monotonic_ns().saturating_add(request.patience_ms.saturating_mul(1_000_000));
    let given = Given::to_twin(request.hot);
    let (copy, ended) = clone();
    drop(given);
    if copy == 0 {
        become_twin(leads_group, was_reaper);
        if !fresh.take_over(opened) {
            task::end();
        }
        return Ok(None);
    }
    drop(fresh);
    let screened = if copy > 0 { wait(copy, ended, deadline_ns) } else { Err(Obstacle::Refused) };
    end_what_is_left(text);
    if !was_waiting {
        forget_child_signal();
    }
    adopt_orphans(was_reaper);
    header.copies.fetch_sub(1);
    opened::put_back(opened);
    screened.map(Some)
}

/// Threads of the process; `None`: /proc does not say.
fn thread_count() -> Option<u64> {
    // A directory for each, beside the two links of the directory itself.
    file::status(c"/proc/self/task").and_then(|stat| stat.st_nlink.checked_sub(2))
}

/// Whether the process has children, ended ones included.
fn has_children() -> bool {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: nothing is written.
    let result = unsafe { sys::call6(libc::SYS_waitid, libc::P_ALL as usize, 0, 0, flags as usize, 0, 0) };
    result != -(libc::ECHILD as isize)
}

/// A list of the process's children by their numbers (proc(5)).
const CHILDREN: &CStr = c"/proc/thread-self/children";

/// Whether there is memory, not our own, that others see when it is written.
fn shares_memory(text: &mut [u8]) -> Option<bool> {
    let list = read(maps::OWN, text)?;
    let is_own = |row: &maps::Row<'_>| own::pieces(&[]).any(|piece| piece.start < row.end && row.start < piece.end);
    let mut rows = list.split(|&byte| byte == b'\n').filter_map(maps::row);
    Some(rows.any(|row| row.is_shared && row.is_writable && !is_own(&row)))
}

/// A whole file; `None`: it cannot be read, or is longer than the room.
fn read<'t>(path: &CStr, into: &'t mut [u8]) -> Option<&'t [u8]> {
    let fd = i32::try_from(sys::open(path, libc::O_RDONLY | libc::O_CLOEXEC, 0)).ok().filter(|&fd| fd >= 0)?;
    let mut length = 0;
    let is_whole = loop {
        let Some(rest @ [_, ..]) = into.get_mut(length..) else { break false };
        match sys::read(fd, rest) {
            0 => break true,
            bytes @ 1.. => length += bytes as usize,
            _ => break false,
        }
    };
    sys::close(fd);
    into.get(..length).filter(|_| is_whole)
}

fn process_group() -> u32 {
    // SAFETY: a number.
    unsafe { sys::call(libc::SYS_getpgid, 0, 0, 0, 0) as u32 }
}

/// Whether orphans of the process's descendants become its children.
fn adopt_orphans(on: bool) {
    // SAFETY: a number.
    unsafe { sys::call(libc::SYS_prctl, libc::PR_SET_CHILD_SUBREAPER as usize, usize::from(on), 0, 0) };
}

const CHILD_SIGNAL: u64 = 1 << (libc::SIGCHLD - 1);

fn is_child_signal_pending() -> bool {
    file::pending_signals() & CHILD_SIGNAL != 0
}

/// A copy that became another program, or orphans of it, have told of their end: it is nothing to the target.
fn forget_child_signal() {
    file::take_signal(CHILD_SIGNAL);
}

/// Copies the process, on the same stack: 0 in the copy; its id, or -errno, and a descriptor that tells of its end, or
/// a negative number.
fn clone() -> (isize, i32) {
    let mut ended = -1i32;
    // No exit signal: no handler of the target's hears of it. No word of the C library's is written.
    let flags = (libc::CLONE_PIDFD | libc::CLONE_UNTRACED) as usize;
    // SAFETY: as fork(2): the copy has its own copy of this stack. The kernel writes one int.
    let copy = unsafe { sys::call6(libc::SYS_clone, flags, 0, &raw mut ended as usize, 0, 0, 0) };
    (copy, ended)
}

/// In the copy: it ends with the process, and is to its group and to orphans what the process is.
fn become_twin(leads_group: bool, adopts: bool) {
    // SAFETY: numbers.
    unsafe {
        sys::call(libc::SYS_prctl, libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize, 0, 0);
        if leads_group {
            // A signal to the group is for the copy and its children, not for the process.
            sys::call(libc::SYS_setpgid, 0, 0, 0, 0);
        }
    }
    if adopts {
        adopt_orphans(true);
    }
}

/// Waits until the copy has ended; if its time comes first it is killed.
fn wait(copy: isize, ended: i32, deadline_ns: u64) -> Result<Screened, Obstacle> {
    let reap = |flags: i32| {
        let mut status = 0u32;
        let flags = (flags | libc::__WALL) as usize;
        // SAFETY: the kernel writes one int.
        let found = unsafe { sys::call(libc::SYS_wait4, copy as usize, &raw mut status as usize, flags, 0) };
        (found, status)
    };
    let screened = loop {
        match reap(libc::WNOHANG) {
            (0, _) => {}
            (found, status) if found == copy => break Ok(Screened::of_status(status)),
            // A target that ignores SIGCHLD is not told how a copy ended that became another program.
            _ => break Err(Obstacle::Refused),
        }
        if sys::monotonic_ns() >= deadline_ns {
            kill(copy);
            reap(0);
            break Ok(Screened::TimedOut);
        }
        if ended < 0 || !file::ready(ended, libc::POLLIN, deadline_ns) {
            // Linux before 5.3 has no descriptor to wait for.
            pause();
        }
    };
    if ended >= 0 {
        sys::close(ended);
    }
    screened
}

fn kill(task: isize) {
    // SAFETY: a child of ours that nobody has waited for.
    unsafe { sys::call(libc::SYS_kill, task as usize, libc::SIGKILL as usize, 0, 0) };
}

fn pause() {
    let pause = [0u64, 200_000];
    // SAFETY: a time of two words.
    unsafe { sys::call(libc::SYS_nanosleep, pause.as_ptr() as usize, 0, 0, 0) };
}

/// Rounds of what is left: each ends a generation at least.
const ROUNDS_MAX: usize = 1000;

/// Ends what a copy has started and left: the process had no children before, so all that it has now are these.
fn end_what_is_left(text: &mut [u8]) {
    for _ in 0..ROUNDS_MAX {
        if !has_children() {
            return;
        }
        let list = read(CHILDREN, text).unwrap_or(&[]);
        for child in list.split(|&byte| byte == b' ').filter_map(settings::number) {
            kill(child as isize);
            // SAFETY: no status is asked for.
            unsafe { sys::call(libc::SYS_wait4, child as usize, 0, libc::__WALL as usize, 0) };
        }
    }
}
