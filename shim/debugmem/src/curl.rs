//! `curl_dbg_malloc` and its relatives, of curl's debug builds: line before source, and a header of curl's own in front of
//! each block. So curl's functions do what they always did, and only the place is told before.

use core::arch::naked_asm;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};
use memtrace_hot::unwind::elf::{self, Name};
use memtrace_hot::unwind::object::Dynamic;

use crate::CURL;

unsafe extern "C" {
    /// Our own dynamic section.
    #[link_name = "_DYNAMIC"]
    static OWN_DYNAMIC: Dynamic;
}

type Enter = unsafe extern "C" fn(*const c_char, c_int, u64, u64) -> c_int;
type Leave = extern "C" fn(u64, u64);

/// An exported function: its naked entry hands rsp and rbp, which show the caller's frame, to the body as two further
/// arguments. The body is curl's own function; the C library's, with the first arguments, where there is none.
macro_rules! curl {
    ($($name:ident($($argument:ident: $ty:ty),*; line, source) -> $result:ty, $plain:path, $sp:literal, $bp:literal;)*) => {
        $(
            #[doc = concat!("See curl's lib/memdebug.h, `", stringify!($name), "`.")]
            ///
            /// # Safety
            /// As curl's function of this name.
            #[unsafe(naked)]
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($argument: $ty,)* line: c_int, source: *const c_char) -> $result {
                extern "C" fn body($($argument: $ty,)* line: c_int, source: *const c_char, sp: u64, bp: u64) -> $result {
                    static NEXT: Next = Next::new(concat!(stringify!($name), "\0"));
                    within(source, line, sp, bp, || match NEXT.address() {
                        // SAFETY: by this function's contract.
                        0 => unsafe { $plain($($argument),*) },
                        // SAFETY: curl's function of this name has this type.
                        address => unsafe {
                            let real: extern "C" fn($($ty,)* c_int, *const c_char) -> $result = core::mem::transmute(address);
                            real($($argument,)* line, source)
                        },
                    })
                }
                naked_asm!(".cfi_startproc", $sp, $bp, "jmp {body}", ".cfi_endproc", body = sym body)
            }
        )*
    };
}

curl! {
    curl_dbg_malloc(size: usize; line, source) -> *mut c_void, libc::malloc, "mov rcx, rsp", "mov r8, rbp";
    curl_dbg_calloc(count: usize, size: usize; line, source) -> *mut c_void, libc::calloc, "mov r8, rsp", "mov r9, rbp";
    curl_dbg_realloc(old: *mut c_void, size: usize; line, source) -> *mut c_void, libc::realloc, "mov r8, rsp", "mov r9, rbp";
    curl_dbg_strdup(text: *const c_char; line, source) -> *mut c_char, libc::strdup, "mov rcx, rsp", "mov r8, rbp";
}

/// Makes a call whose first allocation stands at that place, if that is asked for and memtrace is there.
fn within<T>(source: *const c_char, line: c_int, sp: u64, bp: u64, call: impl FnOnce() -> T) -> T {
    let (enter, leave) = (enter(), leave());
    if !CURL.load(Ordering::Relaxed) || enter == 0 || leave == 0 {
        return call();
    }
    // SAFETY: libmemtrace.so's functions of these names have these types; the registers are those of our entry.
    let is_told = unsafe { core::mem::transmute::<usize, Enter>(enter)(source, line, sp, bp) } != 0;
    let result = call();
    if is_told {
        // SAFETY: as above.
        unsafe { core::mem::transmute::<usize, Leave>(leave)(sp, bp) };
    }
    result
}

/// The next function of a name in link order, looked up when it is first called.
struct Next {
    address: AtomicUsize,
    name: Name,
}

impl Next {
    const fn new(name: &'static str) -> Next {
        match CStr::from_bytes_with_nul(name.as_bytes()) {
            Ok(name) => Next { address: AtomicUsize::new(0), name },
            Err(_) => panic!("a name ends with a NUL"),
        }
    }

    /// 0: no other library has it.
    fn address(&self) -> usize {
        match self.address.load(Ordering::Relaxed) {
            0 => {
                let found = elf::next(&raw const OWN_DYNAMIC, self.name).map_or(0, |(address, _)| address);
                self.address.store(found, Ordering::Relaxed);
                found
            }
            known => known,
        }
    }
}

/// The address of `memtrace_source_enter`, which the loader has put there; 0 without libmemtrace.so.
#[unsafe(naked)]
extern "C" fn enter() -> usize {
    naked_asm!(".weak memtrace_source_enter", "mov rax, [rip + memtrace_source_enter@GOTPCREL]", "ret")
}

/// The same for `memtrace_source_leave`.
#[unsafe(naked)]
extern "C" fn leave() -> usize {
    naked_asm!(".weak memtrace_source_leave", "mov rax, [rip + memtrace_source_leave@GOTPCREL]", "ret")
}
