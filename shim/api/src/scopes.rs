//! What holds for a thread's allocations as long as something lives.

use std::ffi::CStr;
use std::marker::PhantomData;

use crate::library::library;

/// What this thread allocates stands in a region of this name in reports, as long as what this gives lives; regions nest.
///
/// ```
/// let _loading = memtrace_api::region(c"loading");
/// ```
pub fn region(name: &CStr) -> Region {
    if let Some(library) = library() {
        library.region(name);
    }
    Region(PhantomData)
}

/// What this thread allocates is no leak, as long as what this gives lives, and holds what it points to; several nest.
///
/// ```
/// let ignored = memtrace_api::ignore();
/// let kept = Box::leak(Box::new(1));
/// drop(ignored);
/// # assert_eq!(*kept, 1);
/// ```
pub fn ignore() -> Ignored {
    if let Some(library) = library() {
        (library.ignore_begin)();
    }
    Ignored(PhantomData)
}

/// See [`region`]. It belongs to its thread.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Region(PhantomData<*const ()>);

impl Drop for Region {
    fn drop(&mut self) {
        if let Some(library) = library() {
            (library.region_end)();
        }
    }
}

/// See [`ignore`]. It belongs to its thread.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Ignored(PhantomData<*const ()>);

impl Drop for Ignored {
    fn drop(&mut self) {
        if let Some(library) = library() {
            (library.ignore_end)();
        }
    }
}
