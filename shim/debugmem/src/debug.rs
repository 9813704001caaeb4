//! `debug_malloc` and its relatives: each leaves by a jump, so that no frame of ours stands in the stack.

use core::arch::naked_asm;
use core::ffi::{c_char, c_int, c_void};

/// Exported functions, each with the one of libmemtrace.so and the C library's that take its first arguments.
macro_rules! debug {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $ty:ty),*) -> $result:ty, $with:literal, $without:literal;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As the C library's function; `file` is a C string or null.
            #[unsafe(naked)]
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($argument: $ty),*) -> $result {
                naked_asm!(
                    ".cfi_startproc",
                    concat!(".weak ", $with),
                    concat!("mov rax, qword ptr [rip + ", $with, "@GOTPCREL]"),
                    "test rax, rax",
                    "je 2f",
                    "jmp rax",
                    concat!("2: jmp qword ptr [rip + ", $without, "@GOTPCREL]"),
                    ".cfi_endproc",
                )
            }
        )*
    };
}

debug! {
    /// malloc from this place of the source.
    debug_malloc(size: usize, file: *const c_char, line: c_int) -> *mut c_void, "memtrace_at_malloc", "malloc";
    /// calloc from this place of the source.
    debug_calloc(count: usize, size: usize, file: *const c_char, line: c_int) -> *mut c_void, "memtrace_at_calloc", "calloc";
    /// realloc from this place of the source.
    debug_realloc(old: *mut c_void, size: usize, file: *const c_char, line: c_int) -> *mut c_void, "memtrace_at_realloc", "realloc";
    /// free: where it is called from is not told apart.
    debug_free(old: *mut c_void, file: *const c_char, line: c_int) -> (), "free", "free";
}

/// The block, which exists already, stands at this place of the source.
///
/// # Safety
/// `file` is a C string or null.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn debug_track_aligned(block: *mut c_void, size: usize, file: *const c_char, line: c_int) {
    naked_asm!(
        ".cfi_startproc",
        ".weak memtrace_at_track",
        "mov rax, qword ptr [rip + memtrace_at_track@GOTPCREL]",
        "mov rsi, rdx",
        "mov edx, ecx",
        "test rax, rax",
        "je 2f",
        "jmp rax",
        "2: ret",
        ".cfi_endproc",
    )
}
