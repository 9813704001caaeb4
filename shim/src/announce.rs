//! What the target says about its own memory: functions of memtrace's own, and those of LeakSanitizer that programs
//! already call (sanitizer/lsan_interface.h).

use core::ffi::{CStr, c_char, c_int, c_void};
use memtrace_hot::unwind::elf;
use memtrace_hot::unwind::object::link_maps;
use memtrace_wire::layout::{Cause, ProcessHeader};
use memtrace_wire::sys;

use crate::inside::{self, HOT, is_active};
use crate::{end, real};

/// The memory is a root from here on: what it points to is not lost.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_root(start: *const c_void, bytes: usize) {
    if is_active() {
        HOT.announced.add_root(start as u64, bytes as u64);
    }
}

/// The memory no longer is a root; the arguments are those of `memtrace_root`.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_unroot(start: *const c_void, bytes: usize) {
    HOT.announced.remove_root(start as u64, bytes as u64);
}

/// Checks now, while the program runs. The number of blocks that are definitely or possibly lost or held by such
/// ones; -1: nothing could be classified.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_check_leaks() -> i64 {
    if !is_active() {
        return -1;
    }
    end::check_now(Cause::Program).map_or(-1, |lost_blocks| lost_blocks as i64)
}

/// As `memtrace_root`.
#[unsafe(no_mangle)]
pub extern "C" fn __lsan_register_root_region(start: *const c_void, bytes: usize) {
    memtrace_root(start, bytes);
}

/// As `memtrace_unroot`.
#[unsafe(no_mangle)]
pub extern "C" fn __lsan_unregister_root_region(start: *const c_void, bytes: usize) {
    memtrace_unroot(start, bytes);
}

/// The block is no leak, and what it holds is none.
#[unsafe(no_mangle)]
pub extern "C" fn __lsan_ignore_object(block: *const c_void) {
    if is_active() {
        HOT.ignore(block as u64);
    }
}

/// What this thread allocates until `__lsan_enable` is no leak.
#[unsafe(no_mangle)]
pub extern "C" fn __lsan_disable() {
    ignore_all(true);
}

/// See `__lsan_disable`; the two nest.
#[unsafe(no_mangle)]
pub extern "C" fn __lsan_enable() {
    ignore_all(false);
}

fn ignore_all(on: bool) {
    let here = &raw const on as u64;
    if is_active()
        && let Some(inside) = inside::thread().and_then(|thread| thread.enter(&HOT, here))
    {
        HOT.ignore_all(inside, on);
    }
}

/// As `__lsan_disable`.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_ignore_begin() {
    ignore_all(true);
}

/// As `__lsan_enable`.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_ignore_end() {
    ignore_all(false);
}

/// Checks now; the report is that of the end. LeakSanitizer would end the process when it found leaks, and leave out
/// the check at the end; here the end decides (MEMTRACE_EXITCODE).
#[unsafe(no_mangle)]
pub extern "C" fn __lsan_do_leak_check() {
    memtrace_check_leaks();
}

/// Checks now; 1: there are leaks.
#[unsafe(no_mangle)]
pub extern "C" fn __lsan_do_recoverable_leak_check() -> c_int {
    c_int::from(memtrace_check_leaks() > 0)
}

/// Asks the program for suppressions of its own, as LeakSanitizer does, and keeps them in the recording.
pub fn ask_for_suppressions(process: &ProcessHeader) {
    if process.suppressions.bytes.get() != 0 {
        return;
    }
    let found = link_maps().find_map(|map| elf::function(map, c"__lsan_default_suppressions"));
    let Some(address) = found else { return };
    // SAFETY: a function of this name has this type (sanitizer/lsan_interface.h).
    let call: extern "C" fn() -> *const c_char = unsafe { core::mem::transmute(address) };
    let text = call();
    if !text.is_null() {
        // SAFETY: it gives a C string that stays.
        HOT.keep_text(unsafe { CStr::from_ptr(text) }.to_bytes(), &process.suppressions);
    }
}

/// Memory that fork children do not get is missing in a copy of the process too.
pub extern "C" fn note_madvise(_: usize, _: usize, advice: c_int) -> usize {
    if [libc::MADV_DONTFORK, libc::MADV_WIPEONFORK].contains(&advice) {
        HOT.announced.unforked.set(1);
    }
    real::MADVISE.get()
}

/// Signal stacks are roots, and the kernel alone knows where they are: see sigaltstack(2).
pub extern "C" fn note_sigaltstack(new: *const libc::stack_t) -> usize {
    // SAFETY: null, or what the caller gives the kernel to read; shown to be readable first.
    if !new.is_null() && sys::is_readable(new as usize) && is_active() {
        // SAFETY: as above.
        let new = unsafe { &*new };
        let start = if new.ss_flags & libc::SS_DISABLE == 0 { new.ss_sp as u64 } else { 0 };
        HOT.announced.signal_stack(sys::tid(), start, u32::try_from(new.ss_size).unwrap_or(u32::MAX));
    }
    real::SIGALTSTACK.get()
}
