//! The functions of `memtrace.h`, if `libmemtrace.so` is in the process.
//!
//! They are looked up once, by name, so a program that uses this crate is linked without the library. Where that is not
//! in the process, or is one of another time that lacks a function, there is nothing here.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::sync::OnceLock;

/// The functions; see `shim/include/memtrace.h` for what each does.
pub struct Library {
    arm_for: unsafe extern "C" fn(u64, u64, *const c_char, c_uint) -> c_int,
    last: unsafe extern "C" fn(*mut c_char, usize) -> usize,
    marker: unsafe extern "C" fn(*const c_char),
    region_begin: unsafe extern "C" fn(*const c_char),
    pub disarm: extern "C" fn(),
    pub fired: extern "C" fn() -> u64,
    pub seen: extern "C" fn() -> u64,
    pub pause: extern "C" fn(),
    pub resume: extern "C" fn(),
    pub benign_begin: extern "C" fn(),
    pub benign_end: extern "C" fn(),
    pub check_leaks: extern "C" fn() -> i64,
    pub checkpoint: extern "C" fn() -> u64,
    pub leaks_since: extern "C" fn(u64) -> i64,
    pub live_bytes: extern "C" fn() -> u64,
    pub live_blocks: extern "C" fn() -> u64,
    pub ignore_begin: extern "C" fn(),
    pub ignore_end: extern "C" fn(),
    pub region_end: extern "C" fn(),
    pub report: extern "C" fn(c_int) -> c_int,
}

/// `MEMTRACE_THIS_THREAD`.
const THIS_THREAD: c_uint = 1;

/// Digits of a point's name.
pub const DIGITS: usize = 16;

/// The library.
pub fn library() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    LIBRARY.get_or_init(find).as_ref()
}

/// The function of this name, as a pointer of the type that is asked for.
macro_rules! function {
    ($name:literal) => {{
        // SAFETY: a C string; nothing is asked of the process but whether it has the name.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, $name.as_ptr()) };
        if address.is_null() {
            return None;
        }
        // SAFETY: a function of this name has the type of its field: both are those of `memtrace.h`.
        unsafe { std::mem::transmute(address) }
    }};
}

#[expect(clippy::missing_transmute_annotations, reason = "each field has the type of its function")]
fn find() -> Option<Library> {
    Some(Library {
        arm_for: function!(c"memtrace_fault_arm_for"),
        last: function!(c"memtrace_fault_last"),
        marker: function!(c"memtrace_marker"),
        disarm: function!(c"memtrace_fault_disarm"),
        fired: function!(c"memtrace_fault_fired"),
        seen: function!(c"memtrace_fault_seen"),
        pause: function!(c"memtrace_fault_pause"),
        resume: function!(c"memtrace_fault_resume"),
        benign_begin: function!(c"memtrace_fault_benign_begin"),
        benign_end: function!(c"memtrace_fault_benign_end"),
        check_leaks: function!(c"memtrace_check_leaks"),
        checkpoint: function!(c"memtrace_checkpoint"),
        leaks_since: function!(c"memtrace_leaks_since"),
        live_bytes: function!(c"memtrace_live_bytes"),
        live_blocks: function!(c"memtrace_live_blocks"),
        ignore_begin: function!(c"memtrace_ignore_begin"),
        ignore_end: function!(c"memtrace_ignore_end"),
        region_begin: function!(c"memtrace_region_begin"),
        region_end: function!(c"memtrace_region_end"),
        report: function!(c"memtrace_report"),
    })
}

impl Library {
    /// Arms a failure. False: the list of modules is too long.
    pub fn arm_for(&self, after: u64, count: u64, modules: Option<&CStr>, is_for_this_thread: bool) -> bool {
        let flags = if is_for_this_thread { THIS_THREAD } else { 0 };
        // SAFETY: null or a C string, which is read in the call only.
        unsafe { (self.arm_for)(after, count, modules.map_or(std::ptr::null(), CStr::as_ptr), flags) != 0 }
    }

    /// The name of the stack whose allocation failed last.
    pub fn last(&self) -> Option<[u8; DIGITS]> {
        let mut buffer = [0u8; DIGITS + 1];
        // SAFETY: the buffer has so many bytes.
        let length = unsafe { (self.last)(buffer.as_mut_ptr().cast(), buffer.len()) };
        buffer.first_chunk().copied().filter(|_| length == DIGITS)
    }

    /// Begins a region.
    pub fn region(&self, name: &CStr) {
        // SAFETY: a C string, which is read in the call only.
        unsafe { (self.region_begin)(name.as_ptr()) }
    }

    /// Gives a marker.
    pub fn marker(&self, name: &CStr) {
        // SAFETY: a C string, which is read in the call only.
        unsafe { (self.marker)(name.as_ptr()) }
    }
}
