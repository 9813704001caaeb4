//! What the kernel put above the first stack frame: arguments, environment, auxiliary vector.

use core::ffi::{CStr, c_char};

unsafe extern "C" {
    /// Where the kernel put argc (ld.so, since glibc 2.2.5).
    static __libc_stack_end: *const u64;
}

/// Where the kernel put argc.
pub fn stack_end() -> *const u64 {
    // SAFETY: the loader set it before it called anybody.
    unsafe { __libc_stack_end }
}

/// The C strings of a list that ends with a null pointer.
pub fn strings(list: *const u64) -> impl Iterator<Item = &'static [u8]> + Clone {
    (0..STRINGS_MAX).map_while(move |place| {
        // SAFETY: the kernel's lists end with a null pointer, and the walk ends there.
        let string = unsafe { *list.add(place) };
        // SAFETY: each entry is a C string that lives as long as the process.
        (string != 0).then(|| unsafe { CStr::from_ptr(string as *const c_char) }.to_bytes())
    })
}

/// Arguments or variables: the kernel's own limit is a quarter of the stack.
const STRINGS_MAX: usize = 1 << 20;

/// The list of arguments.
pub fn argument_list() -> *const u64 {
    stack_end().wrapping_add(1)
}

/// The environment of the start.
pub fn environment() -> *const u64 {
    // SAFETY: argc is where the kernel put it.
    let count = unsafe { *stack_end() } as usize;
    argument_list().wrapping_add(count + 1)
}

/// A value of the auxiliary vector (getauxval(3)), which follows the environment.
pub fn auxiliary(kind: u64) -> Option<u64> {
    let count = strings(environment()).count();
    let mut place = environment().wrapping_add(count + 1);
    for _ in 0..64 {
        // SAFETY: the vector ends with AT_NULL, and the walk ends there.
        let [found, value] = unsafe { *place.cast::<[u64; 2]>() };
        match found {
            0 => return None,
            _ if found == kind => return Some(value),
            _ => place = place.wrapping_add(2),
        }
    }
    None
}
