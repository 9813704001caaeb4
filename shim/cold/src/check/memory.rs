//! Reading the memory of a copy of the process: what cannot be read is skipped, not fatal.
//!
//! A page is touched by `probe` before it is read. Where that faults (PROT_NONE, a file that became shorter), the
//! copy's own handler of SIGSEGV and SIGBUS continues behind the touch. The copy is a process of its own, whose
//! handlers are nobody else's.

use core::arch::{global_asm, naked_asm};
use memtrace_wire::sys;

global_asm!(
    ".pushsection .text.memtrace_probe,\"ax\",@progbits",
    ".type memtrace_probe, @function",
    "memtrace_probe:",
    ".cfi_startproc",
    "2:",
    "cmp rdi, rsi",
    "jae 3f",
    ".globl memtrace_probe_touch",
    ".hidden memtrace_probe_touch",
    "memtrace_probe_touch:",
    "mov al, byte ptr [rdi]",
    "add rdi, 4096",
    "and rdi, -4096",
    "jmp 2b",
    "3:",
    "mov rax, rsi",
    "ret",
    ".globl memtrace_probe_failed",
    ".hidden memtrace_probe_failed",
    "memtrace_probe_failed:",
    "mov rax, rdi",
    "ret",
    ".cfi_endproc",
    ".size memtrace_probe, . - memtrace_probe",
    ".globl memtrace_probe",
    ".hidden memtrace_probe",
    ".popsection",
);

unsafe extern "C" {
    /// The first address from `from` on, up to `to`, that cannot be read; `to` if all can. Needs `catch_faults`.
    fn memtrace_probe(from: u64, to: u64) -> u64;
}

const PAGE: u64 = 4096;

/// The kernel's struct sigaction (signal(7), rt_sigaction(2)).
#[repr(C)]
struct Action {
    handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

const SA_RESTORER: u64 = 0x0400_0000;

/// From here on `probe` may be used: in a copy of the process only.
pub fn catch_faults() {
    let flags = libc::SA_SIGINFO as u64 | libc::SA_NODEFER as u64 | SA_RESTORER;
    let action = Action { handler: caught as *const () as usize, flags, restorer: back as *const () as usize, mask: 0 };
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the action is whole, and its handler changes nothing but where the probe goes on.
        unsafe { sys::call(libc::SYS_rt_sigaction, signal as usize, &raw const action as usize, 0, 8) };
    }
    let signals = 1u64 << (libc::SIGSEGV - 1) | 1 << (libc::SIGBUS - 1);
    // SAFETY: the mask is eight bytes.
    unsafe {
        sys::call(libc::SYS_rt_sigprocmask, libc::SIG_UNBLOCK as usize, &raw const signals as usize, 0, 8);
    }
}

/// Continues a probe behind its touch; any other fault ends the copy.
#[unsafe(naked)]
unsafe extern "C" fn caught() {
    // rdx: ucontext; rip stands 168 bytes in (sys/ucontext.h, REG_RIP).
    naked_asm!(
        "lea rax, [rip + memtrace_probe_touch]",
        "cmp rax, [rdx + 168]",
        "jne 2f",
        "lea rax, [rip + memtrace_probe_failed]",
        "mov [rdx + 168], rax",
        "ret",
        "2:",
        "mov edi, {status}",
        "mov eax, {exit_group}",
        "syscall",
        "ud2",
        status = const BROKEN_STATUS,
        exit_group = const libc::SYS_exit_group,
    )
}

/// How a copy ends that met a fault elsewhere.
pub const BROKEN_STATUS: i32 = 70;

#[unsafe(naked)]
unsafe extern "C" fn back() {
    naked_asm!("mov eax, {sigreturn}", "syscall", sigreturn = const libc::SYS_rt_sigreturn)
}

/// Memory, as a check reads it.
pub trait Memory {
    /// Gives the words of `from..to` to `each`, page by page where it must: their first address, and how many bytes
    /// could not be read.
    fn words(&self, from: u64, to: u64, each: impl FnMut(u64, u64)) -> u64;

    /// The word at an address that is a multiple of 8.
    fn word(&self, at: u64) -> Option<u64> {
        let mut found = None;
        self.words(at, at.checked_add(8)?, |_, word| found = Some(word));
        found
    }
}

/// The memory of this copy of the process. Private memory: what a copy has not touched of shared memory looks as if it
/// were not there.
pub struct Own;

/// From this length on pages that were never touched are passed over.
const SPARSE_BYTES: u64 = 32 << 20;

/// The parts of a stretch that were ever touched (proc(5), /proc/pid/pagemap: bit 63 present, 62 swapped); all of it
/// if the kernel does not say.
fn present(from: u64, to: u64, mut each: impl FnMut(u64, u64)) {
    const ENTRIES: usize = 4096;
    let fd = i32::try_from(sys::open(c"/proc/thread-self/pagemap", libc::O_RDONLY, 0)).unwrap_or(-1);
    let mut entries = [0u64; ENTRIES];
    let mut at = from;
    while at < to {
        let place = (at / PAGE * 8) as usize;
        let count = (to.div_ceil(PAGE) - at / PAGE).min(ENTRIES as u64) as usize;
        // SAFETY: the kernel writes into the entries only.
        let length =
            unsafe { sys::call(libc::SYS_pread64, fd as usize, entries.as_mut_ptr() as usize, count * 8, place) };
        let end = (at / PAGE * PAGE + count as u64 * PAGE).min(to);
        if length != (count * 8) as isize {
            each(at, end);
            at = end;
            continue;
        }
        for entry in entries.iter().take(count) {
            let next = ((at / PAGE + 1) * PAGE).min(to);
            if entry >> 62 != 0 {
                each(at, next);
            }
            at = next;
        }
    }
    if fd >= 0 {
        sys::close(fd);
    }
}

impl Memory for Own {
    #[inline(always)]
    fn words(&self, from: u64, to: u64, mut each: impl FnMut(u64, u64)) -> u64 {
        let (at, to) = (from.next_multiple_of(8), to & !7);
        if to.saturating_sub(at) < SPARSE_BYTES {
            return self.dense(at, to, each);
        }
        let mut unreadable = 0;
        present(at, to, |from, to| unreadable += self.dense(from, to, &mut each));
        unreadable
    }
}

impl Own {
    #[inline(always)]
    fn dense(&self, mut at: u64, to: u64, mut each: impl FnMut(u64, u64)) -> u64 {
        let mut unreadable = 0;
        while at < to {
            // SAFETY: it reads only, and faults are caught.
            let end = unsafe { memtrace_probe(at, to) };
            while at < end {
                // SAFETY: the page was shown to be readable, and nothing changes mappings in the copy.
                each(at, unsafe { (at as *const u64).read_volatile() });
                at += 8;
            }
            if at < to {
                let next = (at + 1).next_multiple_of(PAGE).min(to);
                unreadable += next - at;
                at = next;
            }
        }
        unreadable
    }
}
