//! The door: the functions that a target calls instead of its allocator's, one line each.
//!
//! ```text
//!   target ──▶ hooks, operators, process, loader     exported names
//!                 │ entry (sp, bp)
//!                 ▼
//!              inside ──▶ hot (records)     real ──▶ the allocator the target would have used
//!                 │ first call
//!                 ▼
//!              start: settings, real functions, recording         end ──▶ cold (report)
//! ```
//!
//! Everything is `no_std`, allocates nothing and cannot panic; see the laws in `ARCHITECTURE.md`.

#![no_std]

mod announce;
mod bundled;
mod calls;
mod end;
mod faults;
mod frees;
mod given;
mod guard;
mod hooks;
mod inside;
mod loader;
mod operators;
mod pools;
mod process;
mod queries;
mod real;
mod refused;
mod regions;
mod screen;
mod sources;
mod start;
mod struck;
mod tls;
mod tracer;

/// Nothing here panics, and the release library is checked to hold no call of this.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: ends the process at once; there is nothing left to be careful about.
    unsafe { memtrace_wire::sys::call(libc::SYS_exit_group, 134, 0, 0, 0) };
    loop {}
}

// A library of the dev profile keeps parts of core that name the function which std would bring for panics that unwind.
// None unwinds here.
#[cfg(debug_assertions)]
core::arch::global_asm!(
    ".globl rust_eh_personality",
    ".hidden rust_eh_personality",
    ".type rust_eh_personality, @function",
    "rust_eh_personality:",
    "ud2",
    ".size rust_eh_personality, 2"
);

/// Starts before `main` even where nothing allocates, so that a clean program is known to be clean.
#[ctor::ctor(unsafe)]
fn eager() {
    inside::is_active();
}
