//! Where glibc has put the stacks of its threads, of those that are gone too: it keeps them for the next ones.
//!
//! ```text
//!   stackblock                               struct pthread = thread pointer
//!   ┌───────┬──────────────────────────┬──────┬─────────────────┐
//!   │ guard │  stack ◀── grows         │ TLS  │ self … tid …    │
//!   └───────┴──────────────────────────┴──────┴─────────────────┘
//! ```
//!
//! Fields of the structure stand elsewhere in each version; they are known by what must be in them.

use super::mark::Piece;
use super::memory::Memory;
use crate::threads::{Seen, Threads};

/// Fields that are looked for stand here, counted from the thread pointer.
const FIELDS: (u64, u64) = (0x200, 0xb00);
/// The structure ends within this.
const ABOVE_MAX: u64 = 0x4000;
const PAGE: u64 = 4096;
/// Guards are rarely larger.
const GUARD_MAX: u64 = 1 << 20;
/// The structure is aligned to this.
const ALIGNMENT: u64 = 64;

/// A thread's stack: that of the process for its first thread, else the one that glibc knows it by; (0, 0): not known.
/// The first thread of a fork child may run on the stack of the thread that forked.
pub fn of_thread(memory: &impl Memory, thread: &Seen, first: (u64, u64)) -> (u64, u64) {
    let is_first = thread.is_main && (thread.sp == 0 || (first.0..first.1).contains(&thread.sp));
    let made = if thread.tls == 0 || is_first { None } else { at(memory, thread.tls, thread.sp) };
    made.unwrap_or(if thread.is_main { first } else { (0, 0) })
}

/// The stack that belongs to a thread pointer: `stackblock` and `stackblock_size` are two words, an address of a page
/// and a length in pages, that together end just above the structure itself.
pub fn at(memory: &impl Memory, tls: u64, sp: u64) -> Option<(u64, u64)> {
    let mut before = 0u64;
    let mut found = None;
    memory.words(tls + FIELDS.0, tls + FIELDS.1, |_, word| {
        let (low, bytes) = (before, word);
        before = word;
        let high = low.wrapping_add(bytes);
        let fits = low != 0
            && low.is_multiple_of(PAGE)
            && bytes.is_multiple_of(PAGE)
            && low < tls
            && high > tls
            && high - tls < ABOVE_MAX;
        if fits && found.is_none() && (sp == 0 || !(tls..high).contains(&sp)) {
            found = Some((low, high));
        }
    });
    found
}

/// Looks for all threads. Those that live and never allocated get their thread pointers; `gone` is given what is dead
/// of the others: their stacks.
pub fn control_blocks(
    memory: &impl Memory,
    mappings: impl Iterator<Item = Piece>,
    threads: &Threads,
    mut gone: impl FnMut((u64, u64)),
) {
    let Some(tid_at) = tid_field(memory, threads) else { return };
    for mapping in mappings {
        memory.words(mapping.start, mapping.end, |tls, word| {
            // Both the first word and the third point to the structure itself (the ABI of TLS wants the first).
            if word != tls || !tls.is_multiple_of(ALIGNMENT) || memory.word(tls + 16) != Some(tls) {
                return;
            }
            let Some(stack) = at(memory, tls, 0) else { return };
            if !(stack.0..stack.0 + GUARD_MAX).contains(&mapping.start) {
                return;
            }
            let tid = read_half(memory, tls + tid_at);
            match threads.iter().position(|thread| thread.tid == tid) {
                Some(place) => {
                    let thread = threads.get(place);
                    if thread.tls == 0 {
                        threads.set(place, Seen { tls, ..thread });
                    }
                }
                // What a thread gave that waits to be joined stands in the structure.
                None if tid == 0 && !is_detached(memory, tls) => gone((stack.0, tls & !(PAGE - 1))),
                None => gone(stack),
            }
        });
    }
}

/// `joinid` of a detached thread is the thread itself. The kernel id of a joined one is -1, of another that ended 0.
fn is_detached(memory: &impl Memory, tls: u64) -> bool {
    let mut found = false;
    memory.words(tls + FIELDS.0, tls + FIELDS.1, |_, word| found |= word == tls);
    found
}

/// Where the structure has the thread's kernel id: as the thread that checks has it.
fn tid_field(memory: &impl Memory, threads: &Threads) -> Option<u64> {
    let own = threads.get(0);
    (FIELDS.0..FIELDS.0 + 0x200).step_by(4).find(|&field| read_half(memory, own.tls + field) == own.tid)
}

fn read_half(memory: &impl Memory, at: u64) -> u32 {
    memory.word(at & !7).map_or(0, |word| (word >> (at % 8 * 8)) as u32)
}
