//! Allocations of which the program's own macros say file, line, function and type: `include/memtrace.h` declares them.
//!
//! They allocate themselves, so the ordinary hooks have nothing to ask.

use core::ffi::{CStr, c_char, c_uint, c_void};
use memtrace_hot::source::Source;
use memtrace_hot::unwind::Entry;
use memtrace_wire::layout::Op;

use crate::hooks::{hook, product};
use crate::inside::allocate_for;
use crate::real;

/// `struct memtrace_site` of the header: C strings, or null.
#[repr(C)]
pub struct Site {
    file: *const c_char,
    function: *const c_char,
    /// What the result is cast to.
    kind: *const c_char,
    line: c_uint,
    /// Not used yet; 0.
    flags: c_uint,
}

hook!(
    /// malloc from a source site. `site`: it and its texts are read in the call only.
    memtrace_source_malloc(site: *const Site, size: usize) -> *mut c_void, entry =>
        with(site, |source| allocate_for(source, entry, Op::Malloc, core::ptr::null_mut(), size, || real::malloc(size)))
);
hook!(
    /// calloc from a source site.
    memtrace_source_calloc(site: *const Site, count: usize, size: usize) -> *mut c_void, entry =>
        with(site, |source| {
            let bytes = product(count, size);
            allocate_for(source, entry, Op::Calloc, core::ptr::null_mut(), bytes, || real::calloc(count, size))
        })
);
hook!(
    /// realloc from a source site.
    memtrace_source_realloc(site: *const Site, old: *mut c_void, size: usize) -> *mut c_void, entry =>
        with(site, |source| allocate_for(source, entry, Op::Realloc, old, size, || real::realloc(old, size)))
);
hook!(
    /// aligned_alloc from a source site.
    memtrace_source_aligned(site: *const Site, alignment: usize, size: usize) -> *mut c_void, entry =>
        with(site, |source| aligned(source, entry, alignment, size))
);

fn aligned(source: &Source<'_>, entry: Entry, alignment: usize, size: usize) -> *mut c_void {
    let none = core::ptr::null_mut();
    allocate_for(source, entry, Op::AlignedAlloc, none, size, || real::aligned_alloc(alignment, size))
}

fn with<T>(site: *const Site, call: impl FnOnce(&Source<'_>) -> T) -> T {
    let text = |text: *const c_char| match text.is_null() {
        true => &[],
        // SAFETY: C strings, by the contract of `struct memtrace_site`.
        false => unsafe { CStr::from_ptr(text) }.to_bytes(),
    };
    // SAFETY: null, or a site of the caller's.
    call(&match unsafe { site.as_ref() } {
        Some(site) => Source {
            file: text(site.file),
            line: site.line.into(),
            function: text(site.function),
            kind: text(site.kind),
        },
        None => Source { file: b"", line: 0, function: b"", kind: b"" },
    })
}
