//! The records of what happened while a target ran: failures that were injected, stacks that could fail, and places that
//! the program came by.

use crate::layout::TextAt;
use crate::map::{U32, U64};
use crate::records::records;

/// Faults of one window: 64 KiB.
pub const FAULTS_PER_WINDOW: u64 = 1 << 10;
/// Points of one window: 64 KiB.
pub const POINTS_PER_WINDOW: u64 = 1 << 10;
/// Markers of one window: 64 KiB.
pub const MARKERS_PER_WINDOW: u64 = 1 << 11;
/// Markers that are kept; more are counted.
pub const MARKERS_MAX: u64 = 4 * MARKERS_PER_WINDOW;
/// Regions are kept among them while there are fewer than so many of both: a program may be in a region for each of its requests.
pub const REGIONS_MAX: u64 = MARKERS_MAX / 2;

records! {
    /// An allocation that was made to fail.
    pub struct Fault = 64 {
        /// Its index among the calls in scope, from 0.
        pub index: U64,
        /// Bytes asked for.
        pub bytes: U64,
        /// An `Op`.
        pub op: U32,
        /// Its stack.
        pub node: U32,
        /// The thread's number.
        pub thread: U32,
        /// 1 when the record is whole.
        pub ready: U32,
        /// The name of its point (`point::Namer`); 0: it has none.
        pub name: U64,
        /// `BENIGN`.
        pub flags: U64,
        /// Not used yet.
        pub spare: [U64; 2],
    }

    /// A stack that allocated in the scope of MALLOC_FAIL_*, where the plan asks for points.
    pub struct Point = 64 {
        /// Its name (`point::Namer`): the same in every run of the same files.
        pub name: U64,
        /// Index of its first allocation among the calls in scope, from 0.
        pub first: U64,
        /// Its allocations in scope.
        pub count: U64,
        /// Bytes that the first asked for.
        pub bytes: U64,
        /// An `Op`.
        pub op: U32,
        /// The stack.
        pub node: U32,
        /// Number of the thread that was first.
        pub thread: U32,
        /// 1 when the record is whole.
        pub ready: U32,
        /// What came of a copy of the process in which it failed (`screen::Screened`); 0: there was none.
        pub screened: U64,
        /// Not used yet.
        pub spare: U64,
    }

    /// A place that the program came by, or a region that it was in.
    pub struct Marker = 32 {
        /// CLOCK_REALTIME, in nanoseconds; of a region when it began.
        pub time_ns: U64,
        /// Text: its name, with a NUL behind it.
        pub name: TextAt,
        /// The thread's number.
        pub thread: U32,
        /// When the record is whole 1 for a place, `REGION` for a region.
        pub ready: U32,
        /// When the region ended, in the same clock; 0: it has not.
        pub end_ns: U64,
    }
}

/// `Marker::ready`: a region.
pub const REGION: u32 = 2;

/// `Fault::flags`: the program said that failures there are no finding.
pub const BENIGN: u64 = 1;
