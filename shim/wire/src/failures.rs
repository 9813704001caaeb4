//! Records of what can fail, and of what was made to.

use crate::map::{U32, U64};
use crate::records::records;

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
}

/// `Fault::flags`: the program said that failures there are no finding.
pub const BENIGN: u64 = 1;
