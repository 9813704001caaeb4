//! Heap errors: what a program does to its heap that it must not, as rows of the recording.

use crate::map::U64;
use crate::op::Op;
use crate::records::records;

macro_rules! kinds {
    ($($(#[$doc:meta])* $row:ident = $number:literal, $key:literal, $text:literal;)*) => {
        /// What is wrong. A number never changes its meaning.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum Kind { $($(#[$doc])* $row = $number,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &[Kind] = &[$(Kind::$row,)*];
            /// The row with this number.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$row),)* _ => None }
            }
            /// The word for it in profiles and policies.
            pub const fn key(self) -> &'static str { match self { $(Kind::$row => $key,)* } }
            /// What it is called in a report.
            pub const fn text(self) -> &'static str { match self { $(Kind::$row => $text,)* } }
        }
    };
}

kinds! {
    /// The block was freed before.
    DoubleFree = 1, "double-free", "double free";
    /// The pointer leads into a live block.
    InteriorFree = 2, "interior-free", "free of a pointer into a block";
    /// The pointer leads to the stack.
    StackFree = 3, "stack-free", "free of memory on the stack";
    /// The pointer leads to a module's data.
    GlobalFree = 4, "global-free", "free of a module's memory";
    /// Nothing is mapped there.
    UnmappedFree = 5, "unmapped-free", "free of memory that is not there";
    /// Given back by a function of another family than it was allocated by.
    MismatchedFree = 6, "mismatched-free", "mismatched free";
    /// Given back with another size than it was asked for with.
    MismatchedSize = 7, "mismatched-size", "free with another size";
    /// A block of extended alignment given back as one without, or the other way round.
    MismatchedAlignment = 8, "mismatched-alignment", "free with another alignment";
    /// A block was written to after it was freed.
    WriteAfterFree = 9, "write-after-free", "write to a freed block";
    /// The bytes behind a block's end were written to.
    WritePastEnd = 10, "write-past-end", "write past the end of a block";
    /// A block of no bytes was asked for.
    ZeroSize = 11, "zero-size", "allocation of no bytes";
    /// realloc to no bytes, of which each C library makes something else.
    ReallocZero = 12, "realloc-zero", "realloc to no bytes";
}

impl Kind {
    /// Whether it is legal, and told on request only.
    pub const fn is_note(self) -> bool {
        matches!(self, Kind::ZeroSize | Kind::ReallocZero)
    }
}

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// MEMTRACE_HEAP_ERRORS.
    pub errors: bool,
    /// MEMTRACE_FATAL.
    pub fatal: bool,
    /// MEMTRACE_FREE_STACKS.
    pub free_stacks: bool,
    /// MEMTRACE_QUARANTINE; 0: none.
    pub quarantine_bytes: u64,
    /// MEMTRACE_CANARY.
    pub canary: bool,
    /// MEMTRACE_ZERO_SIZE.
    pub zero_size: bool,
}

impl Wanted {
    /// What costs nothing.
    pub const DEFAULT: Wanted =
        Wanted { errors: true, fatal: false, free_stacks: false, quarantine_bytes: 0, canary: false, zero_size: false };

    /// Whether hooks have more to do than without.
    pub const fn is_careful(&self) -> bool {
        self.fatal || self.free_stacks || self.quarantine_bytes != 0 || self.canary || self.zero_size
    }
}

/// The operators delete, in the order of `Releaser::delete`.
const DELETES: [&str; 12] = [
    "operator delete(void*)",
    "operator delete[](void*)",
    "operator delete(void*, std::nothrow_t const&)",
    "operator delete[](void*, std::nothrow_t const&)",
    "operator delete(void*, std::size_t)",
    "operator delete[](void*, std::size_t)",
    "operator delete(void*, std::align_val_t)",
    "operator delete[](void*, std::align_val_t)",
    "operator delete(void*, std::size_t, std::align_val_t)",
    "operator delete[](void*, std::size_t, std::align_val_t)",
    "operator delete(void*, std::align_val_t, std::nothrow_t const&)",
    "operator delete[](void*, std::align_val_t, std::nothrow_t const&)",
];

/// The function that gives a block back, by number; 0: none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Releaser(pub u32);

impl Releaser {
    /// None: found without a call that gives something back.
    pub const NONE: Releaser = Releaser(0);
    /// free.
    pub const FREE: Releaser = Releaser(1);
    /// realloc.
    pub const REALLOC: Releaser = Releaser(2);
    /// reallocarray.
    pub const REALLOCARRAY: Releaser = Releaser(3);
    /// free_sized.
    pub const FREE_SIZED: Releaser = Releaser(4);
    /// free_aligned_sized.
    pub const FREE_ALIGNED_SIZED: Releaser = Releaser(5);
    const DELETE_FIRST: u32 = 8;

    /// An operator delete: single, array; nothrow; sized; aligned; sized and aligned; aligned and nothrow.
    pub const fn delete(number: u32) -> Releaser {
        Releaser(Self::DELETE_FIRST + number)
    }

