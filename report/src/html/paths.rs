//! The stacks of a page as one tree, and its frames, each once: outermost callers first, shared by all processes.
//!
//! ```text
//!   root 0 ── _start ── main ─┬─ load ── xmalloc      a stack is its last node
//!                             └─ parse
//! ```

use std::collections::HashMap;
use std::hash::Hash;

use serde::Serialize;

/// What a frame is, beside a plain call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// A call.
    Call = 0,
    /// A call whose code was inlined into that of its caller.
    Inlined = 1,
    /// A region that the program said it was in.
    Region = 2,
    /// The place where a stack was cut; the name is the reason.
    Cut = 3,
    /// What a macro said of its place.
    Source = 4,
}

/// A frame. Texts are places in the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Frame {
    /// Function, or where it is.
    pub name: u32,
    /// Source file; 0: not known.
    pub file: u32,
    /// Line; 0: not known.
    pub line: u32,
    /// Path of the module; 0: none.
    pub module: u32,
    /// Whose code it is: 0 the project's, 1 a library's, 2 one that allocates for its caller, 3 what every program has.
    pub whose: u8,
    /// What it is.
    pub kind: Kind,
}

/// Things, each once, told by their places.
struct Table<T> {
    all: Vec<T>,
    places: HashMap<T, u32>,
}

impl<T: Hash + Eq + Copy> Table<T> {
    fn new() -> Table<T> {
        Table { all: Vec::new(), places: HashMap::new() }
    }

    fn place(&mut self, thing: T) -> u32 {
        *self.places.entry(thing).or_insert_with(|| {
            self.all.push(thing);
            self.all.len() as u32 - 1
        })
    }
}

/// Frames and the tree over them.
pub struct Paths {
    frames: Table<Frame>,
    /// Parent and frame of each node but the root, which is 0.
    nodes: Table<(u32, u32)>,
}

impl Default for Paths {
    fn default() -> Self {
        Paths { frames: Table::new(), nodes: Table::new() }
    }
}

impl Paths {
    /// The place of a frame.
    pub fn frame(&mut self, frame: Frame) -> u32 {
        self.frames.place(frame)
    }

    /// The node of a stack, whose frames come outermost first.
    pub fn node(&mut self, frames: impl IntoIterator<Item = u32>) -> u32 {
        frames.into_iter().fold(0, |parent, frame| self.nodes.place((parent, frame)) + 1)
    }

    /// Places of frames that a reader of lines may want: those with a file and a line.
    pub fn frames(&self) -> &[Frame] {
        &self.frames.all
    }

    /// As columns, for the page.
    pub fn columns(&self) -> Columns {
        let frames = || self.frames.all.iter();
        let step = |(place, parent): (usize, u32)| place as u32 + 1 - parent;
        Columns {
            name: frames().map(|frame| frame.name).collect(),
            file: frames().map(|frame| frame.file).collect(),
            line: frames().map(|frame| frame.line).collect(),
            module: frames().map(|frame| frame.module).collect(),
            whose: frames().map(|frame| frame.whose).collect(),
            kind: frames().map(|frame| frame.kind as u8).collect(),
            back: self.nodes.all.iter().map(|node| node.0).enumerate().map(step).collect(),
            frame: self.nodes.all.iter().map(|node| node.1).collect(),
        }
    }
}

/// Frames, and nodes: `back` is how far before a node its parent stands; a parent always stands before its children.
#[derive(Serialize, PartialEq, Debug)]
pub struct Columns {
    name: Vec<u32>,
    file: Vec<u32>,
    line: Vec<u32>,
    module: Vec<u32>,
    whose: Vec<u8>,
    kind: Vec<u8>,
    back: Vec<u32>,
    frame: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_share_their_callers() {
        let mut paths = Paths::default();
        let frame = |name| Frame { name, file: 0, line: 0, module: 0, whose: 0, kind: Kind::Call };
        let places: Vec<u32> = [7, 8, 9, 7].map(|name| paths.frame(frame(name))).into();
        assert_eq!(places, [0, 1, 2, 0]);
        let nodes = [paths.node([0, 1]), paths.node([0, 2]), paths.node([0, 1, 1]), paths.node([]), paths.node([0, 1])];
        assert_eq!(nodes, [2, 3, 4, 0, 2]);
        let columns = paths.columns();
        assert_eq!((columns.frame, columns.back), (vec![0, 1, 2, 1], vec![1, 1, 2, 2]));
    }
}
