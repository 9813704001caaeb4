//! A call that is a heap error, such as a second free of a block: it goes on as without us, and the C library may end
//! the process for it, by abort or by a fault, without running any code of ours.
//!
//! For as long as the call takes, a handler stands where the program has none. It lets the end be told, and steps back:
//! the abort goes on, the instruction faults again. That of SIGABRT stays: the heap is broken, and the C library may
//! notice it later, in any call.

use memtrace_wire::layout::End;
use memtrace_wire::map::U64;
use memtrace_wire::sys;

use crate::end;
use crate::inside::HOT;

/// The kernel's sigaction (rt_sigaction(2)): handler, flags, restorer, mask.
type Action = [u64; 4];

const SIGNALS: [i32; 3] = [libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS];
const FAULTS: [i32; 2] = [libc::SIGSEGV, libc::SIGBUS];
const SA_RESTORER: u64 = 0x0400_0000;

/// Calls that are under way; the handlers go with the last.
static DEPTH: U64 = U64::new(0);

/// Stack pointer, rbx, rbp and r12 to r15 as they were before the call: what lies below is the C library's, and dead.
static PLACE: [U64; 7] = [const { U64::new(0) }; 7];

/// Fills `PLACE`. What the functions between here and the target have changed they have pushed, above.
#[inline(always)]
fn keep_place() {
    let mut found = [0u64; 7];
    // SAFETY: it stores registers into seven words.
    unsafe {
        core::arch::asm!(
            "mov [{to}], rsp",
            "mov [{to} + 8], rbx",
            "mov [{to} + 16], rbp",
            "mov [{to} + 24], r12",
            "mov [{to} + 32], r13",
            "mov [{to} + 40], r14",
            "mov [{to} + 48], r15",
            to = in(reg) found.as_mut_ptr(), options(nostack, preserves_flags)
        );
    }
    PLACE.iter().zip(found).for_each(|(place, value)| place.set(value));
}

/// Makes a call that is a heap error.
#[cold]
#[inline(never)]
pub fn call<T>(call: impl FnOnce() -> T) -> T {
    if sys::is_sealed() || end::own_process().is_none() {
        return call();
    }
    let ours = [handled as *const () as u64, SA_RESTORER | libc::SA_SIGINFO as u64, back as *const () as u64, 0];
    if DEPTH.fetch_add(1) == 0 {
        keep_place();
    }
    for signal in SIGNALS {
        if action(signal, None).is_some_and(|[handler, ..]| handler == libc::SIG_DFL as u64) {
            action(signal, Some(&ours));
        }
    }
    let result = call();
    if DEPTH.fetch_sub(1) == 1 {
        step_back(&FAULTS);
    }
    result
}

/// MEMTRACE_FATAL: the process ends here, as by abort, if there is an error.
pub fn stop_if_wanted() {
    let has_error = end::own_process().is_some_and(|process| process.heap_errors.get() != 0);
    if has_error && HOT.errors.fatal.replace(1, 0) {
        stop();
    }
}

#[cold]
fn stop() {
    end::begins(End::Abort, 0);
    end::finish_perhaps();
    send();
}

/// Asks for a signal's action, or sets it.
fn action(signal: i32, new: Option<&Action>) -> Option<Action> {
    let mut old: Action = [0; 4];
    let new = new.map_or(0, |new| new.as_ptr() as usize);
    // SAFETY: both actions are whole; masks have 8 bytes.
    let result = unsafe { sys::call(libc::SYS_rt_sigaction, signal as usize, new, old.as_mut_ptr() as usize, 8) };
    (result == 0).then_some(old)
}

/// Takes our handlers away, where they still stand.
fn step_back(signals: &[i32]) {
    for &signal in signals {
        if action(signal, None).is_some_and(|[handler, ..]| handler == handled as *const () as u64) {
            action(signal, Some(&[libc::SIG_DFL as u64, SA_RESTORER, back as *const () as u64, 0]));
        }
    }
}

/// The kernel's ucontext, as far as its general registers: r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp
/// (sys/ucontext.h).
type Context = [u64; 5 + 16];

extern "C" fn handled(signal: i32, _: u64, context: &Context) {
    step_back(&SIGNALS);
    let [_, _, _, _, _, _, _, _, _, r12, r13, r14, r15, _, _, rbp, rbx, _, _, _, sp] = *context;
    if let [last_sp, ..] = &end::LAST
        && last_sp.get() == 0
    {
        // What the kernel has saved below, registers for vectors among it, is nobody's.
        let now = [sp, rbx, rbp, r12, r13, r14, r15];
        let before = PLACE.each_ref().map(U64::get);
        let words = if DEPTH.get() != 0 { before } else { now };
        end::LAST.iter().zip(words).for_each(|(last, value)| last.set(value));
    }
    end::begins(End::Abort, 0);
    end::finish();
    if signal == libc::SIGABRT {
        // It may have come from elsewhere; it waits until this handler returns.
        send();
    }
}

fn send() {
    // SAFETY: a signal to this thread, which it was about to die of.
    unsafe { sys::call(libc::SYS_tgkill, sys::pid() as usize, sys::tid() as usize, libc::SIGABRT as usize, 0) };
}

/// Where a handler returns to.
#[unsafe(naked)]
unsafe extern "C" fn back() {
    core::arch::naked_asm!("mov eax, {sigreturn}", "syscall", sigreturn = const libc::SYS_rt_sigreturn)
}