    /// As a C or C++ programmer writes it.
    pub fn name(self) -> &'static str {
        match self {
            Releaser::NONE => "",
            Releaser::FREE => "free",
            Releaser::REALLOC => "realloc",
            Releaser::REALLOCARRAY => "reallocarray",
            Releaser::FREE_SIZED => "free_sized",
            Releaser::FREE_ALIGNED_SIZED => "free_aligned_sized",
            Releaser(number) => {
                let place = number.wrapping_sub(Self::DELETE_FIRST) as usize;
                DELETES.get(place).copied().unwrap_or("unknown")
            }
        }
    }

    /// Flags that a site has whose blocks this function may free.
    pub const fn family(self) -> u32 {
        match self.0.wrapping_sub(Self::DELETE_FIRST) {
            0 | 2 | 4 => NEW,
            1 | 3 | 5 => NEW_ARRAY,
            6 | 8 | 10 => NEW | ALIGNED,
            7 | 9 | 11 => NEW_ARRAY | ALIGNED,
            _ => 0,
        }
    }

    /// Whether it is given the block's size, as its second argument.
    pub const fn is_sized(self) -> bool {
        matches!(self.0.wrapping_sub(Self::DELETE_FIRST), 4 | 5 | 8 | 9) || self.0 == 4
    }
}

/// `Site::flags`: made by operator new.
pub const NEW: u32 = 8;
/// `Site::flags`: made by operator new[].
pub const NEW_ARRAY: u32 = 16;
/// `Site::flags`: made by an operator new that was given an alignment.
pub const ALIGNED: u32 = 32;
/// All flags that say who may free.
pub const FAMILY: u32 = NEW | NEW_ARRAY | ALIGNED;

/// The flags of a function that allocates.
pub const fn family_of(op: Op) -> u32 {
    match op {
        Op::New => NEW,
        Op::NewArray => NEW_ARRAY,
        Op::NewAligned => NEW | ALIGNED,
        Op::NewArrayAligned => NEW_ARRAY | ALIGNED,
        _ => 0,
    }
}

/// Rows of one window: 64 KiB.
pub const HEAP_ERRORS_PER_WINDOW: u64 = 1 << 9;
/// Rows of a process; the same error at the same stack is one row.
pub const HEAP_ERRORS_MAX: u64 = 2 * HEAP_ERRORS_PER_WINDOW;
/// Entries of the table of frees, each for one address of many.
pub const FREES: u64 = 1 << 18;

records! {
    /// A heap error, as often as it came from one stack.
    pub struct HeapError = 128 {
        /// A `Kind`.
        pub kind: crate::map::U32,
        /// A `Releaser`, or an `Op` for notes.
        pub function: crate::map::U32,
        /// Its stack; 0: unknown.
        pub node: crate::map::U32,
        /// The thread's number.
        pub thread: crate::map::U32,
        /// Where the block was allocated; 0: unknown.
        pub site: crate::map::U32,
        /// Where it was freed first; 0: unknown.
        pub freed_node: crate::map::U32,
        /// 1 when the record is whole.
        pub ready: crate::map::U32,
        /// Not used yet.
        pub unused: crate::map::U32,
        /// The pointer; of a write, the first byte.
        pub address: U64,
        /// The block; 0: none is known.
        pub block: U64,
        /// Bytes that it was asked for with; 0: unknown.
        pub bytes: U64,
        /// The size that was given, where that is another; of a write, bytes that differ.
        pub given: U64,
        /// How often.
        pub count: U64,
        /// CLOCK_REALTIME of the first, in nanoseconds.
        pub time_ns: U64,
        /// Not used yet.
        pub spare: [U64; 6],
    }

    /// What is remembered of a free, where stacks of frees are taken: one for each place of a table by address.
    pub struct Freed = 32 {
        /// The block; 0: none.
        pub address: U64,
        /// Bytes that it was asked for with.
        pub bytes: U64,
        /// Where it was allocated.
        pub site: crate::map::U32,
        /// Where it was freed.
        pub node: crate::map::U32,
        /// Not used yet.
        pub spare: U64,
    }
}

/// The place of an address in the table of frees.
pub const fn freed_place(address: u64) -> u64 {
    (address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FREES.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_free_know_their_family() {
        let family = |number| Releaser::delete(number).family();
        assert_eq!((0..12).map(family).filter(|family| family & NEW != 0).count(), 6);
        assert!(
            (6..12).all(|number| family(number) & ALIGNED != 0) && (0..6).all(|number| family(number) & ALIGNED == 0)
        );
        assert_eq!([Releaser::FREE, Releaser::REALLOC, Releaser::NONE].map(Releaser::family), [0; 3]);
        let sized = |number: &u32| Releaser::delete(*number).is_sized();
        assert!(
            (0..12).filter(sized).eq([4, 5, 8, 9]) && Releaser::FREE_SIZED.is_sized() && !Releaser::FREE.is_sized()
        );
        assert!((0..12).all(|number| {
            let name = Releaser::delete(number).name();
            (name.contains("[]"), name.contains("align")) == (family(number) & NEW_ARRAY != 0, number >= 6)
                && name.contains("size_t") == sized(&number)
        }));
        assert_eq!(Releaser(77).name(), "unknown");
    }

    #[test]
    fn kinds_have_numbers_and_keys_of_their_own() {
        for &kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind as u32), Some(kind));
            assert_eq!(Kind::ALL.iter().filter(|other| other.key() == kind.key()).count(), 1);
        }
        assert_eq!(Kind::from_number(0), None);
    }
}
