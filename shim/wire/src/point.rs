//! Names of points: which stack called which function, in words that hold for every run of the same files.
//!
//! A point's name is a hash over the function and the frames of its stack, innermost first, each as (module, offset in
//! its file). Addresses, load order, process and machine do not enter. Where a cycle of frames stands more than twice
//! in a row, two of it count: recursion of any depth from the third level on has one name, and a first nesting still
//! differs from none.

use crate::layout::Op;

/// The longest cycle of frames that is seen as a recursion; interpreters take about ten frames a call.
const CYCLE_MAX: usize = 16;
/// Frames of which a cycle's third copy is known: the last two copies.
const KEPT: usize = 2 * CYCLE_MAX;

const START: u64 = 0xcbf2_9ce4_8422_2325;

fn mix(hash: u64, word: u64) -> u64 {
    let mut mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 32;
    mixed.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ mixed >> 29
}

/// The key of a module: its build-id, or the last part of its path where it has none.
pub fn module_key(build_id: &[u8], path: &[u8]) -> u64 {
    let text = if build_id.is_empty() { path.rsplit(|&byte| byte == b'/').next().unwrap_or(path) } else { build_id };
    text.iter().fold(START, |hash, &byte| mix(hash, byte.into()))
}

/// The key of a frame.
pub fn frame_key(module: u64, offset: u64) -> u64 {
    mix(mix(START, module), offset)
}

/// Puts a name together, frame by frame.
pub struct Namer {
    /// The last frames that count, oldest first.
    kept: [u64; KEPT],
    kept_count: usize,
    hash: u64,
    /// Length of the cycle whose second copy came last; 0: none did.
    cycle: usize,
    /// Frames of a further copy that were passed over.
    at: usize,
}

impl Namer {
    /// Of a stack whose innermost function called `op`.
    pub fn new(op: Op) -> Namer {
        let hash = mix(START, op as u64);
        Namer { kept: [0; KEPT], kept_count: 0, hash, cycle: 0, at: 0 }
    }

    /// The next frame, from the innermost outwards: a `frame_key`.
    pub fn push(&mut self, frame: u64) {
        // Copies after the second are passed over as long as they repeat the cycle.
        if self.cycle != 0 {
            if self.back(self.cycle - self.at) == Some(frame) {
                self.at = (self.at + 1) % self.cycle;
                return;
            }
            self.take_back();
        }
        self.append(frame);
        self.cycle = (1..=CYCLE_MAX).find(|&length| self.repeats(length)).unwrap_or(0);
    }

    /// The name of all that was pushed; never 0.
    pub fn name(mut self) -> u64 {
        self.take_back();
        self.hash.max(1)
    }

    /// The copy that was begun is none: what was passed over of it counts.
    fn take_back(&mut self) {
        for _ in 0..self.at {
            // Each append moves the cycle back by one.
            let Some(passed) = self.back(self.cycle) else { break };
            self.append(passed);
        }
        (self.cycle, self.at) = (0, 0);
    }

    fn append(&mut self, frame: u64) {
        self.hash = mix(self.hash, frame);
        if self.kept_count == KEPT {
            self.kept.rotate_left(1);
            self.kept_count -= 1;
        }
        if let Some(place) = self.kept.get_mut(self.kept_count) {
            *place = frame;
            self.kept_count += 1;
        }
    }

    /// The frame that counts and was appended so many appends ago, from 1.
    fn back(&self, count: usize) -> Option<u64> {
        self.kept.get(self.kept_count.checked_sub(count)?).copied()
    }

    /// Whether the last frames are two copies of a cycle.
    fn repeats(&self, length: usize) -> bool {
        self.kept_count >= 2 * length && (1..=length).all(|place| self.back(place) == self.back(place + length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(frames: &str) -> u64 {
        let mut namer = Namer::new(Op::Malloc);
        frames.bytes().for_each(|frame| namer.push(frame.into()));
        namer.name()
    }

    #[test]
    fn a_name_holds_every_frame_their_order_and_the_function() {
        let names = ["", "a", "b", "ab", "ba", "abc"].map(name);
        assert!(names.iter().enumerate().all(|(place, name)| !names[..place].contains(name)));
        assert_ne!(Namer::new(Op::Calloc).name(), Namer::new(Op::Malloc).name());
        assert_ne!(frame_key(module_key(b"id", b"/a"), 1), frame_key(module_key(b"id", b"/a"), 2));
        assert_eq!(module_key(b"", b"/lib/a.so"), module_key(b"", b"/usr/lib/a.so"));
        assert_ne!(module_key(b"", b"a.so"), module_key(b"", b"b.so"));
    }

    #[test]
    fn recursion_deeper_than_two_has_one_name() {
        assert_eq!(name("xaam"), name("xaaaaaam"));
        assert_ne!(name("xam"), name("xaam"));
        assert_eq!(name("xababm"), name("xababababm"));
        assert_eq!(name("xababam"), name("xabababam"));
        assert_ne!(name("xababam"), name("xababm"));
        assert_eq!(name("xaabaabm"), name("xaabaabaabaabm"));
        let cycle = "abcdefghijklmnop";
        assert_eq!(name(&cycle.repeat(2)), name(&cycle.repeat(9)));
        assert_eq!(name(&(cycle.repeat(2) + "abcm")), name(&(cycle.repeat(7) + "abcm")));
    }

    #[test]
    fn what_only_begins_like_a_copy_counts() {
        let different = ["ababm", "ababam", "ababacm", "ababaacm", "abababcm", "ababbm"].map(name);
        assert!(different.iter().enumerate().all(|(place, name)| !different[..place].contains(name)));
    }
}
