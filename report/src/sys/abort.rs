//! What an abort of memtrace itself looks like: a line and a status that are documented.
//!
//! Rust's allocator aborts where it gets no memory, and a launcher that dies by SIGABRT looks as if its target had.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;

use crate::error::FAILED;

const SAID: &[u8] = b"memtrace: failed: it was aborted, as where no memory is left\n";

/// From now on an abort exits with the status of a failure. Where SIGABRT is ignored it stays so: a target finds
/// signals as memtrace found them, and what has a handler is as usual behind exec.
pub fn tell() {
    let mut found = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: room for what was set, which is plain and zeroed; a handler that makes two system calls.
    unsafe {
        libc::sigaction(libc::SIGABRT, std::ptr::null(), found.as_mut_ptr());
        if found.assume_init().sa_sigaction == libc::SIG_DFL {
            libc::signal(libc::SIGABRT, exit as extern "C" fn(c_int) as libc::sighandler_t);
        }
    }
}

extern "C" fn exit(_: c_int) {
    // SAFETY: bytes of ours, and both may be called where anything was interrupted.
    unsafe {
        libc::write(2, SAID.as_ptr().cast::<c_void>(), SAID.len());
        libc::_exit(FAILED.into());
    }
}
