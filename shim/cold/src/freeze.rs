//! Stops all other threads and reads their registers, by ptrace(2).
//!
//! A thread cannot trace its own process, so a task with the same memory but a process of its own does it. It dies
//! alone if a filter of system calls kills it, and if it dies the kernel lets the threads go on.
//!
//! ```text
//!   target's thread ──clone, same memory──▶ tracer: seize, interrupt, read registers of each
//!        │ waits for DONE                       │ waits for RELEASE, detaches, ends
//!        ▼                                      ▼
//!     copies the process                    threads go on
//! ```

use core::ffi::c_void;
use memtrace_wire::dead::REGISTERS;
use memtrace_wire::map::U32;
use memtrace_wire::sys;

use crate::check::space::Array;
use crate::task;
use crate::threads::{self, Seen, Threads};

/// What the two agree on.
struct Agreed {
    state: U32,
    /// What the target says to the tracer, and what the tracer says of its work.
    tracer: U32,
    threads: *const Threads,
    deadline_ns: u64,
}

const BEGIN: u32 = 0;
const DONE: u32 = 1;
const RELEASE: u32 = 2;
const UNNAMED: u32 = 0;
const NAMED: u32 = 1;
const REFUSED: u32 = 2;
/// Stopping takes microseconds; a thread that sleeps in the kernel where nothing interrupts it may take for ever.
const PATIENCE_NS: u64 = 500_000_000;
/// The longest that threads stand still: copies of 100 GiB take seconds.
const HOLD_NS: u64 = 30_000_000_000;
const STACK_BYTES: usize = 64 << 10;
/// struct user_regs_struct (sys/user.h): 27 words.
const USER_WORDS: usize = 27;
const USER_SP: usize = 19;
const USER_FS_BASE: usize = 21;
const USER_RESULT: usize = 10;
const USER_NUMBER: usize = 15;
const USER_AT: usize = 16;
const SYSCALL_BYTES: u64 = 2;
/// r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, and the rax of a system call.
const USER_REGISTERS: [usize; REGISTERS] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Threads that stand still until this is dropped.
pub struct Frozen {
    agreed: &'static Agreed,
    tracer: isize,
    /// ptrace(2) was refused for some.
    pub is_refused: bool,
    _memory: [Array<u8>; 2],
}

/// Stops all threads but the calling one. `None`: there was no way to try.
pub fn freeze(threads: &Threads, deadline_ns: u64) -> Option<Frozen> {
    let memory = [Array::<u8>::new(4096)?, Array::<u8>::new(STACK_BYTES)?];
    let [page, stack] = &memory;
    let place = page.base() as *mut Agreed;
    let limit_ns = deadline_ns.min(sys::monotonic_ns().saturating_add(PATIENCE_NS));
    let agreed = Agreed { state: U32::new(BEGIN), tracer: U32::new(UNNAMED), threads, deadline_ns: limit_ns };
    // SAFETY: fresh memory, page aligned and large enough.
    let agreed: &'static Agreed = unsafe {
        place.write(agreed);
        &*place
    };
    let flags = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES;
    let tracer = task::start(flags, stack.base() + STACK_BYTES as u64, trace, place.cast());
    if tracer <= 0 {
        return None;
    }
    // Yama (ptrace_scope 1) lets only ancestors trace, unless the traced one names its tracer.
    // SAFETY: a number.
    unsafe { sys::call(libc::SYS_prctl, libc::PR_SET_PTRACER as usize, tracer as usize, 0, 0) };
    agreed.tracer.publish(NAMED);
    let mut frozen = Frozen { agreed, tracer, is_refused: true, _memory: memory };
    while agreed.state.acquire() == BEGIN {
        if sys::monotonic_ns() > limit_ns.saturating_add(PATIENCE_NS) || task::has_ended(tracer) {
            return Some(frozen);
        }
        sys::give_way();
    }
    frozen.is_refused = agreed.tracer.acquire() == REFUSED;
    Some(frozen)
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.agreed.state.publish(RELEASE);
        let limit_ns = sys::monotonic_ns().saturating_add(2 * PATIENCE_NS);
        while !task::has_ended(self.tracer) && sys::monotonic_ns() < limit_ns {
            sys::give_way();
        }
        // Threads that it traces go on when it is gone.
        task::reap(self.tracer, !task::has_ended(self.tracer));
        // SAFETY: a number; no longer is anybody named.
        unsafe { sys::call(libc::SYS_prctl, libc::PR_SET_PTRACER as usize, 0, 0, 0) };
    }
}

