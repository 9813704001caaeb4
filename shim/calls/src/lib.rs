//! The second door: calls of the C library that a target makes, and that MALLOC_FAIL_CALLS can make fail.
//!
//! ```text
//!   target ──▶ entry (naked) ──▶ ask ──▶ memtrace_call_strikes, of libmemtrace.so
//!                 │   no: a jump, all registers as they were      │ yes
//!                 ▼                                               ▼
//!        the next library's function                  -1, NULL or the error, and errno
//! ```
//!
//! It is loaded behind libmemtrace.so. Without that, every call is passed on. It has no state but the addresses of
//! the real functions, and the laws in `ARCHITECTURE.md` hold for it too.

#![no_std]

mod hooks;
mod next;

/// Nothing here panics, and the release library is checked to hold no call of this.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: ends the process at once; there is nothing left to be careful about.
    unsafe { memtrace_wire::sys::call(libc::SYS_exit_group, 134, 0, 0, 0) };
    loop {}
}

// As in `shim/src/lib.rs`: a library of the dev profile names the function that std would bring.
#[cfg(debug_assertions)]
core::arch::global_asm!(
    ".globl rust_eh_personality",
    ".hidden rust_eh_personality",
    ".type rust_eh_personality, @function",
    "rust_eh_personality:",
    "ud2",
    ".size rust_eh_personality, 2"
);
