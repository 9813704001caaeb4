//! The last stack of a thread, and every word that it was derived from.
//!
//! ```text
//!   frames[0]  the end: node of the root, or of a mark that says why the stack was cut
//!   frames[1]  outermost frame      words PAD .. frames[1].words
//!   frames[2]  its callee           words  …  .. frames[2].words     each word: where it was read, what it was
//!   …
//!   frames[top]  the caller of an allocation, or a frame that later stacks go through
//! ```
//!
//! Invariant: for every frame i, if its (pc, sp, bp) is met again and `words[PAD..frames[i].words]` still hold, then
//! a full walk from there gives frames i-1 … 1 again: each step reads only those words.

use super::{FRAMES_MAX, word};

/// A frame of the kept stack.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub struct Frame {
    /// Stack pointer after the callee returned.
    pub sp: u64,
    /// Return address into this frame.
    pub pc: u64,
    /// rbp in this frame.
    pub bp: u64,
    /// Interned stack from here outwards. In a frame that is not pushed yet: its rule.
    pub node: u32,
    /// End of the words below, times two; plus one if the frame's callers depend on `bp`.
    pub words: u32,
}

const _: () = assert!(size_of::<Frame>() == 32);

/// A word of the stack that a frame was derived from.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Word {
    /// Where.
    pub address: u64,
    /// What it was.
    pub value: u64,
}

/// Words in front that always hold, so that words can be read in groups of four.
pub const PAD: usize = 4;
/// Words that one frame adds at most: the return address, and two for a realigned frame.
const WORDS_A_FRAME: usize = 3;

/// The kept stack of one thread.
#[repr(C)]
pub struct Chain {
    /// Frames in use; `frames[top]` is the innermost. At most FRAMES_MAX.
    pub top: usize,
    /// Value of the modules' generation when the frames were pushed.
    pub generation: u64,
    /// What the words in front point at.
    zero: u64,
    /// Innermost last.
    frames: [Frame; FRAMES_MAX + 1],
    /// Rolling hash of the path to each frame.
    pub hashes: [u64; FRAMES_MAX + 1],
    /// What the frames were derived from, outermost first.
    pub words: [Word; PAD + FRAMES_MAX * WORDS_A_FRAME],
    /// Frames of the walk under way, innermost first.
    pub fresh: [Frame; FRAMES_MAX],
}

impl Chain {
    /// Nothing is kept; the end of the next stack is `node`.
    pub fn reset(&mut self, node: u32, hash: u64) {
        self.top = 0;
        self.zero = 0;
        let zero = &raw const self.zero as u64;
        let [end, ..] = &mut self.frames;
        // No stack pointer is larger, so every search ends here.
        *end = Frame { sp: u64::MAX, pc: 0, bp: 0, node, words: (PAD as u32) << 1 };
        let [first, ..] = &mut self.hashes;
        *first = hash;
        self.words.iter_mut().take(PAD).for_each(|word| *word = Word { address: zero, value: 0 });
    }

    /// A frame that is in use.
    #[inline(always)]
    pub fn frame(&self, at: usize) -> &Frame {
        debug_assert!(at <= self.top);
        // SAFETY: callers come from `top` downwards, and `top` is at most FRAMES_MAX (`push`).
        unsafe { self.frames.get_unchecked(at) }
    }

    /// Puts a frame on top. False: there is no room.
    #[inline(always)]
    pub fn push(&mut self, frame: Frame, hash: u64) -> bool {
        let top = self.top + 1;
        let (Some(place), Some(kept)) = (self.frames.get_mut(top), self.hashes.get_mut(top)) else { return false };
        *place = frame;
        *kept = hash;
        self.top = top;
        true
    }

    /// The innermost frame that is not below a stack pointer.
    #[inline(always)]
    pub fn at_or_above(&self, sp: u64) -> usize {
        self.at_or_above_from(self.top, sp)
    }

    /// The same, from a frame outwards.
    #[inline(always)]
    pub fn at_or_above_from(&self, from: usize, sp: u64) -> usize {
        let mut at = from;
        // frames[0].sp is the largest number there is.
        while self.frame(at).sp < sp {
            at -= 1;
        }
        at
    }

    /// Reads the words up to `end` again, innermost first. 0: all unchanged; else one of the four below it changed.
    #[inline(always)]
    pub fn changed(&self, end: u32) -> u32 {
        let mut left = end as usize;
        while left > PAD {
            let mut difference = 0;
            for step in 1..=4 {
                // SAFETY: `left` is above PAD = 4 and at most the end of a frame in use. A kept word's address was
                // readable on this stack, and the chain is reset when the thread goes to another stack.
                unsafe {
                    let kept = self.words.get_unchecked(left - step);
                    difference |= word(kept.address) ^ kept.value;
                }
            }
            if difference != 0 {
                return left as u32;
            }
            left -= 4;
        }
        0
    }

    /// The innermost frame at or below `at` whose words do not include the changed one under `end`.
    #[cold]
    #[inline(never)]
    pub fn last_unchanged(&self, at: usize, end: u32) -> usize {
        let mut last = end as usize;
        while let Some(kept) = last.checked_sub(1).and_then(|place| self.words.get(place)) {
            // SAFETY: as in `changed`.
            if unsafe { word(kept.address) } != kept.value {
                break;
            }
            last -= 1;
        }
        let mut frame = at;
        while frame > 0 && (self.frame(frame).words >> 1) as usize >= last {
            frame -= 1;
        }
        frame
    }
}
