//! The three words of thread-local storage: the thread's state, whether it is just being made, and where it entered an
//! allocator that is linked in.
//!
//! Declared in assembly as initial-exec, because `thread_local!` in a shared library goes through
//! `__tls_get_addr`, which may allocate.

use core::arch::{asm, global_asm};
use memtrace_hot::thread::Thread;

global_asm!(
    ".section .tbss,\"awT\",@nobits",
    ".balign 8",
    ".hidden memtrace_thread_word",
    ".globl memtrace_thread_word",
    ".type memtrace_thread_word, @object",
    ".size memtrace_thread_word, 8",
    "memtrace_thread_word:",
    ".zero 8",
    ".hidden memtrace_busy_word",
    ".globl memtrace_busy_word",
    ".type memtrace_busy_word, @object",
    ".size memtrace_busy_word, 8",
    "memtrace_busy_word:",
    ".zero 8",
    ".hidden memtrace_bundled_word",
    ".globl memtrace_bundled_word",
    ".type memtrace_bundled_word, @object",
    ".size memtrace_bundled_word, 8",
    "memtrace_bundled_word:",
    ".zero 8",
    ".previous",
);

/// Reads a word of this thread's own: every thread has static storage for it (preloaded, or small enough for the loader's
/// surplus). It can change between two reads.
macro_rules! load {
    ($name:literal $(, $pure:ident)?) => {{
        let value: u64;
        // SAFETY: see above.
        unsafe {
            asm!(
                concat!("mov {value}, qword ptr [rip + ", $name, "@GOTTPOFF]"),
                "mov {value}, qword ptr fs:[{value}]",
                value = out(reg) value, options($($pure,)? readonly, nostack, preserves_flags)
            );
        }
        value
    }};
}

/// Writes it.
macro_rules! store {
    ($name:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: this thread's own word, as above.
        unsafe {
            asm!(
                concat!("mov {at}, qword ptr [rip + ", $name, "@GOTTPOFF]"),
                "mov qword ptr fs:[{at}], {value}",
                at = out(reg) _, value = in(reg) value, options(nostack, preserves_flags)
            );
        }
    }};
}

/// The word: null until the thread registers.
#[inline(always)]
pub fn get() -> *mut Thread {
    load!("memtrace_thread_word", pure) as *mut Thread
}

/// Sets the word.
pub fn set(thread: *mut Thread) {
    store!("memtrace_thread_word", thread as u64);
}

/// Whether the thread is registering: a hook that a signal handler calls then must not begin again.
pub fn is_busy() -> bool {
    load!("memtrace_busy_word") != 0
}

/// Says that the thread is registering, or no longer.
pub fn set_busy(busy: bool) {
    store!("memtrace_busy_word", u64::from(busy));
}

/// Stack pointer of the call of an allocator that is linked in, for as long as the thread is in it; 0: in none.
pub fn bundled() -> u64 {
    load!("memtrace_bundled_word")
}

/// Sets that word.
pub fn set_bundled(sp: u64) {
    store!("memtrace_bundled_word", sp);
}

/// The thread pointer: the top of the stack that glibc made for a thread. The word's own address is a constant away.
pub fn pointer() -> u64 {
    let value: u64;
    // SAFETY: x86-64's ABI keeps the thread pointer in its own first word.
    unsafe {
        asm!("mov {value}, qword ptr fs:[0]", value = out(reg) value, options(pure, readonly, nostack, preserves_flags))
    };
    value
}
