//! The functions that can be made to fail: those that allocate, and calls of the C library that give something else.
//!
//! One row each. A call has the family that MALLOC_FAIL_CALLS names, the error of its man page, and what it gives then.
//! Its other forms (`open64`, `__open_2`, `accept4`) count as the function itself.

use crate::kinds::Family;
use libc::{EADDRINUSE, EAGAIN, EBUSY, ECONNREFUSED, ECONNRESET, EIO, EMFILE, ENOMEM, ENOSPC};

/// What a call gives when it fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// -1, and errno says why; MAP_FAILED is that too.
    MinusOne,
    /// NULL, and errno says why.
    Null,
    /// The error itself; errno stays as it was.
    Error,
}

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// The word for it and its like.
    pub family: &'static str,
    /// The error.
    pub errno: i32,
    /// What it gives.
    pub failure: Failure,
}

macro_rules! ops {
    (
        allocators { $($op:ident = $number:literal, $name:literal;)* }
        calls { $($call:ident = $call_number:literal, $call_name:literal, $family:literal, $errno:ident, $failure:ident;)* }
    ) => {
        /// The function that was called. A number never changes its meaning.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum Op {
            /// Not known.
            Unknown = 0,
            /// `operator new` that is given an alignment: to everybody but the heap's errors it is `New`.
            NewAligned = 64,
            /// The same for arrays.
            NewArrayAligned = 65,
            $(#[doc = concat!("`", $name, "`.")] $op = $number,)*
            $(#[doc = concat!("`", $call_name, "`.")] $call = $call_number,)*
        }

        impl Op {
            /// The row with this number.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number {
                    0 => Some(Op::Unknown),
                    64 => Some(Op::NewAligned),
                    65 => Some(Op::NewArrayAligned),
                    $($number => Some(Op::$op),)*
                    $($call_number => Some(Op::$call),)*
                    _ => None,
                }
            }

            /// The name of the function, as a C or C++ programmer writes it.
            pub const fn name(self) -> &'static str {
                match self {
                    Op::Unknown => "unknown",
                    Op::NewAligned => Op::New.name(),
                    Op::NewArrayAligned => Op::NewArray.name(),
                    $(Op::$op => $name,)*
                    $(Op::$call => $call_name,)*
                }
            }

            /// How it fails, if it is a call.
            pub const fn call(self) -> Option<Call> {
                match self {
                    $(Op::$call => Some(Call { family: $family, errno: $errno, failure: Failure::$failure }),)*
                    Op::Unknown | Op::NewAligned | Op::NewArrayAligned $(| Op::$op)* => None,
                }
            }
        }

        /// Functions that allocate, as a bit set of their numbers; one that is not known may be one.
        pub const ALLOCATORS: u64 = 1 $(| 1 << $number)*;
        /// All others.
        pub const CALLS: u64 = 0 $(| 1 << $call_number)*;
    };
}

ops! {
    allocators {
        Malloc = 1, "malloc";
        Calloc = 2, "calloc";
        Realloc = 3, "realloc";
        Reallocarray = 4, "reallocarray";
        Memalign = 5, "memalign";
        PosixMemalign = 6, "posix_memalign";
        AlignedAlloc = 7, "aligned_alloc";
        Valloc = 8, "valloc";
        Pvalloc = 9, "pvalloc";
        New = 10, "operator new";
        NewArray = 11, "operator new[]";
    }
    calls {
        Open = 12, "open", "files", EMFILE, MinusOne;
        Openat = 13, "openat", "files", EMFILE, MinusOne;
        Creat = 14, "creat", "files", EMFILE, MinusOne;
        Fopen = 15, "fopen", "files", EMFILE, Null;
        Fdopen = 16, "fdopen", "files", ENOMEM, Null;
        Freopen = 17, "freopen", "files", EMFILE, Null;
        Opendir = 18, "opendir", "files", EMFILE, Null;
        Mkstemp = 19, "mkstemp", "files", EMFILE, MinusOne;
        Mkdtemp = 20, "mkdtemp", "files", ENOSPC, Null;
        Tmpfile = 21, "tmpfile", "files", EMFILE, Null;
        Dup = 22, "dup", "files", EMFILE, MinusOne;
        Dup2 = 23, "dup2", "files", EBUSY, MinusOne;
        Dup3 = 24, "dup3", "files", EBUSY, MinusOne;
        Socket = 25, "socket", "sockets", EMFILE, MinusOne;
        Connect = 26, "connect", "sockets", ECONNREFUSED, MinusOne;
        Bind = 27, "bind", "sockets", EADDRINUSE, MinusOne;
        Listen = 28, "listen", "sockets", EADDRINUSE, MinusOne;
        Accept = 29, "accept", "sockets", EMFILE, MinusOne;
        Send = 30, "send", "network", ECONNRESET, MinusOne;
        Sendto = 31, "sendto", "network", ECONNRESET, MinusOne;
        Sendmsg = 32, "sendmsg", "network", ECONNRESET, MinusOne;
        Recv = 33, "recv", "network", ECONNRESET, MinusOne;
        Recvfrom = 34, "recvfrom", "network", ECONNRESET, MinusOne;
        Recvmsg = 35, "recvmsg", "network", ECONNRESET, MinusOne;
        Read = 36, "read", "io", EIO, MinusOne;
        Pread = 37, "pread", "io", EIO, MinusOne;
        Readv = 38, "readv", "io", EIO, MinusOne;
        Write = 39, "write", "io", ENOSPC, MinusOne;
        Pwrite = 40, "pwrite", "io", ENOSPC, MinusOne;
        Writev = 41, "writev", "io", ENOSPC, MinusOne;
        Fsync = 42, "fsync", "io", EIO, MinusOne;
        Fdatasync = 43, "fdatasync", "io", EIO, MinusOne;
        Ftruncate = 44, "ftruncate", "io", EIO, MinusOne;
        Pipe = 45, "pipe", "pipes", EMFILE, MinusOne;
        Pipe2 = 46, "pipe2", "pipes", EMFILE, MinusOne;
        Socketpair = 47, "socketpair", "pipes", EMFILE, MinusOne;
        Popen = 48, "popen", "pipes", EMFILE, Null;
        Eventfd = 49, "eventfd", "pipes", EMFILE, MinusOne;
        EpollCreate = 50, "epoll_create", "pipes", EMFILE, MinusOne;
        PthreadCreate = 51, "pthread_create", "threads", EAGAIN, Error;
        PthreadKeyCreate = 52, "pthread_key_create", "threads", EAGAIN, Error;
        PthreadAttrInit = 53, "pthread_attr_init", "threads", ENOMEM, Error;
        PthreadMutexInit = 54, "pthread_mutex_init", "threads", ENOMEM, Error;
        PthreadCondInit = 55, "pthread_cond_init", "threads", ENOMEM, Error;
        PthreadRwlockInit = 56, "pthread_rwlock_init", "threads", ENOMEM, Error;
        SemInit = 57, "sem_init", "threads", ENOSPC, MinusOne;
        SemOpen = 58, "sem_open", "threads", EMFILE, Null;
        Mmap = 59, "mmap", "memory", ENOMEM, MinusOne;
        Mremap = 60, "mremap", "memory", ENOMEM, MinusOne;
        Mprotect = 61, "mprotect", "memory", ENOMEM, MinusOne;
        ShmOpen = 62, "shm_open", "memory", EMFILE, MinusOne;
    }
}

