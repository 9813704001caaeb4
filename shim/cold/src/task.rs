//! A new task of the kernel's, on a stack of its own: the target's may be small, and nearly used up.

use core::arch::asm;
use core::ffi::c_void;
use memtrace_wire::map::U32;
use memtrace_wire::sys;

/// What a task does; it ends itself.
pub type Life = extern "C" fn(*const c_void) -> !;

/// Starts one: clone(2) with these flags and no exit signal, so that no wait of the target's sees it, and not traced by
/// whoever traces the target. `stack` is the upper end of its stack, a multiple of 16. Its id, or -errno.
pub fn start(flags: i32, stack: u64, life: Life, argument: *const c_void) -> isize {
    let result: isize;
    // SAFETY: the new task runs `life` on the new stack and never returns from it; here all is as before.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "2:",
            inlateout("rax") libc::SYS_clone as isize => result,
            in("rdi") (flags | libc::CLONE_UNTRACED) as usize, in("rsi") stack, in("rdx") 0, in("r10") 0, in("r8") 0,
            in("r12") argument, in("r13") life,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// Whether orphans become children of this process: it has asked for that (prctl(2), PR_SET_CHILD_SUBREAPER), or it is
/// the first of its namespace.
pub fn adopts_orphans() -> bool {
    let mut is_reaper = 0i32;
    // SAFETY: the kernel writes one int.
    unsafe {
        sys::call(libc::SYS_prctl, libc::PR_GET_CHILD_SUBREAPER as usize, &raw mut is_reaper as usize, 0, 0);
    }
    is_reaper != 0 || sys::pid() == 1
}

/// In a copy of the process: where memory runs out the copy goes first, and it does not keep a processor from others
/// with the target's priority.
pub fn step_back() {
    if let Ok(fd @ 0..) = i32::try_from(sys::open(c"/proc/self/oom_score_adj", libc::O_WRONLY, 0)) {
        let most = b"1000";
        // SAFETY: the kernel reads four bytes.
        unsafe { sys::call(libc::SYS_write, fd as usize, most.as_ptr() as usize, most.len(), 0) };
        sys::close(fd);
    }
    let priority = 0i32;
    // SAFETY: the kernel reads one sched_param, an int.
    unsafe { sys::call(libc::SYS_sched_setscheduler, 0, libc::SCHED_OTHER as usize, &raw const priority as usize, 0) };
}

/// Ends the calling task, with all others of its process.
pub fn end() -> ! {
    loop {
        // SAFETY: ends the process.
        unsafe { sys::call(libc::SYS_exit_group, 0, 0, 0, 0) };
    }
}

/// Ends the calling task alone.
pub fn end_one() -> ! {
    loop {
        // SAFETY: ends this task.
        unsafe { sys::call(libc::SYS_exit, 0, 0, 0, 0) };
    }
}

/// Whether a task has ended; it stays to be waited for.
pub fn has_ended(task: isize) -> bool {
    let mut info = [0u64; 16];
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    let place = info.as_mut_ptr() as usize;
    // SAFETY: the kernel writes one siginfo of 128 bytes.
    let result =
        unsafe { sys::call6(libc::SYS_waitid, libc::P_PID as usize, task as usize, place, flags as usize, 0, 0) };
    let [first, ..] = info;
    result != 0 || first != 0
}

/// Waits for a task of ours if it has ended, or `to_its_end`. By now its number may be another child's: a wait for tasks
/// without SIGCHLD as their exit signal sees none that fork(2) has made. False: it goes on, or was waited for.
pub fn take_end(task: u32, to_its_end: bool) -> bool {
    let flags = libc::__WCLONE | if to_its_end { 0 } else { libc::WNOHANG };
    // SAFETY: no status is asked for.
    unsafe { sys::call(libc::SYS_wait4, task as usize, 0, flags as u32 as usize, 0) == task as isize }
}

/// Waits for a task of ours; killed first, if it is `to_be_killed`.
pub fn reap(task: isize, to_be_killed: bool) {
    // SAFETY: our own child, which has no exit signal.
    unsafe {
        if to_be_killed {
            sys::call(libc::SYS_kill, task as usize, libc::SIGKILL as usize, 0, 0);
        }
        sys::call(libc::SYS_wait4, task as usize, 0, libc::__WALL as usize, 0);
    }
}

/// Waits until a cell on a page that both see holds something else than this, or the time is over.
pub fn wait_while(cell: &U32, value: u32, patience_ns: u64) {
    let patience = [0u64, patience_ns];
    let place = core::ptr::from_ref(cell) as usize;
    // SAFETY: the kernel reads the cell, and a time of two words.
    unsafe {
        sys::call(libc::SYS_futex, place, libc::FUTEX_WAIT as usize, value as usize, patience.as_ptr() as usize);
    }
}

/// Ends the wait of whoever waits for a change of this cell.
pub fn wake(cell: &U32) {
    let place = core::ptr::from_ref(cell) as usize;
    // SAFETY: no memory is read or written.
    unsafe { sys::call(libc::SYS_futex, place, libc::FUTEX_WAKE as usize, 1, 0) };
}
