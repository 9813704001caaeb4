//! Where the functions of a linked-in allocator come to.
//!
//! Compilers know which registers a function of the same file leaves alone, and callers rely on it. So all that a call may
//! change is kept but the result. The real function is called by this frame of assembly, without a Rust frame between,
//! because mimalloc's operators throw.

use core::arch::naked_asm;
use core::ffi::c_void;
use core::mem::{MaybeUninit, offset_of};
use memtrace_hot::fault::Call;
use memtrace_hot::patch::names::Act;
use memtrace_hot::record::Taken;
use memtrace_hot::release::{ANY, Release};
use memtrace_hot::unwind::Entry;
use memtrace_wire::heap::Releaser;
use memtrace_wire::layout::Op;
use memtrace_wire::loss::Loss;

use super::{Hooked, hooked};
use crate::inside::{self, HOT, enter, passes, record, strikes};
use crate::{real, tls};

/// What stands in the frame of one call, at its lower end.
#[repr(C)]
struct Frame {
    /// What the function gives.
    result: u64,
    /// Where the real one is.
    real: u64,
    /// What is left to do when it has returned.
    rest: MaybeUninit<Rest>,
    /// rdi, rsi, rdx, rcx, r8, r9: the arguments; then rax, r10, r11.
    registers: [u64; 9],
    /// xmm0 to xmm15.
    vectors: [[u64; 2]; 16],
}

/// What is done when the real function has returned.
enum Rest {
    /// Nothing: the allocator has called itself.
    Nothing,
    /// It is no sample, or nothing is recorded.
    Leave,
    /// A block is recorded: how it came, the bytes asked for, and the block that it takes the place of.
    Record(Op, u64, Option<Taken>),
}

const RESULT: usize = offset_of!(Frame, result);
const REAL: usize = offset_of!(Frame, real);
const REGISTERS: usize = offset_of!(Frame, registers);
const VECTORS: usize = offset_of!(Frame, vectors);
/// The stack is aligned to 16 where the number was pushed, and to 8 below the caller's rbp.
const FRAME_BYTES: usize = size_of::<Frame>().next_multiple_of(16) + 8;
/// Little beside what the real function takes.
const _: () = assert!(FRAME_BYTES <= 512);

/// See above. A stub has pushed the function's number.
#[unsafe(naked)]
pub unsafe extern "C" fn arrive() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_def_cfa_offset 16",
        "push rbp",
        ".cfi_def_cfa_offset 24",
        ".cfi_offset rbp, -24",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "sub rsp, {bytes}",
        "mov [rsp + {registers}], rdi",
        "mov [rsp + {registers} + 8], rsi",
        "mov [rsp + {registers} + 16], rdx",
        "mov [rsp + {registers} + 24], rcx",
        "mov [rsp + {registers} + 32], r8",
        "mov [rsp + {registers} + 40], r9",
        "mov [rsp + {registers} + 48], rax",
        "mov [rsp + {registers} + 56], r10",
        "mov [rsp + {registers} + 64], r11",
        "movups [rsp + {vectors}], xmm0",
        "movups [rsp + {vectors} + 16], xmm1",
        "movups [rsp + {vectors} + 32], xmm2",
        "movups [rsp + {vectors} + 48], xmm3",
        "movups [rsp + {vectors} + 64], xmm4",
        "movups [rsp + {vectors} + 80], xmm5",
        "movups [rsp + {vectors} + 96], xmm6",
        "movups [rsp + {vectors} + 112], xmm7",
        "movups [rsp + {vectors} + 128], xmm8",
        "movups [rsp + {vectors} + 144], xmm9",
        "movups [rsp + {vectors} + 160], xmm10",
        "movups [rsp + {vectors} + 176], xmm11",
        "movups [rsp + {vectors} + 192], xmm12",
        "movups [rsp + {vectors} + 208], xmm13",
        "movups [rsp + {vectors} + 224], xmm14",
        "movups [rsp + {vectors} + 240], xmm15",
        "mov rdi, rsp",
        "lea rsi, [rbp + 16]",
        "mov rdx, [rbp]",
        "mov rcx, [rbp + 8]",
        "call {before}",
        "test eax, eax",
        "je 2f",
        "mov rdi, [rsp + {registers}]",
        "mov rsi, [rsp + {registers} + 8]",
        "mov rdx, [rsp + {registers} + 16]",
        "mov rcx, [rsp + {registers} + 24]",
        "mov r8, [rsp + {registers} + 32]",
        "mov r9, [rsp + {registers} + 40]",
        "mov rax, [rsp + {registers} + 48]",
        "mov r10, [rsp + {registers} + 56]",
        "call [rsp + {real}]",
        "mov [rsp + {result}], rax",
        "mov rdi, rsp",
        "lea rsi, [rbp + 16]",
        "mov rdx, [rbp]",
        "mov rcx, [rbp + 8]",
        "call {after}",
        "2:",
        "mov rdi, [rsp + {registers}]",
        "mov rsi, [rsp + {registers} + 8]",
        "mov rdx, [rsp + {registers} + 16]",
        "mov rcx, [rsp + {registers} + 24]",
        "mov r8, [rsp + {registers} + 32]",
        "mov r9, [rsp + {registers} + 40]",
        "mov r10, [rsp + {registers} + 56]",
        "mov r11, [rsp + {registers} + 64]",
        "movups xmm0, [rsp + {vectors}]",
        "movups xmm1, [rsp + {vectors} + 16]",
        "movups xmm2, [rsp + {vectors} + 32]",
        "movups xmm3, [rsp + {vectors} + 48]",
        "movups xmm4, [rsp + {vectors} + 64]",
        "movups xmm5, [rsp + {vectors} + 80]",
        "movups xmm6, [rsp + {vectors} + 96]",
        "movups xmm7, [rsp + {vectors} + 112]",
        "movups xmm8, [rsp + {vectors} + 128]",
        "movups xmm9, [rsp + {vectors} + 144]",
        "movups xmm10, [rsp + {vectors} + 160]",
        "movups xmm11, [rsp + {vectors} + 176]",
        "movups xmm12, [rsp + {vectors} + 192]",
        "movups xmm13, [rsp + {vectors} + 208]",
        "movups xmm14, [rsp + {vectors} + 224]",
        "movups xmm15, [rsp + {vectors} + 240]",
        "mov rax, [rsp + {result}]",
        "leave",
        ".cfi_def_cfa rsp, 16",
        "lea rsp, [rsp + 8]",
        ".cfi_def_cfa_offset 8",
        "ret",
        ".cfi_endproc",
        bytes = const FRAME_BYTES,
        registers = const REGISTERS,
        vectors = const VECTORS,
        real = const REAL,
        result = const RESULT,
        before = sym before,
        after = sym after,
    )
}