impl Op {
    /// Its place in a set of functions.
    pub const fn bit(self) -> u64 {
        1 << self.plain() as u32
    }

    /// The function, whatever alignment it is given.
    pub const fn plain(self) -> Op {
        match self {
            Op::NewAligned => Op::New,
            Op::NewArrayAligned => Op::NewArray,
            other => other,
        }
    }

    /// Whether it is a call, and allocates nothing that is recorded.
    pub const fn is_call(self) -> bool {
        CALLS & self.bit() != 0
    }

    /// Which function may free what it gave.
    #[inline(always)]
    pub const fn family(self) -> Family {
        FAMILIES[self as usize & (FAMILIES.len() - 1)]
    }

    const fn family_by_name(self) -> Family {
        match self.plain() {
            Op::New => Family::New,
            Op::NewArray => Family::NewArray,
            _ if self.is_call() => Family::Other,
            _ => Family::Malloc,
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Op> {
        Op::all().find(|op| op.name() == name)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Op> {
        (0..u64::BITS).filter_map(Op::from_number)
    }
}

/// The family of each function, because every hook asks.
const FAMILIES: [Family; 128] = {
    let mut families = [Family::Malloc; 128];
    let mut number = 0;
    while number < families.len() {
        if let Some(op) = Op::from_number(number as u32) {
            families[number] = op.family_by_name();
        }
        number += 1;
    }
    families
};

/// Calls as MALLOC_FAIL_CALLS names them, families or functions with commas between them, as a bit set.
pub fn calls(value: &[u8]) -> Option<u64> {
    value.split(|&byte| byte == b',').try_fold(0, |bits, word| match named(word) {
        0 => None,
        found => Some(bits | found),
    })
}

/// The calls of one word.
fn named(word: &[u8]) -> u64 {
    let is_meant =
        |op: &Op, call: Call| word == b"all" || word == call.family.as_bytes() || word == op.name().as_bytes();
    Op::all().filter(|op| op.call().is_some_and(|call| is_meant(op, call))).fold(0, |bits, op| bits | op.bit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_named_by_family_by_function_or_all_at_once() {
        assert_eq!(calls(b"connect"), Some(Op::Connect.bit()));
        assert_eq!(calls(b"pipe,connect"), Some(Op::Pipe.bit() | Op::Connect.bit()));
        assert_eq!(calls(b"sockets").map(u64::count_ones), Some(5));
        assert_eq!(calls(b"sockets,accept"), calls(b"sockets"));
        assert_eq!(calls(b"all"), Some(CALLS));
        assert_eq!(calls(b"files,sockets,network,io,pipes,threads,memory"), Some(CALLS));
        assert_eq!([&b""[..], b"malloc", b"open,", b"file", b"All"].map(calls), [None; 5]);
    }

    #[test]
    fn functions_allocate_or_are_calls() {
        assert_eq!(ALLOCATORS & CALLS, 0);
        assert_eq!((ALLOCATORS | CALLS).count_ones() as usize, Op::all().count());
        assert!(Op::all().all(|op| op.call().is_some() == op.is_call() && Op::from_number(op as u32) == Some(op)));
        assert!(Op::all().filter(|op| op.is_call()).all(|op| op.family() == Family::Other));
        assert_eq!((Op::Unknown.family(), Op::New.family()), (Family::Malloc, Family::New));
    }
}
