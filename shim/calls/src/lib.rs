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

memtrace_wire::no_panics!();
