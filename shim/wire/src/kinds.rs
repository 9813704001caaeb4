//! The numbers in the recording that stand for something: kinds, ends, reasons, functions, flags.
//!
//! A number never changes its meaning within one `layout::VERSION`; readers take unknown ones as unknown.

macro_rules! numbers {
    ($($(#[$doc:meta])* pub enum $name:ident { $($(#[$row_doc:meta])* $row:ident = $number:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, Debug)]
            #[repr(u32)]
            pub enum $name { $($(#[$row_doc])* $row = $number,)* }
            impl $name {
                /// The row with this number.
                pub const fn from_number(number: u32) -> Option<Self> {
                    match number { $($number => Some(Self::$row),)* _ => None }
                }
            }
        )*
    };
}

numbers! {
    /// What a window holds.
    pub enum WindowKind {
        /// `Node`s.
        Nodes = 1,
        /// `Site`s.
        Sites = 2,
        /// Cells of the live table (`live`), each for 16 bytes of heap.
        Live16 = 3,
        /// `Module`s.
        Modules = 4,
        /// Bytes.
        Text = 5,
        /// `Thread`s.
        Threads = 6,
        /// `Fault`s.
        Faults = 7,
        /// `Side` cells.
        Sides = 8,
        /// More `Window`s.
        Directory = 9,
        /// The same, each for 32 bytes.
        Live32 = 10,
        /// `Check`s.
        Checks = 11,
        /// `Lost` blocks.
        Lost = 12,
        /// `Edge`s.
        Edges = 13,
        /// `Held` sites.
        Held = 14,
        /// `Step`s.
        Steps = 15,
        /// `Point`s.
        Points = 16,
        /// `HeapError`s.
        HeapErrors = 17,
        /// `Freed`s.
        Frees = 18,
        /// `Marker`s.
        Markers = 19,
    }

    /// How the process, or this image of it, came to its end.
    pub enum End {
        /// Nothing was seen: still running, or killed.
        None = 0,
        /// exit or the return of main.
        Exit = 1,
        /// _exit or _Exit.
        FastExit = 2,
        /// quick_exit.
        QuickExit = 3,
        /// abort.
        Abort = 4,
        /// A function of the exec family; the image ended if nothing was recorded after it.
        Exec = 5,
        /// A failed assertion.
        Assert = 6,
        /// A smashed stack.
        StackSmash = 7,
    }

    /// Why the shim looks on and records nothing.
    pub enum Passive {
        /// It records.
        No = 0,
        /// AT_SECURE: a set-id program.
        Secure = 1,
        /// A sanitizer's runtime is in the process.
        Sanitizer = 2,
        /// A valgrind tool replaces malloc.
        Valgrind = 3,
        /// MEMTRACE_EXE names other programs.
        Excluded = 4,
        /// The program has a malloc of its own, which comes before ours.
        OwnAllocator = 5,
        /// Memory for its first tables was refused.
        NoMemory = 6,
    }

    /// What asked for a check.
    pub enum Cause {
        /// The end of the process.
        End = 1,
        /// The program itself, by a function.
        Program = 2,
        /// The command `memtrace leaks`.
        Command = 3,
        /// A round of `--every`.
        Round = 4,
        /// The launcher, at a death by signal.
        Death = 5,
    }

    /// How a check knew what the threads held: the best first.
    pub enum Rung {
        /// There was one thread, and it was the one that checked.
        Alone = 1,
        /// All threads stood still, and their registers were read.
        Stopped = 2,
        /// Stack pointers of waiting threads came from the kernel; no registers; stacks of running ones were read whole.
        Waiting = 3,
        /// Nothing was classified.
        None = 4,
    }

    /// Why a check came no higher, or classified nothing.
    pub enum Hindrance {
        /// It did not have to.
        None = 0,
        /// ptrace(2) was refused (Yama, a seccomp filter, a debugger is attached).
        Ptrace = 1,
        /// No copy of the process could be made.
        Copy = 2,
        /// The deadline passed.
        Deadline = 3,
        /// No memory for the tables.
        Memory = 4,
        /// The copy came to a bad end.
        Broken = 5,
        /// The process is behind a filter of system calls.
        Sealed = 6,
        /// The process ended without running any code of ours.
        Death = 7,
        /// The list of mappings could not be read.
        Maps = 8,
    }

    /// What holds a block.
    pub enum Holder {
        /// A block.
        Block = 0,
        /// Writable data of a module.
        Global = 1,
        /// A thread's stack.
        Stack = 2,
        /// A thread's register.
        Register = 3,
        /// A thread's static TLS, its control block and its thread-specific data.
        Tls = 4,
        /// A mapping of the program's own.
        Mapping = 5,
        /// An alternate signal stack.
        SignalStack = 6,
        /// Memory that the program announced as a root.
        Announced = 7,
        /// A block that the program told us to ignore.
        Ignored = 8,
        /// Memory of the heap whose blocks are not known.
        UnknownHeap = 9,
        /// A block of the dynamic loader's.
        Loader = 10,
        /// A block that a thread has its stack in.
        StackBlock = 11,
    }

    /// Which function may free a block.
    pub enum Family {
        /// free.
        Malloc = 0,
        /// operator delete.
        New = 1,
        /// operator delete[].
        NewArray = 2,
        /// Something else.
        Other = 3,
    }
}

/// The words in `Node::frame`: bits 0–47 the return address, bits 56–62 the kind, bit 63 retired.
pub mod frame {
    /// A return address in machine code.
    pub const NATIVE: u64 = 0;
    /// A source site (file:line from a hook); the address bits are its number.
    pub const SOURCE: u64 = 1;
    /// A Python frame.
    pub const PYTHON: u64 = 2;
    /// A tag or region.
    pub const TAG: u64 = 3;
    /// Not a frame: a native stack outside, and the Python stack whose node the address bits are.
    pub const WITH_PYTHON: u64 = 5;
    /// Not a frame: the stack went on, but was not followed. The address bits are a `CUT_*`.
    pub const CUT: u64 = 4;

    /// More frames than are kept.
    pub const CUT_DEPTH: u64 = CUT << KIND_SHIFT | 1;
    /// No unwind data for the code that comes next.
    pub const CUT_UNWIND: u64 = CUT << KIND_SHIFT | 2;
    /// The next frame would lie outside the stack.
    pub const CUT_BOUNDS: u64 = CUT << KIND_SHIFT | 3;
    /// Only the innermost frames are kept, because memtrace's own memory is near its limit.
    pub const CUT_MEMORY: u64 = CUT << KIND_SHIFT | 4;

    /// The kind's place.
    pub const KIND_SHIFT: u32 = 56;
    /// The module was unloaded: the node stays, and no new stack finds it.
    pub const RETIRED: u64 = 1 << 63;
    /// The address bits.
    pub const ADDRESS: u64 = (1 << 48) - 1;
    /// The frame was interrupted by a signal: its address is exact, not one past a call.
    pub const EXACT: u64 = 1 << 55;

    /// A Python frame that C code has begun: the call of the interpreter's function ends with it.
    pub const EDGE: u64 = 1 << 54;

    /// The kind of a frame word.
    pub const fn kind(word: u64) -> u64 {
        word >> KIND_SHIFT & 0x7f
    }

    /// The address in a frame word.
    pub const fn address(word: u64) -> u64 {
        word & ADDRESS
    }
}

/// The high half of `ProcessHeader::python`.
pub mod python_flags {
    /// Its small objects are parts of larger blocks, which are not seen.
    pub const ARENAS: u32 = 1;
    /// Its frames are not read: a version, or a way of building it, whose are not known.
    pub const UNREAD: u32 = 2;
    /// Why they are not: it has no lock that says whose frames may be read.
    pub const FREE_THREADED: u32 = 4;
    /// Why they are not: what it says of its own offsets is not what its version has.
    pub const DESCRIBED_OTHERWISE: u32 = 8;
}

/// Flags of `Module`.
pub mod module_flags {
    /// The executable.
    pub const EXE: u32 = 1;
    /// libmemtrace.so.
    pub const SHIM: u32 = 2;
    /// ld.so.
    pub const LOADER: u32 = 4;
    /// The vdso.
    pub const VDSO: u32 = 8;
}
