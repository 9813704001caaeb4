//! What the launcher tells about a process that ends by a signal which no code of its own can see, SIGKILL: it gives a
//! process of its own the memory of the one that ends, and has the library there check it.

use core::ffi::c_char;

/// A thread, as it stood when it was killed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Thread {
    /// Its kernel id.
    pub tid: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Program counter.
    pub pc: u64,
    /// Thread pointer.
    pub tls: u64,
    /// All that may hold a pointer: the first of struct user_regs_struct (sys/user.h).
    pub registers: [u64; REGISTERS],
}

/// Registers that may hold a pointer.
pub const REGISTERS: usize = 16;

/// The process.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Dead {
    /// Its kernel id.
    pub pid: u64,
    /// The path of its list of mappings (proc(5)), with a NUL behind it.
    pub maps: *const c_char,
    /// Its threads.
    pub threads: *const Thread,
    /// How many.
    pub count: u64,
}
