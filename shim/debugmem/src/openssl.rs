//! OpenSSL: its allocation functions are replaced before it allocates, and are given file and line.
//!
//! Only a libcrypto that was loaded with the program is reached. One that has allocated already refuses, and stays as it
//! is; so does a program that sets functions of its own later.

use core::arch::naked_asm;
use core::ffi::{c_char, c_int, c_void};

use crate::debug::{debug_free, debug_malloc, debug_realloc};

type Allocate = unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void;
type Reallocate = unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void, *const c_char, c_int);
type Set = unsafe extern "C" fn(Allocate, Reallocate, Free) -> c_int;

/// Gives ours to libcrypto, if it is there.
pub fn set() {
    let address = function();
    if address != 0 {
        // SAFETY: libcrypto's function of this name has this type (CRYPTO_set_mem_functions(3), since 1.1.0).
        unsafe { core::mem::transmute::<usize, Set>(address)(debug_malloc, debug_realloc, debug_free) };
    }
}

/// The address of `CRYPTO_set_mem_functions`, which the loader has put there; 0 without libcrypto.
#[unsafe(naked)]
extern "C" fn function() -> usize {
    naked_asm!(".weak CRYPTO_set_mem_functions", "mov rax, [rip + CRYPTO_set_mem_functions@GOTPCREL]", "ret")
}
