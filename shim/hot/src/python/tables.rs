//! What one thread has found out before: of instructions, of pairs of stacks, of calls on a native stack.
//!
//! Each is a table with a place for each hash, where what comes later takes the place of what was there. All zeroes: nothing.

use crate::site::Known;
use memtrace_wire::layout::Op;

/// Places of what was read of instructions, two instructions each: 256 KiB, touched as they come. To read one takes
/// thousands of instructions, so two that are executed in turn must not push each other out.
const LINES: usize = 1 << LINE_BITS;
const LINE_BITS: u32 = 12;
/// Places of pairs of stacks: 128 KiB.
const PAIRS: usize = 1 << PAIR_BITS;
const PAIR_BITS: u32 = 12;
/// Places of what is known of native stacks: 32 KiB.
const CALLS: usize = 1 << CALL_BITS;
const CALL_BITS: u32 = 12;

/// Spreads keys over the places.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// What was read of an instruction.
#[derive(Clone, Copy)]
pub struct Line {
    /// Address of its code.
    pub code: u64,
    /// Its own.
    pub instruction: u64,
    /// Of the code.
    pub print: u64,
    /// The word of a frame that executes it.
    pub word: u64,
}

/// A native stack and a Python stack, and the site of both.
#[derive(Clone, Copy)]
pub struct Pair {
    /// Node of the native stack.
    pub native: u32,
    /// Node of the Python stack.
    pub python: u32,
    /// The site.
    pub site: Known,
}

/// So many calls of the interpreter's function are known on a native stack.
#[derive(Clone, Copy)]
pub struct Calls {
    /// Node of the stack.
    pub native: u32,
    /// How many.
    pub count: u32,
}

/// The tables of one thread.
pub struct Tables {
    lines: [[Line; 2]; LINES],
    pairs: [Pair; PAIRS],
    calls: [Calls; CALLS],
}

impl Tables {
    /// Forgets what names nodes: they were retired, other sites are wanted, or the thread is another.
    pub fn forget(&mut self) {
        self.pairs.iter_mut().filter(|pair| pair.python != 0).for_each(|pair| pair.python = 0);
        self.forget_calls();
    }

    /// Forgets how many calls are on native stacks.
    pub fn forget_calls(&mut self) {
        self.calls.iter_mut().filter(|calls| calls.native != 0).for_each(|calls| calls.native = 0);
    }

    /// Where the calls on a native stack are kept.
    #[inline(always)]
    pub fn calls(&mut self, native: u32) -> &mut Calls {
        let place = native.wrapping_mul(SPREAD as u32) >> (32 - CALL_BITS);
        // SAFETY: the shift leaves CALL_BITS bits.
        unsafe { self.calls.get_unchecked_mut(place as usize) }
    }

    /// Where the pair of two stacks is kept.
    #[inline(always)]
    pub fn pair(&mut self, native: u32, python: u32) -> &mut Pair {
        let place = (u64::from(native) << 32 | u64::from(python)).wrapping_mul(SPREAD) >> (64 - PAIR_BITS);
        // SAFETY: the shift leaves PAIR_BITS bits.
        unsafe { self.pairs.get_unchecked_mut(place as usize) }
    }

    /// The word of a frame that executes an instruction of this code.
    #[inline(always)]
    pub fn word(&mut self, code: u64, instruction: u64, print: u64) -> Option<u64> {
        let [latest, other] = self.lines_at(code, instruction);
        let is_it = |line: &Line| line.code == code && line.instruction == instruction && line.print == print;
        if is_it(latest) {
            return Some(latest.word);
        }
        if is_it(other) {
            core::mem::swap(latest, other);
            return Some(latest.word);
        }
        None
    }

    /// Keeps what was read, in place of the older one.
    pub fn keep(&mut self, line: Line) {
        let [latest, other] = self.lines_at(line.code, line.instruction);
        *other = *latest;
        *latest = line;
    }

    #[inline(always)]
    fn lines_at(&mut self, code: u64, instruction: u64) -> &mut [Line; 2] {
        let place = (code ^ instruction << 20).wrapping_mul(SPREAD) >> (64 - LINE_BITS);
        // SAFETY: the shift leaves LINE_BITS bits.
        unsafe { self.lines.get_unchecked_mut(place as usize) }
    }
}

impl Pair {
    /// Whether it is of these stacks, and its blocks come from such a function.
    #[inline(always)]
    pub fn is(&self, native: u32, python: u32, op: Op) -> bool {
        self.native == native && self.python == python && self.site.is_of(op)
    }
}
