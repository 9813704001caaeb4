//! Whole stacks, exactly, at the price of the frames that changed.
//!
//! ```text
//!   return address ──cache──▶ rule ──walk──▶ (pc, sp, bp) of the caller … until a frame that the thread's
//!        │ miss                                last stack had too, with every word below it unchanged
//!        ▼                                         │
//!   object (which module) ─▶ cfi (.eh_frame) ─▶ rule      trie: node of the kept frame + one step a new frame
//!                                 │ no short rule
//!                                 ▼
//!                              slow: all registers, from our own frame outwards
//! ```
//!
//! Everything read from a stack lies in a range that was shown to be readable (`stack`).

pub mod cfi;
pub mod chain;
pub mod cursor;
pub mod elf;
pub mod entries;
pub mod memo;
pub mod object;
pub mod paths;
pub mod rule;
pub mod rules;
pub mod slow;
pub mod stack;
pub mod steps;
pub mod stopped;
pub mod trampoline;
pub mod walk;

/// Where a hook was entered: the caller's return address is at `[sp]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Stack pointer at the first instruction of the hook.
    pub sp: u64,
    /// rbp there.
    pub bp: u64,
}

impl Entry {
    /// The return address.
    pub fn caller(self) -> u64 {
        // SAFETY: an entry is made by a hook, of its own stack pointer.
        unsafe { word(self.sp) }
    }
}

/// Frames of one stack that are kept; the outermost beyond are cut. Real programs stay under 400; a full walk of
/// this many takes about 10 µs, and the kept state of a thread about 120 KiB of address space.
pub const FRAMES_MAX: usize = 1024;

/// The word at an address that the caller has shown to be readable.
///
/// # Safety
/// Eight bytes at `address` are readable.
#[inline(always)]
unsafe fn word(address: u64) -> u64 {
    // SAFETY: by this function's contract; the stack of a running thread may be changed by that thread alone.
    unsafe { (address as *const u64).read_unaligned() }
}

/// A word of memory that nothing is known about, if it can be read.
pub(crate) fn readable_word(address: u64) -> Option<u64> {
    if address & 7 != 0 || !memtrace_wire::sys::is_readable(address as usize) {
        return None;
    }
    // SAFETY: shown to be readable; 8 aligned bytes lie on one page.
    Some(unsafe { word(address) })
}
