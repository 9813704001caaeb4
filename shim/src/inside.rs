//! Two of the three shapes of a hook: allocate and reallocate; for release see `frees`. All exported functions are one
//! of them.
//!
//! The order is the law: an allocation is recorded after the real call, a free before it; a realloc takes the
//! record out, calls, and puts a record back.

use core::ffi::c_void;
use memtrace_hot::Hot;
use memtrace_hot::fault::{Call, Strike};
use memtrace_hot::mode::{ACTIVE, CAREFUL, SAMPLING};
use memtrace_hot::release::{ANY, Release, Struck};
use memtrace_hot::source::{Announced, Source};
use memtrace_hot::thread::{Inside, Thread};
use memtrace_hot::unwind::Entry;
use memtrace_wire::heap::Releaser;
use memtrace_wire::layout::Op;
use memtrace_wire::loss::Loss;
use memtrace_wire::plan::Action;
use memtrace_wire::sys;

use crate::frees::release;
use crate::{guard, real, screen, start, struck, tls};

/// The tables.
pub static HOT: Hot = Hot::new();

/// Whether hooks record; starts memtrace at the first call.
#[inline(always)]
pub fn is_active() -> bool {
    matches!(HOT.mode.acquire(), ACTIVE | SAMPLING | CAREFUL) || start::once()
}

/// The thread's state, registered at its first call.
#[inline(always)]
pub fn thread() -> Option<&'static Thread> {
    // SAFETY: null, or a state that `register` gave, which is never unmapped.
    match unsafe { tls::get().as_ref() } {
        Some(thread) if thread.is_ready() => Some(thread),
        _ => start::thread(),
    }
}

/// What an allocation function does: `call` is the real one, `bytes` what was asked for.
#[inline(always)]
pub fn allocate(entry: Entry, op: Op, bytes: usize, call: impl FnOnce() -> *mut c_void) -> *mut c_void {
    if HOT.mode.acquire() != ACTIVE {
        return allocate_slowly(entry, op, bytes, call);
    }
    let block = call();
    record(entry, op, bytes, block, None);
    block
}

/// Whether an allocation is no sample, which is then all that is to be done.
#[inline(always)]
pub fn passes(bytes: usize) -> bool {
    // SAFETY: null, or a state that `register` gave, which is never unmapped.
    HOT.mode.get() == SAMPLING && unsafe { tls::get().as_ref() }.is_some_and(|thread| thread.passes(bytes as u64))
}

/// Whether a block is surely none that was sampled.
#[inline(always)]
pub fn is_no_sample(block: *mut c_void) -> bool {
    HOT.mode.get() == SAMPLING && !HOT.sample.may_hold(block as u64)
}

#[cold]
#[inline(never)]
fn allocate_slowly(entry: Entry, op: Op, bytes: usize, call: impl FnOnce() -> *mut c_void) -> *mut c_void {
    if passes(bytes) || !is_active() {
        return call();
    }
    if HOT.fault.armed.get() != 0 && fails(Call { entry, op, bytes: bytes as u64, old: 0 }) {
        return core::ptr::null_mut();
    }
    let block = call();
    record_slowly(entry, op, bytes, block, None);
    if HOT.errors.careful.get() != 0 {
        made_carefully(entry, op, bytes, block, core::ptr::null_mut());
    }
    block
}

/// What realloc and reallocarray do. `bytes`: `None` if the product overflows, and then the real one fails.
#[inline(always)]
pub fn reallocate(
    entry: Entry,
    op: Op,
    old: *mut c_void,
    bytes: Option<usize>,
    call: impl FnOnce() -> *mut c_void,
) -> *mut c_void {
    match old.is_null() {
        true => allocate(entry, op, bytes.unwrap_or(usize::MAX), call),
        false => move_block(entry, op, old, bytes, call, record),
    }
}

/// What a realloc of a block does. `record` tells hot about the block that it gave.
#[inline(always)]
fn move_block(
    entry: Entry,
    op: Op,
    old: *mut c_void,
    bytes: Option<usize>,
    call: impl FnOnce() -> *mut c_void,
    record: impl FnOnce(Entry, Op, usize, *mut c_void, Option<u64>),
) -> *mut c_void {
    let asked = bytes.unwrap_or(usize::MAX);
    if !is_active() {
        return call();
    }
    if asked != 0 && HOT.fault.armed.get() != 0 && fails(Call { entry, op, bytes: asked as u64, old: old as u64 }) {
        return core::ptr::null_mut();
    }
    if HOT.errors.careful.get() != 0 {
        guard::look(&Release { entry, by: Releaser::REALLOC, given: ANY }, old);
    }
    let by = if op == Op::Reallocarray { Releaser::REALLOCARRAY } else { Releaser::REALLOC };
    let released = release(Release { entry, by, given: ANY }, old);
    if HOT.errors.careful.get() != 0 {
        struck::stop_if_wanted();
    }
    let (taken, block) = match released {
        Ok(taken) => (taken, call()),
        Err(Struck) => (None, struck::call(call)),
    };
    if block.is_null() {
        // realloc(p, 0) of glibc frees p and gives NULL; any other NULL leaves p as it was.
        if asked == 0 && HOT.errors.careful.get() != 0 {
            made_carefully(entry, op, asked, block, old);
        }
        if let (Some(taken), true) = (taken, asked != 0) {
            match thread().and_then(|thread| thread.enter(&HOT, entry.sp)) {
                Some(inside) => HOT.put_back(inside, taken),
                None => HOT.allocated_blindly(taken.block.address, taken.block.bytes, Loss::Nested),
            }
            failed(entry);
        }
        return block;
    }
    record(entry, op, asked, block, taken.map(|taken| taken.block.address));
    if HOT.errors.careful.get() != 0 {
        made_carefully(entry, op, asked, block, old);
    }
    block
}

