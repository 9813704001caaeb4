//! MEMTRACE_CANARY and MEMTRACE_QUARANTINE: bytes that nobody should write to are filled, and looked at later.
//!
//! Only what malloc_usable_size(3) says of a block is touched: behind its end while it lives, all of it once it is
//! freed. A block of which the program itself asked for that size is left alone.

use core::ffi::c_void;
use memtrace_hot::quarantine::Kept;
use memtrace_hot::release::Release;
use memtrace_hot::thread::Body;
use memtrace_wire::heap::Kind;
use memtrace_wire::layout::LOADER_BLOCKS;
use memtrace_wire::loss::Loss;

use crate::inside::{self, HOT};
use crate::real;

/// What stands behind the end of a block.
const BEHIND: u8 = 0xcb;
/// What stands in a freed one.
const FREED: u8 = 0xdb;

/// Fills what is behind the end of a block that was just recorded.
pub fn fill(block: *mut c_void) {
    if HOT.errors.canary.get() == 0 || block.is_null() {
        return;
    }
    let Some(known) = HOT.peek(block as u64).filter(|known| !is_loaders(known.site)) else { return };
    let usable = real::malloc_usable_size(block);
    let bytes = known.bytes as usize;
    if usable > bytes {
        // SAFETY: the C library says that so many bytes are the block's.
        unsafe { core::ptr::write_bytes(block.cast::<u8>().add(bytes), BEHIND, usable - bytes) };
    }
}

fn is_loaders(site: u32) -> bool {
    HOT.sites.get(site.into()).is_none_or(|site| site.flags.get() & LOADER_BLOCKS != 0)
}

/// The program asks how many bytes a block has, and may use them from here on.
pub fn asked(block: *mut c_void) {
    if HOT.errors.canary.get() != 0 && !block.is_null() && !HOT.quarantine.ask(block as u64) {
        HOT.errors.canary.set(0);
        HOT.store.lose(Loss::CanaryGivenUp);
    }
}

/// Looks at what is behind the end of a block that is about to be given back.
pub fn look(release: &Release, block: *mut c_void) {
    let is_off = HOT.errors.canary.get() == 0 || HOT.errors.has_strangers();
    if is_off || block.is_null() || HOT.quarantine.forget_asked(block as u64) {
        return;
    }
    let Some(known) = HOT.peek(block as u64).filter(|known| !is_loaders(known.site)) else { return };
    let usable = real::malloc_usable_size(block) as u64;
    if let Some((first, count)) = differing(block as u64 + known.bytes, block as u64 + usable, BEHIND)
        && let Some(inside) = inside::enter(release.entry)
    {
        HOT.write_error(inside.body, Some(release), Kind::WritePastEnd, (first, count), known.into());
    }
}

/// The first byte of a stretch that is not what it was filled with, and how many there are.
fn differing(from: u64, to: u64, fill: u8) -> Option<(u64, u64)> {
    // SAFETY: bytes of a block that the C library still counts as the caller's.
    let bytes = unsafe { core::slice::from_raw_parts(from as *const u8, to.saturating_sub(from) as usize) };
    let place = bytes.iter().position(|&byte| byte != fill)?;
    Some((from + place as u64, bytes.iter().filter(|&&byte| byte != fill).count() as u64))
}

/// Keeps a block back that was just taken out of the tables. False: it is to be freed.
pub fn keep(body: &mut Body, release: &Release, block: memtrace_hot::live::Block) -> bool {
    if HOT.quarantine.bytes_max.get() == 0 || is_loaders(block.site) {
        return false;
    }
    let usable = real::malloc_usable_size(block.address as *mut c_void) as u64;
    let node = HOT.node_of(body, release.entry);
    // SAFETY: the program has given these bytes back, and the C library does not know yet.
    unsafe { core::ptr::write_bytes(block.address as *mut u8, FREED, usable as usize) };
    HOT.quarantine.keep(Kept { address: block.address, usable, bytes: block.bytes, site: block.site, node })
}

/// Frees blocks that have been kept long enough.
pub fn push_out() {
    while let Some(kept) = HOT.quarantine.pushed_out() {
        check(&kept);
        real::free(kept.address as *mut c_void);
    }
}

/// A block that is kept is freed a second time: the first free comes now.
pub fn let_go(address: u64) {
    if HOT.quarantine.bytes_max.get() != 0
        && let Some(kept) = HOT.quarantine.take(address)
    {
        check(&kept);
        real::free(address as *mut c_void);
    }
}

/// Looks at all blocks that are still kept; the process ends.
pub fn finish() {
    if HOT.quarantine.bytes_max.get() == 0 {
        return;
    }
    while let Some(kept) = HOT.quarantine.take_any() {
        check(&kept);
    }
}

fn check(kept: &Kept) {
    if let Some((first, count)) = differing(kept.address, kept.address + kept.usable, FREED) {
        HOT.write_after_free(kept, (first, count));
    }
}
