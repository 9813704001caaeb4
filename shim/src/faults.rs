//! What a program says about failures: armed by itself, paused, benign, and markers. `include/memtrace.h` declares it.

use core::ffi::{CStr, c_char, c_int, c_uint};
use memtrace_hot::choice::{MODULES_BYTES_MAX, Terms};
use memtrace_hot::fault::Own;
use memtrace_wire::sys;

use crate::inside::{self, HOT, is_active};

/// Whether the process records; a fork child has begun anew then.
fn is_ready() -> bool {
    is_active() && inside::thread().is_some()
}

/// `after` allocations in scope succeed from now on, and the next `count` fail; 0: all.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_fault_arm(after: u64, count: u64) {
    if is_ready() {
        HOT.ask(Terms { after, count, thread: 0, by_stack: false, only_recorded: false });
    }
}

/// Only the calling thread's allocations are meant.
const THIS_THREAD: c_uint = 1;
/// Of each stack the first allocation alone counts.
const EACH_STACK: c_uint = 2;
/// What fails is recorded, and made all the same.
const ONLY_RECORD: c_uint = 4;

/// As `memtrace_fault_arm`, of stacks with code of one of these modules (null: all), and of those that `flags` leave.
/// 1: it is armed.
///
/// # Safety
/// `modules` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtrace_fault_arm_for(
    after: u64,
    count: u64,
    modules: *const c_char,
    flags: c_uint,
) -> c_int {
    if !is_ready() {
        return 0;
    }
    let thread = if flags & THIS_THREAD != 0 { sys::tid() } else { 0 };
    let (by_stack, only_recorded) = (flags & EACH_STACK != 0, flags & ONLY_RECORD != 0);
    let terms = Terms { after, count, thread, by_stack, only_recorded };
    if modules.is_null() {
        HOT.ask(terms);
        return 1;
    }
    // SAFETY: by this function's contract.
    let modules = unsafe { CStr::from_ptr(modules) }.to_bytes();
    let here = &raw const thread as u64;
    let inside = inside::thread().and_then(|thread| thread.enter(&HOT, here));
    match inside.filter(|_| modules.len() <= MODULES_BYTES_MAX) {
        Some(inside) => HOT.ask_for(&inside, terms, modules),
        None => return 0,
    }
    1
}

/// Nothing fails by `memtrace_fault_arm` any more.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_fault_disarm() {
    if is_ready() {
        HOT.ask_no_more();
    }
}

/// Allocations that have failed by `memtrace_fault_arm` since it was called last.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_fault_fired() -> u64 {
    HOT.fault.choice.asked.fired.get()
}

/// Allocations in scope while it was armed.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_fault_seen() -> u64 {
    HOT.fault.choice.asked.seen.get()
}

/// This thread's allocations neither count nor fail until `memtrace_fault_resume`; the two nest.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_fault_pause() {
    change(|own| own.paused = own.paused.saturating_add(1));
}

/// See `memtrace_fault_pause`.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_fault_resume() {
    change(|own| own.paused = own.paused.saturating_sub(1));
}

/// This thread's failures are recorded as benign until `memtrace_fault_benign_end`; the two nest.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_fault_benign_begin() {
    change(|own| own.benign = own.benign.saturating_add(1));
}

/// See `memtrace_fault_benign_begin`.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_fault_benign_end() {
    change(|own| own.benign = own.benign.saturating_sub(1));
}

fn change(how: impl FnOnce(&mut Own)) {
    let here = &raw const how as u64;
    if is_active()
        && let Some(inside) = inside::thread().and_then(|thread| thread.enter(&HOT, here))
    {
        how(&mut inside.body.fault);
    }
}

/// A place in the program's run: a scope may begin or end with it.
///
/// # Safety
/// `name` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtrace_marker(name: *const c_char) {
    if !name.is_null() && is_ready() {
        // SAFETY: by this function's contract.
        let name = unsafe { CStr::from_ptr(name) };
        let here = &raw const name as u64;
        if let Some(inside) = inside::thread().and_then(|thread| thread.enter(&HOT, here)) {
            HOT.mark_time(inside.body, name.to_bytes());
        }
        HOT.fault.gate.marker(&HOT.fault.plan().scope, name.to_bytes());
    }
}

/// Digits of a point's name.
const DIGITS: usize = 16;

/// The name of the point that failed last, as 16 hexadecimal digits and a NUL: 16; or 0, and an empty text.
///
/// # Safety
/// `buffer` has room for `bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtrace_fault_last(buffer: *mut c_char, bytes: usize) -> usize {
    if buffer.is_null() || bytes == 0 {
        return 0;
    }
    let name = HOT.fault.last.get();
    let length = if name == 0 || bytes <= DIGITS { 0 } else { DIGITS };
    for place in 0..length {
        let digit = (name >> ((DIGITS - 1 - place) * 4) & 15) as u8;
        let digit = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        // SAFETY: `place` is below `bytes`, by this function's contract.
        unsafe { buffer.add(place).write(digit as c_char) };
    }
    // SAFETY: `length` is below `bytes`.
    unsafe { buffer.add(length).write(0) };
    length
}