/// The tracer's life.
extern "C" fn trace(agreed: *const c_void) -> ! {
    // SAFETY: `freeze` gave its own page, which it keeps until this task has ended.
    let agreed = unsafe { &*agreed.cast::<Agreed>() };
    // Until the target has named this task.
    while agreed.tracer.acquire() == UNNAMED && sys::monotonic_ns() < agreed.deadline_ns {
        sys::give_way();
    }
    // SAFETY: the caller of `freeze` keeps the table until this task has ended.
    let threads = unsafe { &*agreed.threads };
    let mut is_whole = true;
    for place in 1..threads.count() {
        let tid = threads.get(place).tid;
        is_whole &= seize(tid) || threads::is_gone(tid);
    }
    for place in 1..threads.count() {
        let mut seen = threads.get(place);
        if stopped(seen.tid, agreed.deadline_ns) && read(&mut seen) {
            threads.set(place, seen);
        } else if threads::is_gone(seen.tid) {
            // The first thread may have left while others go on: it stays in the list.
            threads.set(place, Seen { is_gone: true, has_registers: 1, ..seen });
        } else {
            is_whole = false;
        }
    }
    agreed.tracer.publish(if is_whole { NAMED } else { REFUSED });
    agreed.state.publish(DONE);
    // Never longer than a copy may take to be made.
    let limit_ns = sys::monotonic_ns().saturating_add(HOLD_NS);
    while agreed.state.acquire() != RELEASE && sys::monotonic_ns() < limit_ns {
        let pause = [0u64, 200_000];
        // SAFETY: a time of two words.
        unsafe { sys::call(libc::SYS_nanosleep, pause.as_ptr() as usize, 0, 0, 0) };
    }
    // Threads that were seized go on with the tracer's end.
    task::end_one()
}

fn seize(tid: u32) -> bool {
    const SEIZE: usize = 0x4206;
    const INTERRUPT: usize = 0x4207;
    // SAFETY: no memory of the target's is changed.
    unsafe {
        sys::call(libc::SYS_ptrace, SEIZE, tid as usize, 0, 0) == 0
            && sys::call(libc::SYS_ptrace, INTERRUPT, tid as usize, 0, 0) == 0
    }
}

/// Waits until a seized thread stands still.
fn stopped(tid: u32, deadline_ns: u64) -> bool {
    loop {
        let mut status = 0u32;
        let flags = (libc::__WALL | libc::WNOHANG) as usize;
        // SAFETY: the kernel writes one int.
        let found = unsafe { sys::call(libc::SYS_wait4, tid as usize, &raw mut status as usize, flags, 0) };
        match found {
            0 if sys::monotonic_ns() < deadline_ns => sys::give_way(),
            _ => return found > 0 && status & 0xff == 0x7f,
        }
    }
}

fn read(seen: &mut Seen) -> bool {
    const GETREGS: usize = 12;
    let mut user = [0u64; USER_WORDS];
    // SAFETY: the kernel writes one user_regs_struct.
    let result = unsafe { sys::call(libc::SYS_ptrace, GETREGS, seen.tid as usize, 0, user.as_mut_ptr() as usize) };
    if result != 0 {
        return false;
    }
    let word = |place: usize| user.get(place).copied().unwrap_or(0);
    seen.sp = word(USER_SP);
    seen.pc = word(USER_AT);
    seen.tls = word(USER_FS_BASE);
    for (to, place) in seen.registers.iter_mut().zip(USER_REGISTERS) {
        *to = word(place);
    }
    seen.has_registers = 1;
    if was_cut_short(seen.tid, &user) {
        // The call begins anew, as the kernel would have it for most calls itself (signal(7), "Interruption of
        // system calls"); a time that it was given runs from its beginning.
        let (number, at) = (word(USER_NUMBER), word(USER_AT) - SYSCALL_BYTES);
        for (place, value) in [(USER_RESULT, number), (USER_AT, at)] {
            if let Some(word) = user.get_mut(place) {
                *word = value;
            }
        }
        const SETREGS: usize = 13;
        // SAFETY: the kernel reads one user_regs_struct.
        unsafe { sys::call(libc::SYS_ptrace, SETREGS, seen.tid as usize, 0, user.as_ptr() as usize) };
    }
    true
}

/// Whether a thread waited in a system call that the stop has made to fail with EINTR (epoll_wait, sigtimedwait), and
/// nothing else has.
fn was_cut_short(tid: u32, user: &[u64; USER_WORDS]) -> bool {
    let word = |place: usize| user.get(place).copied().unwrap_or(0);
    let interrupted = (libc::EINTR as u64).wrapping_neg();
    if word(USER_RESULT) != interrupted || word(USER_NUMBER) > 1024 {
        return false;
    }
    let at = word(USER_AT);
    // SAFETY: the tracer has the target's memory, and the thread has just run this instruction.
    let is_syscall =
        sys::is_readable(at as usize - 2) && unsafe { ((at - 2) as *const [u8; 2]).read() } == [0x0f, 0x05];
    is_syscall && !threads::has_signal(tid)
}
