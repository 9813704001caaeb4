//! Modules and generated code coming and going.

use core::ffi::{c_int, c_void};

use crate::inside::{HOT, is_active};
use crate::process::passage;
use crate::{end, real};

extern "C" fn note_dlopen() -> usize {
    real::DLOPEN.get()
}

extern "C" fn note_dlmopen() -> usize {
    real::DLMOPEN.get()
}

extern "C" fn note_register_frame() -> usize {
    // Code was generated, perhaps where other code was.
    if is_active() && end::own_process().is_some() {
        HOT.rules.clear();
        HOT.generation.raise();
    }
    real::REGISTER_FRAME.get()
}

passage! {
    /// See dlopen(3): a jump, because it looks at its return address to find its caller's RUNPATH.
    dlopen, note_dlopen;
    /// See dlopen(3).
    dlmopen, note_dlmopen;
    /// libgcc's way to tell about generated code.
    __register_frame, note_register_frame;
}

/// See dlclose(3).
///
/// # Safety
/// As the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dlclose(handle: *mut c_void) -> c_int {
    let address = real::DLCLOSE.get();
    // SAFETY: the C library's function of this name has this type.
    let call: extern "C" fn(*mut c_void) -> c_int = unsafe { core::mem::transmute(address) };
    let result = call(handle);
    if is_active() && end::own_process().is_some() {
        HOT.look_again();
    }
    result
}
