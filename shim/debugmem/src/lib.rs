//! Allocation functions of code that gives file and line with each call: what it says comes into memtrace's reports,
//! and nothing is recompiled.
//!
//! ```text
//!   target ──▶ debug_malloc(size, file, line) ──jump──▶ memtrace_at_malloc, of libmemtrace.so; malloc without it
//!   target ──▶ curl_dbg_malloc(size, line, file) ──▶ memtrace_source_enter ──▶ curl's own ──▶ memtrace_source_leave
//!   at the start: CRYPTO_set_mem_functions(debug_malloc, debug_realloc, debug_free), of libcrypto
//! ```
//!
//! It is loaded beside libmemtrace.so, or linked in place of a program's own functions of these names. The last two ways
//! are asked for by MEMTRACE_SOURCES. It has no state but addresses and what was asked for, and the laws in
//! `ARCHITECTURE.md` hold for it too.

#![no_std]

mod curl;
mod debug;
mod openssl;

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, Ordering};

memtrace_wire::no_panics!();

/// Whether MEMTRACE_SOURCES has `curl`.
static CURL: AtomicBool = AtomicBool::new(false);

/// What the loader calls, with what main will be called with.
#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn(c_int, *const *const c_char, *const *const c_char) = start;

extern "C" fn start(_: c_int, _: *const *const c_char, environment: *const *const c_char) {
    let mut at = environment;
    // SAFETY: a list of C strings that ends with a null pointer (the ABI of `.init_array` in glibc).
    while let Some(variable) = unsafe { at.as_ref() }.filter(|variable| !variable.is_null()) {
        // SAFETY: as above.
        let variable = unsafe { CStr::from_ptr(*variable) }.to_bytes();
        if let Some(value) = memtrace_wire::settings::value_of(variable, "MEMTRACE_SOURCES") {
            let has = |word: &[u8]| memtrace_wire::settings::sources(value).is_some_and(|words| words.has(word));
            CURL.store(has(b"curl"), Ordering::Relaxed);
            if has(b"openssl") {
                openssl::set();
            }
            return;
        }
        at = at.wrapping_add(1);
    }
}
