//! The operator new of the C++ library, which is known to call malloc and nothing else that counts.
//!
//! ```text
//!   target ──▶ operator new (hook) ──jump──▶ libstdc++'s ──▶ malloc (hook): capture, and a look at the innermost
//!                                                            frame when the site is made
//! ```
//!
//! Its hook jumps on without a trace. The stack of the malloc below has the operator's frame, so its site is that
//! of the frame outside. Not so for the other forms: they may themselves leave by a jump, without a frame.

use memtrace_wire::layout::{Op, frame};
use memtrace_wire::map::U64;

use crate::Hot;

/// Operators delete.
pub const DELETES: usize = 12;

/// See above.
#[repr(C)]
pub struct Operator {
    /// Its address; 0: not known, not seen to call malloc yet, or gone with its module.
    pub direct: U64,
    /// Addresses of the operators delete, by number, which lead to free: they are left by a jump while only samples
    /// are recorded. 0: not so.
    pub deletes: [U64; DELETES],
    start: U64,
    end: U64,
}

impl Operator {
    /// Not known.
    pub const fn new() -> Self {
        Self { direct: U64::new(0), deletes: [const { U64::new(0) }; DELETES], start: U64::new(0), end: U64::new(0) }
    }

    /// A C++ library has it here.
    pub fn set(&self, start: u64, end: u64) {
        self.direct.publish(0);
        self.start.set(start);
        self.end.set(end);
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
        self.deletes.iter().for_each(|delete| delete.publish(0));
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
