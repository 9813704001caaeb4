//! Where CPython keeps what is read of it, version by version.
//!
//! Source: the headers of the versions (`Include/internal/pycore_frame.h`, `pycore_runtime.h`, `cpython/code.h`,
//! `cpython/unicodeobject.h`); `tests/tests/python/offsets.c` compares them with the headers that are there. Within a
//! minor version these do not change. From 3.13 on the interpreter tells its own offsets, which must be these.

/// Offsets of one minor version, in bytes.
#[derive(Debug)]
pub struct Layout {
    /// The version: 3.`minor`.
    pub minor: u8,
    /// `_PyRuntime`: not 0 while the interpreter ends.
    pub finalizing: u64,
    /// How it is known that a thread holds the interpreter's lock.
    pub lock: Lock,
    /// Thread's state: `pthread_self()` of the thread.
    pub thread_id: u64,
    /// Thread's state: where the innermost frame is found.
    pub top: Top,
    /// Frame: code.
    pub code: u64,
    /// Bits of that word that are no part of the address.
    pub tag: u64,
    /// Frame: the caller's frame.
    pub previous: u64,
    /// Frame: the instruction that is being executed.
    pub instruction: u64,
    /// Frame: the byte that says what `edge` compares.
    pub edge_at: u64,
    /// How it is known which frames C code has begun.
    pub edge: Edge,
    /// Code: number of the first line.
    pub first_line: u64,
    /// Code: the first instruction.
    pub instructions: u64,
    /// Code: instructions before the function's own.
    pub prologue: u64,
    /// Text: the letters of one that is ASCII, and of another.
    pub letters: [u64; 2],
    /// Where the interpreter's description of itself has what `Layout::described` gives, in that order.
    pub description: &'static [u64],
}

/// How it is known that a thread holds the lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    /// This field of `_PyRuntime` is the state of the thread that holds it.
    Holder(u64),
    /// Bit 4 of this field of the thread's state: it is the one in use.
    Active(u64),
}

impl Lock {
    /// The field.
    pub const fn at(self) -> u64 {
        match self {
            // Of no use where it is not the thread's own.
            Self::Holder(_) => 0,
            Self::Active(at) => at,
        }
    }
}

/// Where the innermost frame is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Top {
    /// At the second offset of what the first field points to, a record on the C stack; the third: the record before it.
    Record(u64, u64, u64),
    /// In this field.
    Direct(u64),
}

impl Top {
    /// The field of the thread's state.
    pub const fn at(self) -> u64 {
        match self {
            Self::Record(at, ..) | Self::Direct(at) => at,
        }
    }
}

/// How it is known which frames C code has begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    /// The byte is 1 in the frame itself.
    Marked,
    /// The frame outside is no function's, but stands on the C stack: the byte is 3 there, or more.
    Outside,
}

/// Code, in all of these versions: its file, its qualified name, its table of lines.
pub const FILE: u64 = 112;
/// As above.
pub const NAME: u64 = 128;
/// As above.
pub const LINES: u64 = 136;
/// Object: its type.
pub const TYPE: u64 = 8;
/// Bytes, text: how many.
pub const LENGTH: u64 = 16;
/// Bytes: the first.
pub const BYTES: u64 = 32;
/// Text: bits 2 to 4 the width of a letter, 5 compact, 6 ASCII.
pub const STATE: u64 = 32;

/// The versions whose frames are read.
pub static LAYOUTS: [Layout; 4] = [
    Layout {
        minor: 11,
        finalizing: 24,
        lock: Lock::Holder(576),
        thread_id: 152,
        top: Top::Record(56, 8, 16),
        code: 32,
        tag: 0,
        previous: 48,
        instruction: 56,
        edge_at: 68,
        edge: Edge::Marked,
        first_line: 72,
        instructions: 184,
        prologue: 168,
        letters: [48, 72],
        description: &[],
    },
    Layout {
        minor: 12,
        finalizing: 24,
        lock: Lock::Active(24),
        thread_id: 136,
        top: Top::Record(56, 0, 8),
        code: 0,
        tag: 0,
        previous: 8,
        instruction: 56,
        edge_at: 70,
        edge: Edge::Outside,
        first_line: 68,
        instructions: 192,
        prologue: 176,
        letters: [40, 56],
        description: &[],
    },
    Layout {
        minor: 13,
        finalizing: 608,
        lock: Lock::Active(32),
        thread_id: 152,
        top: Top::Direct(72),
        code: 0,
        tag: 0,
        previous: 8,
        instruction: 56,
        edge_at: 70,
        edge: Edge::Outside,
        first_line: 68,
        instructions: 200,
        prologue: 184,
        letters: [40, 56],
        description: &[32, 184, 192, 216, 232, 240, 248, 264, 280, 312, 344],
    },
    Layout {
        minor: 14,
        finalizing: 784,
        lock: Lock::Active(32),
        thread_id: 152,
        top: Top::Direct(72),
        code: 0,
        tag: 1,
        previous: 8,
        instruction: 56,
        edge_at: 74,
        edge: Edge::Outside,
        first_line: 68,
        instructions: 208,
        prologue: 192,
        letters: [40, 56],
        description: &[32, 208, 216, 240, 256, 264, 272, 288, 320, 352, 384],
    },
];

/// Of the description that 3.13 and later give of themselves, at the start of `_PyRuntime`: its first word.
pub const COOKIE: u64 = u64::from_le_bytes(*b"xdebugpy");
/// There: 1 if the interpreter has no lock.
pub const WITHOUT_LOCK: u64 = 16;
/// The first version that has one: 3.13.
pub const DESCRIBED_FROM: u8 = 13;

impl Layout {
    /// Where the description has an offset, and what it must be.
    pub fn described(&self) -> impl Iterator<Item = (u64, u64)> {
        let top = if let Top::Direct(at) = self.top { at } else { 0 };
        let status = if let Lock::Active(at) = self.lock { at } else { 0 };
        let expected = [
            self.finalizing,
            top,
            self.thread_id,
            status,
            self.previous,
            self.code,
            self.instruction,
            self.edge_at,
            FILE,
            self.first_line,
            self.instructions,
        ];
        self.description.iter().copied().zip(expected)
    }
}
