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

memtrace_wire::no_panics!();

/// Starts before `main` even where nothing allocates, so that a clean program is known to be clean.
#[ctor::ctor(unsafe)]
fn eager() {
    inside::is_active();
}
