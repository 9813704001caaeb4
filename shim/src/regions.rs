//! Regions of the program, by name: what a thread allocates in them says so in reports (`include/memtrace.h`).

use core::ffi::{CStr, c_char};

use crate::inside::{self, HOT, is_active};

/// What this thread allocates until `memtrace_region_end` stands in a region of this name; regions nest.
///
/// # Safety
/// `name` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtrace_region_begin(name: *const c_char) {
    let name = match name.is_null() {
        true => c"",
        // SAFETY: by this function's contract.
        false => unsafe { CStr::from_ptr(name) },
    };
    let here = &raw const name as u64;
    if is_active()
        && let Some(inside) = inside::thread().and_then(|thread| thread.enter(&HOT, here))
    {
        HOT.region_begin(inside, name.to_bytes());
    }
}

/// The innermost region of this thread ends; nothing, if it is in none.
#[unsafe(no_mangle)]
pub extern "C" fn memtrace_region_end() {
    let here = 0u8;
    if is_active()
        && let Some(inside) = inside::thread().and_then(|thread| thread.enter(&HOT, &raw const here as u64))
    {
        HOT.region_end(inside);
    }
}
