//! Which part of the current stack may be read.
//!
//! A thread's own stack is known from where it stands to its top. On any other stack (a coroutine's, a signal's)
//! the range begins at the page in use and grows page by page, each shown to be readable by the kernel; it is
//! forgotten when the thread leaves that stack, whose memory may be taken away then.

use memtrace_wire::sys;

/// Readable addresses: `low..high`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// First readable byte.
    pub low: u64,
    /// First byte not known to be readable.
    pub high: u64,
}

impl Range {
    const NONE: Range = Range { low: u64::MAX, high: 8 };

    /// Where the last eight bytes stand.
    #[inline(always)]
    pub const fn last(self) -> u64 {
        self.high.wrapping_sub(8)
    }

    /// Whether eight bytes at an address are inside.
    #[inline(always)]
    pub const fn holds(self, address: u64) -> bool {
        address >= self.low && address <= self.last()
    }
}

/// The ranges of one thread.
pub struct Stacks {
    /// The stack in use.
    pub current: Range,
    own: Range,
    top: u64,
}

/// Pages that one step of growth may cross: one frame of 16 MiB.
const PAGES_MAX: u64 = 4096;
/// Pages between a thread's first allocation and its stack's top, for the stack to be taken as its own.
const FIRST_PAGES_MAX: u64 = 64;
const PAGE: u64 = 4096;

impl Stacks {
    /// Nothing known; `top` is where the thread's own stack ends.
    pub fn start(&mut self, top: u64) {
        *self = Stacks { top, ..Stacks::unknown() };
    }

    /// Of a thread that somebody else looks at: every read is shown to be possible on its own.
    pub const fn unknown() -> Self {
        Stacks { current: Range::NONE, own: Range::NONE, top: 0 }
    }

    /// Whether an address lies on the thread's own stack, which `sp` is on.
    pub fn is_own(&self, address: u64, sp: u64) -> bool {
        let own = if self.own == Range::NONE { Range { low: sp, high: self.top } } else { self.own };
        let low = own.low.min(sp);
        (low..own.high).contains(&sp) && (low..own.high).contains(&address)
    }

    /// Makes `current` the stack that `sp` is on. True: it is another one than before.
    #[cold]
    #[inline(never)]
    pub fn switch(&mut self, sp: u64) -> bool {
        let page = sp & !(PAGE - 1);
        if self.own == Range::NONE && sp < self.top && all_readable(page, self.top, FIRST_PAGES_MAX) {
            self.own = Range { low: page, high: self.top };
            self.current = self.own;
            return true;
        }
        let was_own = self.current == self.own;
        // Deeper on the same stack than ever before.
        if sp < self.current.low && all_readable(page, self.current.low, PAGES_MAX) {
            self.current.low = page;
            if was_own {
                self.own.low = page;
            }
            return false;
        }
        self.current = if self.own.holds(sp) { self.own } else { Range { low: page, high: page + PAGE } };
        true
    }

    /// Whether eight bytes at an address above the stack pointer may be read; grows the range if they may.
    #[cold]
    #[inline(never)]
    pub fn grow_to(&mut self, address: u64) -> bool {
        if self.current.holds(address) {
            return true;
        }
        let Some(end) = address.checked_add(8 + PAGE - 1).map(|end| end & !(PAGE - 1)) else { return false };
        if address < self.current.low || self.current == self.own {
            return false;
        }
        if !all_readable(self.current.high, end, PAGES_MAX) {
            return false;
        }
        self.current.high = end;
        true
    }
}

/// Whether every page from `low` up to `high` can be read, `pages_max` at the most.
fn all_readable(low: u64, high: u64, pages_max: u64) -> bool {
    let pages = high.saturating_sub(low).div_ceil(PAGE);
    pages <= pages_max && (0..pages).all(|page| sys::is_readable((low + page * PAGE) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_stops_before_memory_that_is_gone() {
        let region = sys::map_private(4 * PAGE as usize) as u64;
        // SAFETY: mapped in the line above.
        unsafe { sys::unmap((region + 3 * PAGE) as *mut u8, PAGE as usize) };
        let mut stacks = Stacks::unknown();
        assert!(stacks.switch(region + PAGE + 100));
        assert!(stacks.grow_to(region + 3 * PAGE - 8));
        assert!(!stacks.grow_to(region + 3 * PAGE - 7));
        assert!(!stacks.switch(region + 8), "deeper, but still the same stack");
        assert!(stacks.current.holds(region) && !stacks.current.holds(region + 3 * PAGE));
    }
}
