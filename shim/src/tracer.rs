//! What a tracer lets a thread do that it has stopped anywhere: begin a check, take its stack.
//!
//! The thread goes on at one of these functions with its registers saved, on its own stack below what is in use, or on
//! `memtrace_tracer_stack`. When it is done, the first of its words is the result and the second `BEGUN`; then it turns
//! in circles until the tracer takes over again. A trap would be a signal, and change what the target has chosen to do
//! with it.

use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::ffi::CStr;
use memtrace_cold::{Ending, Own};
use memtrace_hot::unwind::stopped::Held;
use memtrace_wire::dead::Dead;
use memtrace_wire::layout::{BEGUN, Cause, TRACER_STACK_BYTES};
use memtrace_wire::{settings, sys};

use crate::inside::HOT;
use crate::{end, start};

macro_rules! tracer_entry {
    ($(#[$doc:meta])* $name:ident($words:ty) => $body:ident) => {
        $(#[$doc])*
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(words: *mut $words, number: u32) {
            naked_asm!(
                ".cfi_startproc",
                ".cfi_undefined rip",
                "cld",
                "mov rbx, rdi",
                "call {body}",
                "mov [rbx], rax",
                "movabs rax, {begun}",
                "mov [rbx + 8], rax",
                "2:",
                "pause",
                "jmp 2b",
                ".cfi_endproc",
                body = sym $body,
                begun = const BEGUN,
            )
        }
    };
}

tracer_entry! {
    /// Begins a check for a command. The result is the id of the process that checks, or 0: none could be made, -1:
    /// there is no recording.
    ///
    /// # Safety
    /// `words` is what the thread held: rip, rsp, rbp, rbx, r12 to r15; `number` is a `Cause`.
    memtrace_check_here(Held) => check_for_command
}

tracer_entry! {
    /// Takes the thread's stack. The result is its node, or 0: it cannot be taken here, -1: there is no recording.
    ///
    /// # Safety
    /// `words` is what the thread held: rip, rsp, rbp, rbx, r12 to r15; `number` is 0.
    memtrace_stack_here(Held) => stack_for_command
}

tracer_entry! {
    /// Looks for the freed block that a crash is about, and records it. The result is 1, or 0: there is none, -1: there is
    /// no recording.
    ///
    /// # Safety
    /// `words` is what the thread held, and behind that the address of the fault; `number` is 0.
    memtrace_crash_here(Crashed) => crash_for_command
}

/// What a thread held, and the address of its fault.
type Crashed = [u64; 9];

/// The launcher has given this process the memory of one that a signal ends: checks it, and ends.
///
/// # Safety
/// `dead` is what it points to, and so are its own pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memtrace_check_dead(dead: *const Dead) -> ! {
    // SAFETY: by this function's contract.
    let Dead { pid, maps, threads, count } = unsafe { *dead };
    // SAFETY: as above.
    let (threads, maps) = unsafe { (core::slice::from_raw_parts(threads, count as usize), CStr::from_ptr(maps)) };
    // A fork child that has not begun anew has no tables.
    let is_own =
        start::is_own_process() && HOT.store.process().is_some_and(|process| u64::from(process.pid.get()) == pid);
    // The end that it had come to was looked at.
    if is_own && HOT.store.is_shared() && !sys::is_sealed() && !end::is_finished() {
        let settings = settings::parse(start::own_variables());
        memtrace_cold::check_dead(&end::ending(&settings, None), pid, threads, maps);
    }
    loop {
        // SAFETY: ends this process.
        unsafe { sys::call(libc::SYS_exit_group, 0, 0, 0, 0) };
    }
}

extern "C" fn check_for_command(held: &Held, cause: u32) -> i64 {
    let cause = Cause::from_number(cause).unwrap_or(Cause::Command);
    if end::own_process().is_none() || sys::is_sealed() {
        return -1;
    }
    // The end that it has come to was looked at.
    if cause == Cause::Death && end::is_finished() {
        return 0;
    }
    let settings = settings::parse(start::own_variables());
    let [pc, sp, rbp, rbx, r12, r13, r14, r15] = *held;
    let registers = [rbx, rbp, r12, r13, r14, r15];
    let ending = Ending { own: Own { sp, pc, registers }, ..end::ending(&settings, None) };
    memtrace_cold::check_apart(&ending, cause).into()
}

extern "C" fn stack_for_command(held: &Held) -> i64 {
    // A fork child that has not called any hook yet begins anew here; one that is just doing so is left alone.
    if start::is_wiped() && !sys::is_sealed() {
        start::thread();
    }
    match end::own_process() {
        Some(_) => HOT.stack_of_stopped(held).into(),
        None => -1,
    }
}

extern "C" fn crash_for_command(crashed: &Crashed) -> i64 {
    let [held @ .., address] = *crashed;
    match end::own_process() {
        Some(_) => HOT.note_crash(&held, address).into(),
        None => -1,
    }
}

/// Room for these functions where the thread's own stack is used up: the tracer begins at its upper end.
#[repr(C, align(64))]
pub struct Room(UnsafeCell<[u8; TRACER_STACK_BYTES]>);

// SAFETY: nobody here looks at it; a tracer lets one thread at a time run on it.
unsafe impl Sync for Room {}

/// See `Room`.
#[unsafe(export_name = "memtrace_tracer_stack")]
pub static TRACER_STACK: Room = Room(UnsafeCell::new([0; TRACER_STACK_BYTES]));
