//! Native and Python frames of one stack, in the order of their calls.
//!
//! ```text
//!   recording:  both ─┬─▶ native stack   malloc ◀ parse ◀ eval ◀ call ◀ eval ◀ main
//!                     └─▶ Python stack            f │ g, h          (two runs; EDGE stands at f and h)
//!   profile:    malloc ◀ parse ◀ f ◀ eval ◀ call ◀ g ◀ h ◀ eval ◀ main
//! ```
//!
//! Each call of the interpreter's function runs the Python frames up to one that C code has begun. Runs that the native
//! stack has no call for, because it was cut, stand at its outer end.

use std::ops::Range;

use memtrace_wire::layout::{Node, frame};

use super::stacks::code;
use crate::recording::Process;

/// Frames of one stack; the shim keeps far fewer.
const STACK_FRAMES_MAX: usize = 4 << 10;
/// Frames that most stacks do not exceed.
const USUAL: usize = 64;

/// The trie of a process.
pub struct Mixed<'p> {
    nodes: &'p [Node],
    /// Where the interpreter's function is.
    interpreter: Vec<Range<u64>>,
}

impl<'p> Mixed<'p> {
    /// That of a process.
    pub fn of(process: &'p Process) -> Mixed<'p> {
        let pieces = process.header.interpreter.iter().map(|[start, end]| start.get()..end.get());
        Mixed { nodes: &process.nodes, interpreter: pieces.filter(|piece| !piece.is_empty()).collect() }
    }

    /// Puts the places from a node up to the root on `stack`, innermost first. `places`: that of each node. False: the trie
    /// leads nowhere.
    pub fn chain(&self, places: &[Option<u32>], node: u32, room: usize, stack: &mut Vec<u32>) -> bool {
        let room = room.min(STACK_FRAMES_MAX);
        let (mut native, mut python) = (Vec::with_capacity(USUAL), Vec::new());
        if !self.follow(node, room, &mut native) {
            return false;
        }
        let both = native.iter().find(|(word, _)| frame::kind(*word) == frame::WITH_PYTHON);
        if let Some((word, _)) = both
            && !self.follow(frame::address(*word) as u32, room, &mut python)
        {
            return false;
        }
        let place = |number: u32| places.get(number as usize).copied().flatten();
        let mut rest = python.as_slice();
        for (word, number) in native {
            if self.is_interpreter(word) {
                let run = rest.iter().position(|(word, _)| word & frame::EDGE != 0).map_or(rest.len(), |edge| edge + 1);
                let (run, outer) = rest.split_at(run);
                stack.extend(run.iter().filter_map(|&(_, number)| place(number)));
                rest = outer;
            }
            stack.extend(place(number));
        }
        stack.extend(rest.iter().filter_map(|&(_, number)| place(number)));
        true
    }

    /// The words and numbers of the nodes from one up to the root. Numbers fall on the way, so it ends.
    fn follow(&self, mut number: u32, room: usize, into: &mut Vec<(u64, u32)>) -> bool {
        while number != 0 {
            let Some(node) = self.nodes.get(number as usize) else { return false };
            let parent = node.parent.get();
            if parent >= number || into.len() >= room {
                return false;
            }
            into.push((node.frame.get(), number));
            number = parent;
        }
        true
    }

    fn is_interpreter(&self, word: u64) -> bool {
        frame::kind(word) == frame::NATIVE && self.interpreter.iter().any(|piece| piece.contains(&code(word)))
    }
}
