//! Allocations of which the program's own macros say file, line, function and type: `include/memtrace.h` declares them.
//!
//! They allocate themselves, so the ordinary hooks have nothing to ask.

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use memtrace_hot::source::Source;
use memtrace_hot::unwind::Entry;
use memtrace_wire::layout::Op;

use crate::hooks::{hook, product};
use crate::inside::{HOT, allocate_for, enter, is_active};
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

hook!(
    /// A block that was allocated already stands at this source site. Nothing, where it is not known.
    memtrace_source_track(site: *const Site, block: *mut c_void) -> (), entry => with(site, |source| {
        if is_active() && let Some(inside) = enter(entry) {
            HOT.attribute(inside, block as u64, source);
        }
    })
);
hook!(
    /// malloc for code that gives file and line alone: `debug_malloc` of libmemtrace_debugmem.so ends here, by a jump.
    memtrace_at_malloc(size: usize, file: *const c_char, line: c_int) -> *mut c_void, entry => {
        let source = at(file, line);
        allocate_for(&source, entry, Op::Malloc, core::ptr::null_mut(), size, || real::malloc(size))
    }
);
hook!(
    /// The same for calloc.
    memtrace_at_calloc(count: usize, size: usize, file: *const c_char, line: c_int) -> *mut c_void, entry => {
        let (source, bytes) = (at(file, line), product(count, size));
        allocate_for(&source, entry, Op::Calloc, core::ptr::null_mut(), bytes, || real::calloc(count, size))
    }
);
hook!(
    /// The same for realloc.
    memtrace_at_realloc(old: *mut c_void, size: usize, file: *const c_char, line: c_int) -> *mut c_void, entry => {
        let source = at(file, line);
        allocate_for(&source, entry, Op::Realloc, old, size, || real::realloc(old, size))
    }
);
hook!(
    /// `memtrace_source_track` for such code.
    memtrace_at_track(block: *mut c_void, file: *const c_char, line: c_int) -> (), entry => {
        if is_active() && let Some(inside) = enter(entry) {
            HOT.attribute(inside, block as u64, &at(file, line));
        }
    }
);

/// What is allocated next from below stands at this place of the source. `sp` and `bp`: registers at the entry of the
/// function that the program has called; its caller is where the stack begins. 1: it holds until
/// `memtrace_source_leave`; 0: an outer one does, or nothing is recorded.
///
/// # Safety
/// `file` is a C string or null; the registers are those of a frame of this thread that has not ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtrace_source_enter(file: *const c_char, line: c_int, sp: u64, bp: u64) -> c_int {
    let entry = Entry { sp, bp };
    match enter(entry) {
        Some(inside) if is_active() => c_int::from(HOT.announce_below(inside, entry, &at(file, line))),
        _ => 0,
    }
}

/// That function is about to return.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_source_leave(sp: u64, bp: u64) {
    if let Some(inside) = enter(Entry { sp, bp }) {
        HOT.announced_left(inside.body, sp);
    }
}

fn at<'t>(file: *const c_char, line: c_int) -> Source<'t> {
    Source { file: text(file), line: u64::try_from(line).unwrap_or(0), function: b"", kind: b"" }
}

fn text<'t>(text: *const c_char) -> &'t [u8] {
    match text.is_null() {
        true => &[],
        // SAFETY: C strings, by the contract of those who give them.
        false => unsafe { CStr::from_ptr(text) }.to_bytes(),
    }
}

fn aligned(source: &Source<'_>, entry: Entry, alignment: usize, size: usize) -> *mut c_void {
    let none = core::ptr::null_mut();
    allocate_for(source, entry, Op::AlignedAlloc, none, size, || real::aligned_alloc(alignment, size))
}

fn with<T>(site: *const Site, call: impl FnOnce(&Source<'_>) -> T) -> T {
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
