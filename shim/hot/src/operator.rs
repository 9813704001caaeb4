//! The operators of the C++ library that are known to call malloc or free, and nothing else that counts.
//!
//! ```text
//!   target ──▶ operator new (hook) ──jump──▶ libstdc++'s ──▶ malloc (hook): capture, and a look at the innermost
//!                                                            frame when the site is made
//! ```
//!
//! The hook of the plain operator new jumps on without a trace. The stack of the malloc below has the operator's frame,
//! so its site is that of the frame outside. Not so for the other forms: they may themselves leave by a jump, without
//! a frame. An operator delete is jumped to once it was seen to end in free, which needs no stack.

use memtrace_wire::layout::{Op, frame};
use memtrace_wire::map::U64;

use crate::Hot;
use crate::unwind::Entry;

/// Operators delete.
pub const DELETES: usize = 12;

/// See above.
#[repr(C)]
pub struct Operator {
    /// Its address; 0: not known, not seen to call malloc yet, or gone with its module.
    pub direct: U64,
    /// Addresses of the operators delete, by number, that are jumped to. 0: not so.
    pub deletes: [U64; DELETES],
    /// Where a C++ library has them; 0: not known.
    delete_starts: [U64; DELETES],
    start: U64,
    end: U64,
}

impl Operator {
    /// Not known.
    pub const fn new() -> Self {
        Self {
            direct: U64::new(0),
            deletes: [const { U64::new(0) }; DELETES],
            delete_starts: [const { U64::new(0) }; DELETES],
            start: U64::new(0),
            end: U64::new(0),
        }
    }

    /// A C++ library has it here.
    pub fn set(&self, start: u64, end: u64) {
        self.direct.publish(0);
        self.start.set(start);
        self.end.set(end);
    }

    /// A C++ library has this operator delete here. `leads`: it is known to end in free.
    pub fn set_delete(&self, number: usize, start: u64, leads: bool) {
        let Some(known) = self.delete_starts.get(number) else { return };
        known.set(start);
        if leads {
            self.confirm_delete(number);
        }
    }

    /// This operator delete has ended in the hook of free.
    #[cold]
    pub fn confirm_delete(&self, number: usize) {
        if let (Some(delete), Some(start)) = (self.deletes.get(number), self.delete_starts.get(number)) {
            delete.publish(start.get());
        }
    }

    /// A malloc below an operator new returns to `pc`: if that is in its code, then with a frame of its own.
    pub fn confirm(&self, pc: u64) {
        if self.start.get() != 0 && self.holds(pc) {
            self.direct.publish(self.start.get());
        }
    }

    /// The module went.
    pub fn forget(&self) {
        self.direct.publish(0);
        self.deletes.iter().chain(&self.delete_starts).for_each(|delete| delete.publish(0));
        self.start.set(0);
        self.end.set(0);
    }

    fn holds(&self, pc: u64) -> bool {
        pc > self.start.get() && pc <= self.end.get()
    }
}

impl Default for Operator {
    fn default() -> Self {
        Self::new()
    }
}

/// An operator new that is under way: see `Body::pending`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    /// Where operator new was entered.
    pub entry: Entry,
    /// Which.
    pub op: Op,
    /// Bytes asked for: the allocation below may be rounded up.
    pub bytes: u64,
    /// Bytes to the next sample then: they tell whether malloc was called since.
    pub left: u64,
}

impl Hot {
    /// Where an allocation was made, and by which function: outside the operator.
    #[cold]
    pub fn origin(&self, node: u32, op: Op) -> (u32, Op) {
        match self.nodes.get(u64::from(node)) {
            Some(known)
                if frame::kind(known.frame.get()) == frame::NATIVE
                    && self.operator.holds(frame::address(known.frame.get())) =>
            {
                (known.parent.get(), Op::New)
            }
            _ => (node, op),
        }
    }
}