/// Before the real function. 0: it is not to be called, the result is there.
extern "C" fn before(frame: &mut Frame, sp: u64, bp: u64, number: u64) -> u32 {
    let hooked = hooked(number);
    frame.real = hooked.real;
    // What the allocator calls of itself is a part of the first call; one that was left by an exception was further up.
    if sp < tls::bundled() {
        frame.rest.write(Rest::Nothing);
        return 1;
    }
    tls::set_bundled(sp);
    match record_later(hooked, &frame.registers, Entry { sp, bp }) {
        Ok(rest) => {
            frame.rest.write(rest);
            1
        }
        Err(Fails(result)) => {
            tls::set_bundled(0);
            frame.result = result;
            0
        }
    }
}

/// MALLOC_FAIL_* fails the call, which then gives this.
struct Fails(u64);

/// What is to be recorded when the function has returned. What it takes is taken out of the tables.
fn record_later(hooked: &Hooked, registers: &[u64; 9], entry: Entry) -> Result<Rest, Fails> {
    if !inside::is_active() {
        return Ok(Rest::Leave);
    }
    let argument = |place: u8| registers.get(usize::from(place)).copied().unwrap_or(0);
    let product = |one: u8, two: Option<u8>| argument(one).saturating_mul(two.map_or(1, argument));
    let (op, bytes, old) = match hooked.act {
        Act::Allocate(one, two) => (if two.is_some() { Op::Calloc } else { Op::Malloc }, product(one, two), 0),
        Act::AllocateInto(one) => (Op::PosixMemalign, argument(one), 0),
        Act::Reallocate(old, one, two) => (Op::Realloc, product(one, two), argument(old)),
        Act::Release(old) => {
            take(entry, Releaser::FREE, argument(old));
            return Ok(Rest::Leave);
        }
    };
    if old == 0 && passes(bytes as usize) {
        return Ok(Rest::Leave);
    }
    let may_fail = !hooked.throws && (old == 0 || bytes != 0) && HOT.fault.armed.get() != 0;
    if may_fail && strikes(Call { entry, op, bytes, old }) {
        let ends_in_error = op == Op::PosixMemalign;
        if !ends_in_error {
            real::set_errno(libc::ENOMEM);
        }
        return Err(Fails(if ends_in_error { libc::ENOMEM as u64 } else { 0 }));
    }
    Ok(Rest::Record(op, bytes, take(entry, Releaser::REALLOC, old)))
}

/// Takes a block out of the tables.
fn take(entry: Entry, by: Releaser, old: u64) -> Option<Taken> {
    if old == 0 {
        return None;
    }
    match enter(entry) {
        Some(inside) => HOT.released_if_known(inside, Release { entry, by, given: ANY }, old),
        None if tls::is_busy() => None,
        None => HOT.released_blindly(old),
    }
}

/// After it.
extern "C" fn after(frame: &mut Frame, sp: u64, bp: u64, number: u64) {
    // SAFETY: `before` has written it, and this is the only one to read it.
    let rest = unsafe { frame.rest.assume_init_read() };
    if matches!(rest, Rest::Nothing) {
        return;
    }
    tls::set_bundled(0);
    let Rest::Record(op, bytes, taken) = rest else { return };
    let entry = Entry { sp, bp };
    let block = match hooked(number).act {
        Act::AllocateInto(_) if frame.result as u32 != 0 => 0,
        // SAFETY: the function says that it has just written it there.
        Act::AllocateInto(_) => unsafe { *(frame.registers[0] as *const u64) },
        _ => frame.result,
    };
    match (block, taken) {
        // A size of zero can be a free.
        (0, Some(_)) if bytes == 0 => {}
        (0, Some(taken)) => match enter(entry) {
            Some(inside) => HOT.put_back(inside, taken),
            None => HOT.allocated_blindly(taken.block.address, taken.block.bytes, Loss::Nested),
        },
        _ => record(entry, op, bytes as usize, block as *mut c_void, taken.map(|taken| taken.block.address)),
    }
}
