//! Descriptors and signals, by raw system calls.

use core::ffi::CStr;
use memtrace_wire::map::Record;
use memtrace_wire::sys;

/// A record of zeroes.
pub fn zeroed<T: Record>() -> T {
    // SAFETY: every bit pattern is a T (`Record`).
    unsafe { core::mem::zeroed() }
}

/// What a thread had of signals before they were all blocked.
pub struct Signals {
    mask: u64,
    pending: u64,
}

/// Signals that a write of ours can raise: nobody reads the pipe, and the file would be larger than the user's limit.
const OF_WRITES: [i32; 2] = [libc::SIGPIPE, libc::SIGXFSZ];

/// Blocks all signals.
pub fn block_signals() -> Signals {
    let mask = set_signals(u64::MAX);
    Signals { mask, pending: pending_signals() }
}

/// As before `block_signals`. What our own writes have raised meanwhile is not the target's, and must not end it.
pub fn restore_signals(before: Signals) {
    let ours = pending_signals() & !before.pending;
    for signal in OF_WRITES {
        let set = 1u64 << (signal - 1);
        if ours & set != 0 {
            take_signal(set);
        }
    }
    set_signals(before.mask);
}

/// No signal is blocked, in a process that becomes another program.
pub fn unblock_signals() {
    set_signals(0);
}

fn set_signals(mask: u64) -> u64 {
    let mut before = 0u64;
    let (new, old) = (&raw const mask as usize, &raw mut before as usize);
    // SAFETY: both masks are eight bytes.
    unsafe { sys::call(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK as usize, new, old, 8) };
    before
}

/// Takes a signal of a set away that waits to be delivered.
pub fn take_signal(set: u64) {
    let at_once = [0u64; 2];
    // SAFETY: the set is eight bytes, the time two words; no information is asked for.
    unsafe { sys::call(libc::SYS_rt_sigtimedwait, &raw const set as usize, 0, at_once.as_ptr() as usize, 8) };
}

/// Signals that are blocked, and wait to be delivered.
pub fn pending_signals() -> u64 {
    let mut pending = 0u64;
    // SAFETY: the kernel writes eight bytes.
    unsafe { sys::call(libc::SYS_rt_sigpending, &raw mut pending as usize, 8, 0, 0) };
    pending
}

/// Writes all of it; false if the file does not take it within the deadline (a pipe that nobody reads, a full disk).
pub fn write(fd: i32, text: &[u8], deadline_ns: u64) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        if !ready(fd, libc::POLLOUT, deadline_ns) {
            return false;
        }
        // SAFETY: the kernel reads from the slice only.
        let written =
            unsafe { sys::call(libc::SYS_write, fd as usize, rest.as_ptr() as usize, rest.len().min(4096), 0) };
        match written {
            1.. => rest = rest.get(written as usize..).unwrap_or(&[]),
            _ if written == -(libc::EINTR as isize) || written == -(libc::EAGAIN as isize) => {}
            _ => return false,
        }
    }
    true
}

/// Closes all descriptors of a copy of the process.
pub fn close_all() {
    // SAFETY: the copy's own.
    let closed = unsafe { sys::call(libc::SYS_close_range, 0, u32::MAX as usize, 0, 0) };
    if closed != 0 {
        // Before Linux 5.9: one after the other, as far as descriptors usually go.
        (0..4096).for_each(sys::close);
    }
}

/// Waits until a descriptor can be read or written, at most until the deadline.
pub fn ready(fd: i32, events: i16, deadline_ns: u64) -> bool {
    loop {
        let left = deadline_ns.saturating_sub(sys::monotonic_ns());
        if left == 0 {
            return false;
        }
        let mut poll = libc::pollfd { fd, events, revents: 0 };
        let time = [left / 1_000_000_000, left % 1_000_000_000];
        // SAFETY: one descriptor, one time; the mask is left alone.
        let count = unsafe { sys::call6(libc::SYS_ppoll, &raw mut poll as usize, 1, time.as_ptr() as usize, 0, 8, 0) };
        match count {
            1 => return true,
            _ if count == -(libc::EINTR as isize) => {}
            _ => return false,
        }
    }
}

/// Nothing is left in a file; false: it cannot be cut.
pub fn empty(fd: i32) -> bool {
    // SAFETY: numbers.
    unsafe { sys::call(libc::SYS_ftruncate, fd as usize, 0, 0, 0) == 0 }
}

/// Writes at a place of a file.
pub fn write_at(fd: i32, text: &[u8], offset: u64) -> bool {
    let (mut rest, mut at) = (text, offset);
    while !rest.is_empty() {
        // SAFETY: the kernel reads from the slice only.
        let written =
            unsafe { sys::call(libc::SYS_pwrite64, fd as usize, rest.as_ptr() as usize, rest.len(), at as usize) };
        match written {
            1.. => {
                rest = rest.get(written as usize..).unwrap_or(&[]);
                at += written as u64;
            }
            _ if written == -(libc::EINTR as isize) => {}
            _ => return false,
        }
    }
    true
}

/// Copies a file from its beginning; false if that does not work to the end.
pub fn copy(from: i32, to: i32) -> bool {
    let mut offset = 0u64;
    loop {
        const STEP: usize = 1 << 30;
        let place = &raw mut offset as usize;
        // SAFETY: the kernel reads and moves the offset.
        match unsafe { sys::call(libc::SYS_sendfile, to as usize, from as usize, place, STEP) } {
            0 => return true,
            1.. => {}
            error if error == -(libc::EINTR as isize) => {}
            _ => return false,
        }
    }
}

/// A new file with this name, readable by its owner only; `None` if there is something already.
pub fn create(path: &CStr) -> Option<i32> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    i32::try_from(sys::open(path, flags, 0o600)).ok().filter(|&fd| fd >= 0)
}

/// Owner, mode and kind of a path.
pub fn status(path: &CStr) -> Option<libc::stat> {
    let mut stat = core::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the path ends in a NUL, and the kernel writes one stat.
    let result = unsafe {
        sys::call(libc::SYS_newfstatat, libc::AT_FDCWD as usize, path.as_ptr() as usize, stat.as_mut_ptr() as usize, 0)
    };
    // SAFETY: zeroed at first, so every field is a valid integer.
    (result == 0).then(|| unsafe { stat.assume_init() })
}
