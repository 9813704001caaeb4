//! The last stack of a thread, and every word that it was derived from.
//!
//! ```text
//!   frames[0]  the end: node of the root, or of a mark that says why the stack was cut
//!   frames[1]  outermost frame      words PAD .. frames[1].words
//!   frames[2]  its callee           words  …  .. frames[2].words     each word: where it was read, what it was
//!   …
//!   *top       the caller of an allocation, or a frame that later stacks go through
//! ```
//!
//! Invariants:
//! - for every frame, if its (pc, sp, bp) is met again and `words[PAD..its words]` still hold, then a full walk from
//!   there gives the frames below again: each step reads only those words;
//! - stack pointers fall from frame to frame, and `frames[0].sp` is the largest number, so that a search upwards
//!   for a stack pointer ends there at the latest;
//! - `top` points into `frames`, at most `FRAMES_MAX` frames above the first.

use super::rules::Short;
use super::{FRAMES_MAX, word};

/// A frame of the kept stack.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Frame {
    /// Stack pointer after the callee returned.
    pub sp: u64,
    /// Return address into this frame.
    pub pc: u64,
    /// rbp in this frame.
    pub bp: u64,
    /// Rolling hash of the path to here.
    pub hash: u64,
    /// Interned stack from here outwards.
    pub node: u32,
    /// End of the words below, times two; plus one if the frame's callers depend on `bp`.
    pub words: u32,
}

/// A frame of the walk under way.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Fresh {
    /// As in `Frame`.
    pub sp: u64,
    /// As in `Frame`.
    pub pc: u64,
    /// As in `Frame`.
    pub bp: u64,
    /// By which its caller was found.
    pub rule: Short,
}

/// A word of the stack that a frame was derived from.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Word {
    /// Where.
    pub address: u64,
    /// What it was.
    pub value: u64,
}

/// Words in front that always hold, so that words can be read in groups of this many.
pub const PAD: usize = 4;
/// Words that one frame adds at most: the return address, and two for a realigned frame.
const WORDS_A_FRAME: usize = 3;

/// The kept stack of one thread.
#[repr(C)]
pub struct Chain {
    /// The innermost frame.
    pub top: *mut Frame,
    /// Value of the modules' generation when the frames were pushed.
    pub generation: u64,
    /// What the words in front point at.
    zero: u64,
    frames: [Frame; FRAMES_MAX + 1],
    /// What the frames were derived from, outermost first.
    words: [Word; PAD + FRAMES_MAX * WORDS_A_FRAME],
    /// Frames of the walk under way, innermost first.
    pub fresh: [Fresh; FRAMES_MAX],
}

impl Chain {
    /// Nothing is kept; the end of the next stack is `node`.
    pub fn reset(&mut self, node: u32, hash: u64) {
        self.zero = 0;
        let zero = &raw const self.zero as u64;
        let [end, ..] = &mut self.frames;
        *end = Frame { sp: u64::MAX, pc: 0, bp: 0, hash, node, words: (PAD as u32) << 1 };
        self.words.iter_mut().take(PAD).for_each(|word| *word = Word { address: zero, value: 0 });
        self.top = self.frames.as_mut_ptr();
    }

    /// The end: see the picture.
    #[inline(always)]
    pub fn end(&mut self) -> *mut Frame {
        self.frames.as_mut_ptr()
    }

    /// The frames that are kept, the end first.
    pub fn kept(&self) -> &[Frame] {
        self.frames.get(..=self.depth(self.top)).unwrap_or(&[])
    }

    /// Frames from the end up to one of the chain.
    #[inline(always)]
    pub fn depth(&self, at: *const Frame) -> usize {
        (at as usize - self.frames.as_ptr() as usize) / size_of::<Frame>()
    }

    /// Where the word with this number stands.
    ///
    /// # Safety
    /// The number is at most the end of a frame in use, plus what its callee adds.
    #[inline(always)]
    pub unsafe fn word_at(&mut self, number: usize) -> *mut Word {
        // SAFETY: by this function's contract; `words` has room for what FRAMES_MAX frames add.
        unsafe { self.words.as_mut_ptr().add(number) }
    }

    /// Reads the words up to `end` again, innermost first. 0: all unchanged; else one of the four below it changed.
    #[inline(always)]
    pub fn changed(&self, end: u32) -> u32 {
        let start = self.words.as_ptr();
        // A kept word's address was readable on this stack, and the chain is reset when the thread goes to another one.
        // SAFETY: `end` is at most the end of a frame in use: what lies below, down to the words in front, was written.
        unsafe {
            let pad = start.add(PAD);
            let mut left = start.add(end as usize);
            let same = |place: *const Word| word((*place).address) == (*place).value;
            while left > pad {
                if !(same(left.sub(1)) && same(left.sub(2)) && same(left.sub(3)) && same(left.sub(4))) {
                    return left.offset_from(start) as u32;
                }
                left = left.sub(PAD);
            }
        }
        0
    }

    /// The innermost frame at or below `at` whose words do not include the changed one under `end`.
    #[cold]
    #[inline(never)]
    pub fn last_unchanged(&self, at: *mut Frame, end: u32) -> *mut Frame {
        let mut last = end as usize;
        while let Some(kept) = last.checked_sub(1).and_then(|place| self.words.get(place)) {
            // SAFETY: as in `changed`.
            if unsafe { word(kept.address) } != kept.value {
                break;
            }
            last -= 1;
        }
        let mut place = self.depth(at);
        while place > 0 && self.frames.get(place).is_some_and(|frame| (frame.words >> 1) as usize >= last) {
            place -= 1;
        }
        // SAFETY: `place` is at most the depth of `at`, which is a frame of the chain.
        unsafe { self.frames.as_ptr().add(place).cast_mut() }
    }
}

/// The innermost frame at or above a stack pointer, from one outwards.
///
/// # Safety
/// `at` is a frame of a chain in use.
#[inline(always)]
pub unsafe fn at_or_above(mut at: *mut Frame, sp: u64) -> *mut Frame {
    // SAFETY: the search ends at frames[0], whose stack pointer is the largest number.
    unsafe {
        while (*at).sp < sp {
            at = at.sub(1);
        }
    }
    at
}
