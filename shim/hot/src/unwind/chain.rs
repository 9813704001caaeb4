//! The last stack of a thread, and every word that it was derived from.
//!
//! ```text
//!   frames[0]  the end: node of the root, or of a mark that says why the stack was cut
//!   frames[1]  outermost frame      words 0 .. frames[1].words
//!   frames[2]  its callee           words .. frames[2].words     each word: where it was read, what it was
//!   …
//!   frames[top]  the caller of the allocation
//! ```
//!
//! Invariant: for every frame i, if its (pc, sp, bp) is met again and `words[..frames[i].words]` still hold, then
//! a full walk from there gives frames i-1 … 1 again: each step reads only those words.

use super::FRAMES_MAX;

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

/// Words that one frame adds at most: the return address, and two for a realigned frame.
const WORDS_A_FRAME: usize = 3;

/// The kept stack of one thread.
#[repr(C)]
pub struct Chain {
    /// Frames in use; `frames[top]` is the innermost.
    pub top: usize,
    /// Value of the modules' generation when the frames were pushed.
    pub generation: u64,
    /// Innermost last.
    pub frames: [Frame; FRAMES_MAX + 1],
    /// Rolling hash of the path to each frame.
    pub hashes: [u64; FRAMES_MAX + 1],
    /// What the frames were derived from, outermost first.
    pub words: [Word; FRAMES_MAX * WORDS_A_FRAME],
    /// Frames of the walk under way, innermost first.
    pub fresh: [Frame; FRAMES_MAX],
}

impl Chain {
    /// Nothing is kept; the end of the next stack is `node`.
    pub fn reset(&mut self, node: u32, hash: u64) {
        self.top = 0;
        self.frames[0] = Frame { sp: u64::MAX, pc: 0, bp: 0, node, words: 0 };
        self.hashes[0] = hash;
    }
}
