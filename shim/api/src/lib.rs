//! What a Rust program and its tests can tell memtrace, and ask of it.
//!
//! A program that uses this needs no library: without `libmemtrace.so` in the process (`LD_PRELOAD`, `memtrace run`,
//! `memtrace sweep`) nothing fails, every number is 0, and what is run for each allocation is run once. The functions are
//! those of `shim/include/memtrace.h`, without anything added but types.
//!
//! ```
//! use memtrace_api::{Failure, fail_sweep};
//!
//! fn copied(text: &str) -> Result<String, std::collections::TryReserveError> {
//!     let mut copy = String::new();
//!     copy.try_reserve_exact(text.len())?;
//!     copy.push_str(text);
//!     Ok(copy)
//! }
//!
//! fail_sweep(|| assert!(copied("text").is_ok_and(|copy| copy == "text") || memtrace_api::last_point().is_some()));
//!
//! let failing = Failure::after(0).arm();
//! let copy = copied("text");
//! assert_eq!(copy.is_err(), failing.fired() == 1);
//! ```

mod failure;
mod library;
mod queries;
mod scopes;

use std::ffi::CStr;
use std::fmt;
use std::marker::PhantomData;

pub use failure::{Failing, Failure, fail_sweep};
use library::{DIGITS, library};
pub use queries::{Checkpoint, checkpoint, live_blocks, live_bytes, report};
pub use scopes::{Ignored, Region, ignore, region};

/// Whether `libmemtrace.so` is in the process.
pub fn is_here() -> bool {
    library().is_some()
}

/// A place in the program's run: `MALLOC_FAIL_SINCE=marker:NAME` and `MALLOC_FAIL_UNTIL=marker:NAME` mean it.
///
/// ```
/// memtrace_api::marker(c"loaded");
/// ```
pub fn marker(name: &CStr) {
    if let Some(library) = library() {
        library.marker(name);
    }
}

/// This thread's allocations neither count nor fail as long as what this gives lives; several nest.
///
/// ```
/// let _failing = memtrace_api::Failure::after(0).for_ever().arm();
/// let paused = memtrace_api::pause();
/// let kept = String::from("this is not refused");
/// drop(paused);
/// # drop(_failing);
/// # assert_eq!(kept.len(), 19);
/// ```
pub fn pause() -> Paused {
    if let Some(library) = library() {
        (library.pause)();
    }
    Paused(PhantomData)
}

/// This thread's failures are recorded as benign as long as what this gives lives: whatever comes of them is meant to be.
/// Several nest.
///
/// ```
/// let _benign = memtrace_api::benign();
/// ```
pub fn benign() -> Benign {
    if let Some(library) = library() {
        (library.benign_begin)();
    }
    Benign(PhantomData)
}

/// See [`pause`]. It belongs to its thread.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Paused(PhantomData<*const ()>);

impl Drop for Paused {
    fn drop(&mut self) {
        if let Some(library) = library() {
            (library.resume)();
        }
    }
}

/// See [`benign`]. It belongs to its thread.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Benign(PhantomData<*const ()>);

impl Drop for Benign {
    fn drop(&mut self) {
        if let Some(library) = library() {
            (library.benign_end)();
        }
    }
}

/// The name of a stack that has allocated, as `MALLOC_FAIL_STACK` takes it: the same in every run of the same files.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Point([u8; DIGITS]);

impl fmt::Display for Point {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// The stack whose allocation failed last. `None`: none has failed.
pub fn last_point() -> Option<Point> {
    library()?.last().map(Point)
}

/// Checks for leaks now: blocks that are definitely or possibly lost, or held by such ones. `None`: nothing could be
/// classified, or there is no library.
///
/// ```
/// let before = memtrace_api::check_leaks();
/// // … what is tested …
/// assert_eq!(memtrace_api::check_leaks(), before);
/// ```
pub fn check_leaks() -> Option<u64> {
    u64::try_from((library()?.check_leaks)()).ok()
}
