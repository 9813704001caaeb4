//! The functions behind ours: the next definitions in link order, and the question that the first library answers.

use core::arch::naked_asm;
use core::ffi::CStr;
use core::sync::atomic::{AtomicUsize, Ordering};
use memtrace_hot::unwind::elf::{self, Name};
use memtrace_hot::unwind::object::Dynamic;
use memtrace_wire::op::{Failure, Op};

unsafe extern "C" {
    /// Our own dynamic section.
    #[link_name = "_DYNAMIC"]
    static OWN_DYNAMIC: Dynamic;
}

/// One function, looked up when it is first called.
pub struct Next {
    address: AtomicUsize,
    name: Name,
}

/// What becomes of a call.
#[repr(C)]
pub struct Decision {
    /// Where it goes on; 0: nowhere.
    address: usize,
    /// What it gives then.
    result: isize,
}

type Strikes = unsafe extern "C" fn(op: u32, sp: u64, bp: u64, first: u64) -> i32;

impl Next {
    /// The function of this name, which ends with a NUL.
    pub const fn new(name: &'static str) -> Next {
        match CStr::from_bytes_with_nul(name.as_bytes()) {
            Ok(name) => Next { address: AtomicUsize::new(0), name },
            Err(_) => panic!("a name ends with a NUL"),
        }
    }

    /// What becomes of a call that was entered with these registers.
    pub fn decide(&self, op: Op, sp: u64, bp: u64, first: u64) -> Decision {
        let strikes = strikes();
        if strikes != 0 {
            // SAFETY: libmemtrace.so's function of this name has this type.
            let strikes = unsafe { core::mem::transmute::<usize, Strikes>(strikes) };
            // SAFETY: the registers are those of an entry of ours.
            let errno = unsafe { strikes(op as u32, sp, bp, first) };
            if errno != 0 {
                return Decision { address: 0, result: failed(op, errno) };
            }
        }
        // Nobody can call what no library has, but by a weak reference that ours has filled in.
        Decision { address: self.address(), result: failed(op, libc::ENOSYS) }
    }

    fn address(&self) -> usize {
        match self.address.load(Ordering::Relaxed) {
            0 => self.look(),
            known => known,
        }
    }

    #[cold]
    fn look(&self) -> usize {
        let found = elf::next(&raw const OWN_DYNAMIC, self.name).map_or(0, |(address, _)| address);
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

/// What a call gives that fails.
fn failed(op: Op, errno: i32) -> isize {
    match op.call().map(|call| call.failure) {
        Some(Failure::Null) => 0,
        Some(Failure::Error) => errno as isize,
        Some(Failure::MinusOne) | None => -1,
    }
}

/// The address of `memtrace_call_strikes`, which the loader has put there; 0 without libmemtrace.so.
#[unsafe(naked)]
extern "C" fn strikes() -> usize {
    naked_asm!(".weak memtrace_call_strikes", "mov rax, [rip + memtrace_call_strikes@GOTPCREL]", "ret")
}
