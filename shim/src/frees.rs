//! The third shape of a hook: release, which free and the operators delete are.

use core::ffi::c_void;
use memtrace_hot::live::Block;
use memtrace_hot::mode::ACTIVE;
use memtrace_hot::record::Taken;
use memtrace_hot::release::{Freed, Release, Struck, TakenOut};
use memtrace_hot::thread::Inside;
use memtrace_hot::unwind::Entry;
use memtrace_wire::heap::Releaser;

use crate::inside::{HOT, enter, enter_idle, is_active, is_no_sample};
use crate::{guard, real, struck, tls};

/// What comes after the look at a block that is given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The real function.
    Free,
    /// The same; but it is a heap error, and the C library may end the process for it.
    Struck,
    /// Nothing: the block is kept back.
    Keep,
}

/// What the hook of free does, the real one included. Each way ends in a call, so that hardly a register has to be saved.
#[inline(always)]
pub fn free(entry: Entry, old: *mut c_void) {
    if old.is_null() || HOT.mode.acquire() != ACTIVE {
        return free_otherwise(entry, old);
    }
    let Some(inside) = enter_idle(entry) else { return free_otherwise(entry, old) };
    inside.keep(entry.bp);
    match HOT.freed(inside.body, old as u64) {
        Freed::Whole => {
            drop(inside);
            real::free_if_known(old, free_by_name);
        }
        Freed::Due => free_and_hand_over(inside, old),
        Freed::Other(taken) => free_of(inside, old, taken),
        Freed::Unknown => free_unknown(inside, old),
    }
}

#[cold]
#[inline(never)]
fn free_by_name(old: *mut c_void) {
    real::free(old);
}

#[cold]
#[inline(never)]
fn free_otherwise(entry: Entry, old: *mut c_void) {
    end(free_slowly(Release::free(entry), old), || real::free(old));
}

#[cold]
#[inline(never)]
fn free_and_hand_over(inside: Inside<'_>, old: *mut c_void) {
    HOT.hand_over(inside.body);
    drop(inside);
    real::free(old);
}

#[inline(never)]
fn free_of(inside: Inside<'_>, old: *mut c_void, taken: TakenOut) {
    HOT.freed_of(inside, old as u64, taken);
    real::free(old);
}

#[cold]
#[inline(never)]
fn free_unknown(inside: Inside<'_>, old: *mut c_void) {
    let entry = inside.entry();
    let next = match HOT.released_by_free(inside, entry, old as u64) {
        Ok(_) => Next::Free,
        Err(Struck) => Next::Struck,
    };
    end(next, || real::free(old));
}

/// Does what comes after the look.
pub fn end(next: Next, free: impl FnOnce()) {
    match next {
        Next::Free => free(),
        Next::Struck => struck::call(free),
        Next::Keep => {}
    }
}

/// The same where it is not the hook of free itself, or where there is more to do.
#[cold]
#[inline(never)]
pub fn free_slowly(release: Release, old: *mut c_void) -> Next {
    if old.is_null() {
        return Next::Free;
    }
    guard::look(&release, old);
    let released = release_slowly(release, old);
    struck::stop_if_wanted();
    match released {
        Err(Struck) => {
            guard::let_go(old as u64);
            Next::Struck
        }
        Ok(Some(taken)) if keeps(&release, taken.block) => Next::Keep,
        Ok(_) => Next::Free,
    }
}

/// Whether a block that was taken out is kept back; others may leave for it.
fn keeps(release: &Release, block: Block) -> bool {
    let is_kept = HOT.quarantine.bytes_max.get() != 0
        && enter(release.entry).is_some_and(|inside| guard::keep(inside.body, release, block));
    if is_kept {
        guard::push_out();
    }
    is_kept
}

/// What a realloc does before the real one: what it took out of the tables, if it was there.
#[inline(always)]
pub fn release(release: Release, old: *mut c_void) -> Result<Option<Taken>, Struck> {
    if HOT.mode.acquire() == ACTIVE
        && let Some(inside) = enter_idle(release.entry)
    {
        return HOT.released(inside, release, old as u64);
    }
    release_slowly(release, old)
}

#[cold]
#[inline(never)]
fn release_slowly(release: Release, old: *mut c_void) -> Result<Option<Taken>, Struck> {
    if !is_active() {
        return Ok(None);
    }
    match enter(release.entry) {
        Some(inside) if release.by == Releaser::FREE => HOT.released_by_free(inside, release.entry, old as u64),
        Some(inside) => HOT.released(inside, release, old as u64),
        None if tls::is_busy() => Ok(None),
        None => Ok(HOT.released_blindly(old as u64)),
    }
}

/// What an operator delete does before the real one: as `release`, and the free that follows is not a second one.
#[inline(always)]
pub fn delete(release: Release, old: *mut c_void, number: u32) -> Next {
    if HOT.mode.acquire() == ACTIVE
        && let Some(inside) = enter_idle(release.entry)
    {
        HOT.deleted(inside, release, old as u64, number);
        Next::Free
    } else if !is_no_sample(old) {
        delete_slowly(release, old, number)
    } else {
        Next::Free
    }
}

#[cold]
#[inline(never)]
fn delete_slowly(release: Release, old: *mut c_void, number: u32) -> Next {
    if !is_active() {
        return Next::Free;
    }
    guard::look(&release, old);
    match enter(release.entry) {
        Some(inside) => {
            let deleted = HOT.deleted(inside, release, old as u64, number);
            struck::stop_if_wanted();
            match deleted {
                Some(block) if keeps(&release, block) => return Next::Keep,
                Some(_) => {}
                None => guard::let_go(old as u64),
            }
        }
        None if tls::is_busy() => {}
        None => _ = HOT.released_blindly(old as u64),
    }
    Next::Free
}
