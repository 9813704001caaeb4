//! The stack of a thread that a tracer has stopped anywhere: at a crash, in a loop, in one of the hooks.
//!
//! Nothing of the thread's own state is used, which it may be in the middle of changing, and nothing is waited for.
//! Its stack may be used up and its registers may hold anything.

use memtrace_wire::layout::frame;

use super::cfi::Scratch;
use super::slow::Registers;
use super::stack::Stacks;
use super::walk::{CUT_UNWIND, Stop};
use super::{FRAMES_MAX, readable_word};
use crate::Hot;

/// What the thread held: rip, rsp, rbp, rbx, r12 to r15.
pub type Held = [u64; 8];

/// First address that no code of a process has.
const CODE_END: u64 = 1 << 47;

impl Hot {
    /// The node of its stack, the innermost frame of which is exact. 0: it cannot be told, or a thread that stands
    /// still holds what would be waited for.
    pub fn stack_of_stopped(&self, held: &Held) -> u32 {
        if self.is_growing() {
            return 0;
        }
        let mut frames = [0u64; FRAMES_MAX];
        let limit = self.budget.frames_max.get() as usize;
        let mut count = 0;
        let mut keep = |word| {
            let Some(place) = frames.get_mut(count).filter(|_| count < limit) else { return false };
            *place = word;
            count += 1;
            true
        };
        let stop = self.walk_stopped(held, &mut keep);
        self.intern_walk(stop, frames.iter().take(count).rev().copied())
    }

    fn walk_stopped(&self, held: &Held, keep: &mut impl FnMut(u64) -> bool) -> Stop {
        let [rip, rsp, rbp, rbx, r12, r13, r14, r15] = *held;
        // By their DWARF numbers: see `cfi`.
        let mut registers: Registers = [0, 0, 0, rbx, 0, 0, rbp, rsp, 0, 0, 0, 0, r12, r13, r14, r15, rip];
        let mut exact = true;
        if self.objects.find(rip).is_none() {
            // A call of what is no function: the caller's return address was just pushed.
            if rip < CODE_END && !keep(rip | frame::EXACT) {
                return self.cut();
            }
            let Some(caller) = readable_word(rsp).filter(|&caller| self.objects.find(caller.wrapping_sub(1)).is_some())
            else {
                return CUT_UNWIND;
            };
            registers = [0, 0, 0, rbx, 0, 0, rbp, rsp.wrapping_add(8), 0, 0, 0, 0, r12, r13, r14, r15, caller];
            exact = false;
        }
        self.follow(&mut Stacks::unknown(), &mut Scratch::new(), &mut registers, exact, keep)
    }

    /// Whether somebody is changing a table that a new stack, or a new module on it, would change too.
    fn is_growing(&self) -> bool {
        [
            &self.node_index.lock,
            &self.nodes.grow,
            &self.loaded.lock,
            &self.modules.grow,
            &self.text.grow,
            &self.rules.lock,
            &self.store.grow,
        ]
        .iter()
        .any(|lock| lock.is_held())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Source;

    #[test]
    fn nobody_who_stands_still_is_waited_for() {
        let hot = std::boxed::Box::leak(std::boxed::Box::new(Hot::new()));
        assert!(hot.store.open(Source::Private) && hot.start());
        let guard = hot.node_index.lock();
        assert_eq!(hot.stack_of_stopped(&[0; 8]), 0);
        drop(guard);
        // A call of address 0 with a stack that cannot be read.
        let node = hot.stack_of_stopped(&[0; 8]);
        let words = [0, 1].map(|above| hot.nodes.get(u64::from(node) - above).map(|node| node.frame.get()));
        assert_eq!(words, [Some(frame::EXACT), Some(frame::CUT_UNWIND)]);
    }
}