/// What is to be done with a block that is there and recorded, where frees are looked at; `old`: realloc had this one.
#[cold]
fn made_carefully(entry: Entry, op: Op, bytes: usize, block: *mut c_void, old: *mut c_void) {
    // An operator new asks malloc for a byte at least.
    let bytes = HOT.peek(block as u64).map_or(bytes as u64, |known| known.bytes);
    if bytes == 0
        && HOT.errors.zero_size.get() != 0
        && let Some(inside) = enter(entry)
    {
        HOT.note_zero(inside.body, entry, op, old as u64);
    }
    guard::fill(block);
}

/// As `allocate`, or `reallocate` of a block that is not null, where the program says what it is for.
pub fn allocate_for(
    source: &Source<'_>,
    entry: Entry,
    op: Op,
    old: *mut c_void,
    bytes: usize,
    call: impl FnOnce() -> *mut c_void,
) -> *mut c_void {
    if !is_active() {
        return call();
    }
    if let Some(inside) = enter(entry) {
        HOT.announce(inside.body, entry, source);
    }
    let block = match old.is_null() {
        true => allocate_slowly(entry, op, bytes, call),
        false => move_block(entry, op, old, Some(bytes), call, record_slowly),
    };
    if let Some(inside) = enter(entry) {
        inside.body.source = Announced::NONE;
    }
    block
}

/// Tells hot about an allocation that the real function has made.
#[inline(always)]
pub fn record(entry: Entry, op: Op, bytes: usize, block: *mut c_void, moved: Option<u64>) {
    if !block.is_null()
        && HOT.mode.get() == ACTIVE
        && let Some(inside) = enter_idle(entry)
    {
        #[cfg(feature = "self-check")]
        look_for_libgcc();
        return HOT.allocated(inside, entry, block as u64, bytes as u64, op, moved);
    }
    record_slowly(entry, op, bytes, block, moved);
}

#[cold]
#[inline(never)]
fn record_slowly(entry: Entry, op: Op, bytes: usize, block: *mut c_void, moved: Option<u64>) {
    if block.is_null() {
        return failed(entry);
    }
    match thread() {
        // The tables may be half made.
        None if tls::is_busy() => HOT.store.lose(Loss::BlockDropped),
        None => HOT.allocated_blindly(block as u64, bytes as u64, Loss::ThreadDropped),
        Some(thread) => match thread.enter(&HOT, entry.sp) {
            Some(inside) if HOT.mode.get() != ACTIVE || inside.body.source != Announced::NONE => {
                HOT.allocated_carefully(inside, entry, block as u64, bytes as u64, op, moved)
            }
            Some(inside) => HOT.allocated(inside, entry, block as u64, bytes as u64, op, moved),
            None => HOT.allocated_blindly(block as u64, bytes as u64, Loss::Nested),
        },
    }
}

/// The self-check build looks for libgcc until some module brings it.
#[cfg(feature = "self-check")]
fn look_for_libgcc() {
    if !HOT.witness.is_set()
        && let (Some((backtrace, _)), Some((address_of, _))) =
            (real::next(c"_Unwind_Backtrace"), real::next(c"_Unwind_GetIP"))
    {
        HOT.witness.set(backtrace, address_of);
    }
}

/// Into the tables, if nothing is in the way: the thread has a state, and is not there already.
#[inline(always)]
pub fn enter_idle(entry: Entry) -> Option<Inside<'static>> {
    // SAFETY: null, or a state that `register` gave, which is never unmapped.
    unsafe { tls::get().as_ref() }?.enter_idle(entry.sp)
}

/// Into the tables, if this thread has a state and is not there already.
#[inline(always)]
pub fn enter(entry: Entry) -> Option<Inside<'static>> {
    thread()?.enter(&HOT, entry.sp)
}

#[cold]
fn failed(entry: Entry) {
    if let Some(inside) = enter(entry) {
        inside.body.record.failed.add(1);
        // The operator new above will call its handler or throw: what comes next is another allocation.
        inside.body.pending = None;
    }
}

/// Whether MALLOC_FAIL_* fails this allocation; if so it is recorded already, and all is done but giving NULL.
#[cold]
fn fails(call: Call) -> bool {
    let fails = strikes(call);
    if fails {
        real::set_errno(libc::ENOMEM);
    }
    fails
}

/// Whether MALLOC_FAIL_* fails this call; if so it is recorded already.
pub fn strikes(call: Call) -> bool {
    if HOT.objects.is_loader(call.entry.caller()) {
        return false;
    }
    // A thread's first call comes here before it has a state, and a fork child's before it knows that nothing fails.
    let inside = enter(call.entry);
    if HOT.fault.armed.get() == 0 {
        return false;
    }
    match HOT.strikes(inside, call) {
        Strike::No => return false,
        Strike::InCopy(point) => return screen::is_copy(point),
        Strike::Fails => {}
    }
    let (pid, tid) = (sys::pid() as usize, sys::tid() as usize);
    let send = |signal: i32| {
        // SAFETY: a signal to this thread, which whoever set MALLOC_FAIL_ACTION expects.
        unsafe { sys::call(libc::SYS_tgkill, pid, tid, signal as usize, 0) };
    };
    match HOT.fault.plan().action {
        Action::Null => {}
        Action::Trap => send(libc::SIGTRAP),
        Action::Stop => send(libc::SIGSTOP),
        Action::Abort => send(libc::SIGABRT),
    }
    true
}
