//! How a process begins, divides and ends: exported so that the end is seen, and no call is changed by it.
//!
//! Functions that return twice, take variable arguments or look at their return address are left by a jump, with
//! every argument register as it was.

use core::arch::naked_asm;
use core::ffi::{c_char, c_int, c_void};
use memtrace_wire::layout::End;

use memtrace_wire::sys;

use crate::announce::{note_madvise, note_sigaltstack};
use crate::inside::{self, HOT, is_active};
use crate::{end, real, tls};

/// A function that is noted and then continued at the real one, as if we were not there. `$extra`: lines of assembly
/// that come first.
macro_rules! passage {
    ($($(#[$doc:meta])* $name:ident, $note:ident;)*) => {
        $(passage!(@make $(#[$doc])* $name, $note, "");)*
    };
    (@make $(#[$doc:meta])* $name:ident, $note:ident, $($extra:literal),+ $(, $place:ident)?) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// As the C library's function of this name.
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name() {
            core::arch::naked_asm!(
                ".cfi_startproc",
                $($extra,)+
                memtrace_hot::keep_arguments!(),
                "call {note}",
                "mov r11, rax",
                memtrace_hot::give_arguments!(),
                "jmp r11",
                ".cfi_endproc",
                note = sym $note,
                $($place = sym end::$place,)?
            )
        }
    };
}

/// The same for a function that ends the process, or its image: where the stack stands, and what the registers
/// hold that a function keeps, is kept first.
macro_rules! last_passage {
    ($($(#[$doc:meta])* $name:ident, $note:ident;)*) => {
        $(passage!(@make $(#[$doc])* $name, $note,
            "lea r11, [rip + {LAST}]",
            "mov [r11], rsp",
            "mov [r11 + 8], rbx",
            "mov [r11 + 16], rbp",
            "mov [r11 + 24], r12",
            "mov [r11 + 32], r13",
            "mov [r11 + 40], r14",
            "mov [r11 + 48], r15",
            LAST);)*
    };
}

pub(crate) use passage;

/// Functions behind one note: `$note` counts, then gives the real one's address.
macro_rules! notes {
    ($($note:ident = $real:ident, $count:ident $(, $end:ident)?;)*) => {
        $(
            extern "C" fn $note() -> usize {
                if is_active()
                    && let Some(process) = end::own_process()
                {
                    process.$count.fetch_add(1);
                    $(
                        process.end.replace(End::None as u32, End::$end as u32);
                        end::image_ends();
                    )?
                }
                real::$real.get()
            }
        )*
    };
}

notes! {
    note_fork = FORK, forks;
    note_raw_fork = RAW_FORK, forks;
    note_vfork = VFORK, vforks;
    note_execve = EXECVE, execs, Exec;
    note_execv = EXECV, execs, Exec;
    note_execvp = EXECVP, execs, Exec;
    note_execvpe = EXECVPE, execs, Exec;
    note_execl = EXECL, execs, Exec;
    note_execlp = EXECLP, execs, Exec;
    note_execle = EXECLE, execs, Exec;
    note_fexecve = FEXECVE, execs, Exec;
    note_execveat = EXECVEAT, execs, Exec;
    note_spawn = POSIX_SPAWN, spawns;
    note_spawnp = POSIX_SPAWNP, spawns;
}

/// Functions that end the process: `finish` where no handler of ours runs afterwards.
macro_rules! ends {
    ($($note:ident = $real:ident, $end:ident $(, $finish:ident)?;)*) => {
        $(
            extern "C" fn $note(status: c_int) -> usize {
                end::begins(End::$end, status);
                $(end::$finish();)?
                real::$real.get()
            }
        )*
    };
}

ends! {
    note_exit = EXIT, Exit;
    note_fast_exit = FAST_EXIT, FastExit, finish;
    note_fast_exit_c99 = FAST_EXIT_C99, FastExit, finish;
    note_quick_exit = QUICK_EXIT, QuickExit;
    note_abort = ABORT, Abort, finish_perhaps;
    note_assert = ASSERT_FAIL, Assert, finish;
    note_smash = STACK_CHK_FAIL, StackSmash, finish;
}

extern "C" fn note_pthread_create() -> usize {
    is_active();
    HOT.announced.threaded.set(1);
    real::PTHREAD_CREATE.get()
}

extern "C" fn note_prctl(option: c_int, argument: usize) -> usize {
    match option {
        libc::PR_SET_NAME => rename(argument),
        libc::PR_SET_SECCOMP => seal(),
        _ => {}
    }
    real::PRCTL.get()
}

/// The operation of seccomp(2) is its first argument: 0 is the strict mode, 1 a filter.
extern "C" fn note_syscall(number: i64, operation: usize, _: usize, third: c_int, fourth: c_int) -> usize {
    match number {
        libc::SYS_wait4 => wait_first(third),
        libc::SYS_waitid => wait_first(fourth),
        _ => {}
    }
    if number == libc::SYS_seccomp && operation <= 1 {
        seal();
    }
    if number == libc::SYS_madvise {
        HOT.announced.unforked.set(1);
    }
    real::SYSCALL.get()
}

/// The target waits for children. A check may have left one, where the target adopts orphans: it must not be found.
/// Without these options it is not, but it would be by another thread.
fn wait_first(options: c_int) {
    memtrace_cold::wait_for_copy(&HOT, options & (libc::__WALL | libc::__WCLONE) != 0);
}

extern "C" fn note_waitpid(_: usize, _: usize, options: c_int) -> usize {
    wait_first(options);
    real::WAITPID.get()
}

extern "C" fn note_waitid(_: usize, _: usize, _: usize, options: c_int) -> usize {
    wait_first(options);
    real::WAITID.get()
}

extern "C" fn note_wait3(_: usize, options: c_int) -> usize {
    wait_first(options);
    real::WAIT3.get()
}

extern "C" fn note_wait4(_: usize, _: usize, options: c_int) -> usize {
    wait_first(options);
    real::WAIT4.get()
}

/// A filter of system calls comes. A fork child that has not recorded yet begins anew first: later it could not.
fn seal() {
    if is_active() && inside::thread().is_some() && end::own_process().is_some() {
        sys::seal();
    }
}

extern "C" fn note_setname(thread: u64, name: usize) -> usize {
    if thread == tls::pointer() {
        rename(name);
    }
    real::PTHREAD_SETNAME.get()
}

/// The calling thread gets a name. An address that is not readable is left for the kernel to refuse.
fn rename(name: usize) {
    if !is_active() || !sys::is_readable(name) {
        return;
    }
    let mut text = [0u8; 16];
    for (place, byte) in text.iter_mut().take(15).enumerate() {
        let at = name + place;
        if at.is_multiple_of(4096) && !sys::is_readable(at) {
            return;
        }
        // SAFETY: on a page that was shown to be readable.
        *byte = unsafe { *(at as *const u8) };
        if *byte == 0 {
            break;
        }
    }
    let here = &raw const text as u64;
    if let Some(inside) = inside::thread().and_then(|thread| thread.enter(&HOT, here)) {
        memtrace_hot::thread::name(inside.body.record, text);
    }
}

passage! {
    /// See fork(2). The child finds its tables wiped and begins anew.
    fork, note_fork;
    /// fork of POSIX 2024, without the handlers of pthread_atfork.
    _Fork, note_raw_fork;
    /// See vfork(2): the child shares our memory and touches nothing.
    vfork, note_vfork;
    /// See posix_spawn(3).
    posix_spawn, note_spawn;
    /// See posix_spawn(3).
    posix_spawnp, note_spawnp;
    /// See pthread_create(3): starts memtrace before the second thread.
    pthread_create, note_pthread_create;
    /// See prctl(2).
    prctl, note_prctl;
    /// See syscall(2): the other way to seccomp.
    syscall, note_syscall;
    /// See madvise(2).
    madvise, note_madvise;
    /// See waitpid(2).
    waitpid, note_waitpid;
    /// See waitid(2).
    waitid, note_waitid;
    /// See wait3(2).
    wait3, note_wait3;
    /// See wait4(2).
    wait4, note_wait4;
    /// See sigaltstack(2).
    sigaltstack, note_sigaltstack;
    /// See pthread_setname_np(3).
    pthread_setname_np, note_setname;
}

last_passage! {
    /// See execve(2).
    execve, note_execve;
    /// See exec(3).
    execv, note_execv;
    /// See exec(3).
    execvp, note_execvp;
    /// See exec(3).
    execvpe, note_execvpe;
    /// See exec(3).
    execl, note_execl;
    /// See exec(3).
    execlp, note_execlp;
    /// See exec(3).
    execle, note_execle;
    /// See fexecve(3).
    fexecve, note_fexecve;
    /// See execveat(2).
    execveat, note_execveat;
    /// See exit(3): handlers run next, which may close stderr.
    exit, note_exit;
    /// See _exit(2): no handler runs.
    _exit, note_fast_exit;
    /// See _Exit(3).
    _Exit, note_fast_exit_c99;
    /// See quick_exit(3): only its own handlers run, and ours, which was there first, is the last of them.
    quick_exit, note_quick_exit;
    /// See abort(3).
    abort, note_abort;
    /// assert(3)'s failure, which does not go through an abort of ours.
    __assert_fail, note_assert;
    /// The compiler's check of a function's stack has failed.
    __stack_chk_fail, note_smash;
}

static MAIN: memtrace_wire::map::U64 = memtrace_wire::map::U64::new(0);

/// glibc's entry from `_start`: the scope of MALLOC_FAIL_* begins at main, and its return is the end.
///
/// # Safety
/// As glibc's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __libc_start_main(
    main: usize,
    argc: c_int,
    argv: *mut *mut c_char,
    init: usize,
    fini: usize,
    rtld_fini: usize,
    stack_end: *mut c_void,
) -> c_int {
    let active = is_active();
    MAIN.set(main as u64);
    let address = real::LIBC_START_MAIN.get();
    // SAFETY: glibc's function of this name has this type in all versions.
    let call: extern "C" fn(usize, c_int, *mut *mut c_char, usize, usize, usize, *mut c_void) -> c_int =
        unsafe { core::mem::transmute(address) };
    let entry = if active { main_here as *const () as usize } else { main };
    call(entry, argc, argv, init, fini, rtld_fini, stack_end)
}

/// Stands before main: the one frame of ours on the target's stack, without a personality, so that exceptions and
/// pthread_exit pass through it. Reports leave it out.
#[unsafe(naked)]
unsafe extern "C" fn main_here() {
    naked_asm!(
        ".cfi_startproc",
        "push rdi",
        ".cfi_adjust_cfa_offset 8",
        "push rsi",
        ".cfi_adjust_cfa_offset 8",
        "push rdx",
        ".cfi_adjust_cfa_offset 8",
        "call {arrived}",
        "mov rdx, [rsp]",
        "mov rsi, [rsp + 8]",
        "mov rdi, [rsp + 16]",
        "call rax",
        "mov [rsp], rax",
        "mov rdi, rax",
        "lea r11, [rip + {last}]",
        "mov [r11], rsp",
        "mov [r11 + 8], rbx",
        "mov [r11 + 16], rbp",
        "mov [r11 + 24], r12",
        "mov [r11 + 32], r13",
        "mov [r11 + 40], r14",
        "mov [r11 + 48], r15",
        "call {returned}",
        "mov rax, [rsp]",
        "add rsp, 24",
        ".cfi_adjust_cfa_offset -24",
        "ret",
        ".cfi_endproc",
        arrived = sym arrived,
        returned = sym returned,
        last = sym end::LAST,
    )
}

extern "C" fn arrived() -> usize {
    HOT.fault.arm();
    HOT.choose_mode();
    MAIN.get() as usize
}

extern "C" fn returned(status: c_int) {
    if let Some(process) = end::own_process() {
        process.way_out.set(1);
    }
    end::begins(End::Exit, status);
}
