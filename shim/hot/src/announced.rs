//! What the program itself says about its memory: more roots, and blocks that are no leaks.

use memtrace_wire::map::{U32, U64};

use crate::Hot;
use crate::lock::Lock;
use crate::rows::Rows;
use crate::thread::Inside;

/// See above.
pub struct Announced {
    /// Address and length of memory that counts as a root.
    pub roots: Rows,
    /// Address and site of blocks that are to be ignored.
    pub ignored: Rows,
    /// A check is under way: one at a time, because two would stop each other's threads.
    pub checking: Lock,
    /// The copy of this process that checked last, where it is a child that nobody has waited for; 0: none.
    pub copy: U32,
    /// 1: a thread was made.
    pub threaded: U32,
    /// 1: memory was kept from fork children (madvise(2), MADV_DONTFORK, MADV_WIPEONFORK).
    pub unforked: U32,
    /// Signal stacks (sigaltstack(2)): address, and length with the thread's kernel id in the upper half.
    pub signal_stacks: Rows,
    /// Where stacks are screened: descriptors that were open at the start, beside stdin, stdout and stderr: number + 1,
    /// and inode.
    pub inherited: Rows,
}

impl Announced {
    /// Nothing.
    pub const fn new() -> Self {
        Self {
            roots: Rows::new(),
            ignored: Rows::new(),
            checking: Lock::new(),
            copy: U32::new(0),
            threaded: U32::new(0),
            unforked: U32::new(0),
            signal_stacks: Rows::new(),
            inherited: Rows::new(),
        }
    }

    /// A piece of memory is a root from here on.
    pub fn add_root(&'static self, start: u64, bytes: u64) {
        self.roots.add(start, bytes);
    }

    /// It no longer is.
    pub fn remove_root(&'static self, start: u64, bytes: u64) {
        if let Some([first, _]) = self.roots.iter().find(|row| is(row, start, bytes)) {
            first.set(0);
        }
    }

    /// A thread has this signal stack, and no other; none if it begins at 0.
    pub fn signal_stack(&'static self, tid: u32, start: u64, bytes: u32) {
        let second = u64::from(tid) << 32 | u64::from(bytes);
        match self.signal_stacks.iter().find(|[_, second]| second.get() >> 32 == u64::from(tid)) {
            Some([first, length]) => {
                length.set(second);
                first.set(start);
            }
            None if start != 0 => self.signal_stacks.add(start, second),
            None => {}
        }
    }

    /// Signal stacks: thread, first address, length.
    pub fn signal_stacks(&'static self) -> impl Iterator<Item = (u32, u64, u64)> {
        self.signal_stacks.iter().map(|[first, second]| {
            let second = second.get();
            ((second >> 32) as u32, first.get(), second & u64::from(u32::MAX))
        })
    }
}

fn is([first, second]: &[U64; 2], start: u64, bytes: u64) -> bool {
    first.get() == start && second.get() == bytes
}

impl Default for Announced {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    /// The block at an address is no leak, and what it holds is none.
    pub fn ignore(&'static self, address: u64) {
        if let Some(block) = self.peek(address) {
            self.announced.ignored.add(address, u64::from(block.site));
        }
    }

    /// What this thread allocates is no leak until `on` comes as often with false as it came with true.
    pub fn ignore_all(&self, inside: Inside<'_>, on: bool) {
        let body = &mut *inside.body;
        body.ignoring = if on { body.ignoring.saturating_add(1) } else { body.ignoring.saturating_sub(1) };
        let ignores = body.ignoring != 0;
        if body.sites.ignores != ignores {
            // Sites are others from here on.
            body.sites.ignores = ignores;
            body.sites.forget();
            body.forget_stacks();
            body.chain.reset(0, 0);
        }
    }
}
