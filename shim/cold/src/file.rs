//! Descriptors and signals, by raw system calls.

use core::ffi::CStr;
use memtrace_wire::map::Record;
use memtrace_wire::sys;

/// A record of zeroes.
pub fn zeroed<T: Record>() -> T {
    // SAFETY: every bit pattern is a T (`Record`).
    unsafe { core::mem::zeroed() }
}

/// All signals blocked; the mask before.
pub fn block_signals() -> u64 {
    let (all, mut before) = (u64::MAX, 0u64);
    // SAFETY: both masks are eight bytes.
    unsafe {
        sys::call(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK as usize,
            &raw const all as usize,
            &raw mut before as usize,
            8,
        );
    }
    before
}

/// The mask that `block_signals` gave.
pub fn restore_signals(mask: u64) {
    // SAFETY: the mask is eight bytes.
    unsafe { sys::call(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK as usize, &raw const mask as usize, 0, 8) };
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
