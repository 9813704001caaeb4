//! Steps of the trie that a thread took lately: (caller's node, return address) → node, in one cache line and
//! without a look at the trie.

/// Steps that a thread remembers: 64 KiB, touched as they come.
const STEPS: usize = 1 << STEP_BITS;
const STEP_BITS: u32 = 12;

/// One step. All zeroes: none.
#[derive(Clone, Copy)]
#[repr(C)]
struct Step {
    pc: u64,
    parent: u32,
    node: u32,
}

const _: () = assert!(size_of::<Step>() == 16);

/// The steps of one thread.
#[repr(C, align(64))]
pub struct Steps {
    steps: [Step; STEPS],
}

impl Steps {
    /// Forgets all steps: nodes were retired.
    pub fn forget(&mut self) {
        self.steps.fill(Step { pc: 0, parent: 0, node: 0 });
    }

    #[inline(always)]
    fn step(&mut self, hash: u64) -> &mut Step {
        // SAFETY: the shift leaves STEP_BITS bits.
        unsafe { self.steps.get_unchecked_mut((hash >> (64 - STEP_BITS)) as usize) }
    }

    /// The node for `pc` below `parent`. `hash`: of the path, as in the trie.
    #[inline(always)]
    pub fn find(&mut self, parent: u32, pc: u64, hash: u64) -> Option<u32> {
        let step = self.step(hash);
        if step.pc != pc || step.parent != parent {
            return None;
        }
        Some(step.node)
    }

    /// Remembers a step.
    pub fn keep(&mut self, parent: u32, pc: u64, hash: u64, node: u32) {
        *self.step(hash) = Step { pc, parent, node };
    }
}
