//! The end: noticed when it begins, told to cold when the last handler has run.

use core::ffi::{c_int, c_void};
use memtrace_cold::{Ending, Own};
use memtrace_hot::unwind::Entry;
use memtrace_wire::layout::{Cause, End, Passive, ProcessHeader};
use memtrace_wire::map::{U32, U64};
use memtrace_wire::settings;
use memtrace_wire::sys;

use crate::inside::{self, HOT};
use crate::{announce, real, refused, start, tls};

/// A copy of stderr, made when the end began; programs close theirs before the last handler. `NO_FD`: none.
static STDERR: U32 = U32::new(NO_FD);
const NO_FD: u32 = u32::MAX;
/// 1: the end was told to cold.
static FINISHED: U32 = U32::new(0);
/// Stack pointer, rbx, rbp and r12 to r15 as they were when the function was called that ends the process: what lies
/// below is dead.
pub static LAST: [U64; 7] = [const { U64::new(0) }; 7];

/// This process's header, if the process is the one that opened the recording: no fork child that has not begun
/// anew, and no vfork child.
pub fn own_process() -> Option<&'static ProcessHeader> {
    if !start::is_own_process() {
        return None;
    }
    // Behind a filter nothing forks that was not allowed to, and getpid may be what is not.
    HOT.store.process().filter(|process| sys::is_sealed() || process.pid.get() == sys::pid())
}

/// Registers for the end: the first handler is the last to run, after every library's destructors.
pub fn register() {
    let handler = at_exit as *const () as usize;
    let address = real::CXA_ATEXIT.get();
    if address != 0 {
        // SAFETY: glibc's function has this type (Itanium C++ ABI 3.3.6.3); no module owns the handler.
        let call: extern "C" fn(usize, *mut c_void, *mut c_void) -> c_int = unsafe { core::mem::transmute(address) };
        call(handler, core::ptr::null_mut(), core::ptr::null_mut());
    }
    let address = real::CXA_AT_QUICK_EXIT.get();
    if address != 0 {
        // SAFETY: glibc's function has this type.
        let call: extern "C" fn(usize, *mut c_void) -> c_int = unsafe { core::mem::transmute(address) };
        call(handler, core::ptr::null_mut());
    }
}

extern "C" fn at_exit(_: *mut c_void) {
    // A handler without any of the hooks before: the last thread has left.
    begins(End::Exit, 0);
    finish();
}

/// The target begins to end. The first call of a process counts.
pub fn begins(end: End, status: c_int) {
    let Some(process) = own_process() else {
        if refused::is_here() {
            keep_stderr();
        }
        return;
    };
    let before = process.end.get();
    // An exec that came back has failed; an abort that was not the end was caught by a handler.
    let first = [End::None as u32, End::Exec as u32, End::Abort as u32].contains(&before);
    // abort in an exit handler: the last word is the true one.
    if first || end != End::Exit {
        process.end.set(end as u32);
    }
    if !first {
        return;
    }
    process.end_status.set(status as u32);
    if HOT.fault.armed.get() != 0 && process.way_out.get() == 0 && [End::Exit, End::FastExit].contains(&end) {
        process.way_out.set(way_out());
    }
    if !HOT.store.is_shared() && !sys::is_sealed() {
        keep_stderr();
    }
}

/// The name of the stack that ends the process, which tells a sweep whether this is the program's usual way; 0: none.
fn way_out() -> u64 {
    let [sp, _, bp, ..] = LAST.each_ref().map(U64::get);
    if sp == 0 || sys::is_sealed() {
        return 0;
    }
    let entry = Entry { sp, bp };
    inside::enter(entry).map_or(0, |inside| HOT.stack_name(inside, entry))
}

/// Whether the end was told to cold.
pub fn is_finished() -> bool {
    FINISHED.get() != 0
}

/// Whether stderr is the file that it was at the start.
fn is_first_stderr() -> bool {
    let [_, stderr] = start::first_outputs();
    sys::identity(2).is_some_and(|(device, file, _)| (device, file) == stderr)
}

/// Duplicates stderr, high and close-on-exec, if it is still the file of the start.
fn keep_stderr() {
    if !is_first_stderr() || STDERR.get() != NO_FD {
        return;
    }
    for lowest in [512usize, 64, 3] {
        // SAFETY: a copy of a descriptor that the target has open.
        let copy = unsafe { sys::call(libc::SYS_fcntl, 2, libc::F_DUPFD_CLOEXEC as usize, lowest, 0) };
        if copy >= 0 {
            return STDERR.set(copy as u32);
        }
    }
}

/// abort was called: the end, unless a handler of the target's own jumps out of it. Then the real end comes later.
pub fn finish_perhaps() {
    finish();
    let mut action = [0u64; 4];
    // SAFETY: asks for SIGABRT's action, a kernel sigaction of four words.
    unsafe { sys::call(libc::SYS_rt_sigaction, libc::SIGABRT as usize, 0, action.as_mut_ptr() as usize, 8) };
    let [handler, ..] = action;
    if handler != libc::SIG_DFL as u64 && end_is(End::Abort) {
        FINISHED.set(0);
    }
}

fn end_is(end: End) -> bool {
    own_process().is_some_and(|process| process.end.get() == end as u32)
}

/// Everything has run: the recording is complete.
pub fn finish() {
    let Some(process) = own_process() else { return finish_refused() };
    if !FINISHED.replace(0, 1) {
        return;
    }
    if sys::is_sealed() {
        // Whatever a report needs may be what the filter kills for. The launcher has the data.
        return;
    }
    process.end_ns.set(sys::now_ns());
    crate::guard::finish();
    if process.passive.get() == Passive::Excluded as u32 {
        return;
    }
    let settings = settings::parse(start::own_variables());
    announce::ask_for_suppressions(process);
    if HOT.store.is_shared() {
        return memtrace_cold::classify(&ending(&settings, None));
    }
    let copy = STDERR.swap(NO_FD);
    // Where no descriptor was left for a copy, stderr itself may still be there.
    let stderr = if copy != NO_FD { Some(copy as i32) } else { is_first_stderr().then_some(2) };
    let has_leaks = memtrace_cold::report(&ending(&settings, stderr));
    if copy != NO_FD {
        sys::close(copy as i32);
    }
    let ends = [End::Exit as u32, End::FastExit as u32, End::QuickExit as u32];
    let is_success = ends.contains(&process.end.get()) && process.end_status.get() & 0xff == 0;
    if has_leaks && is_success && settings.exit_code != 0 {
        leave(settings.exit_code.into());
    }
}

/// The end of a process in which nothing could be recorded.
fn finish_refused() {
    if !refused::is_here() {
        return;
    }
    let copy = STDERR.swap(NO_FD);
    match copy {
        NO_FD if is_first_stderr() => refused::say(2),
        NO_FD => {}
        copy => {
            refused::say(copy as i32);
            sys::close(copy as i32);
        }
    }
}

/// The image may end with the call of exec that comes: a launcher is told what was lost.
pub fn image_ends() {
    if HOT.store.is_shared() && !sys::is_sealed() {
        memtrace_cold::classify(&ending(&settings::parse(start::own_variables()), None));
    }
}

/// A check in a running program: the blocks that are lost. `None`: nothing was classified.
pub fn check_now(cause: Cause) -> Option<u64> {
    with_check(&settings::parse(start::own_variables()), None, |ending| memtrace_cold::check(ending, cause))
}

/// Makes a check that the program asked for; nothing where no check can be made.
pub fn with_check<T>(
    settings: &settings::Settings<'_>,
    stderr: Option<i32>,
    check: impl FnOnce(&Ending<'_>) -> Option<T>,
) -> Option<T> {
    own_process()?;
    if sys::is_sealed() {
        return None;
    }
    let own = Own { sp: core::ptr::from_ref(&stderr) as u64, pc: 0, registers: [0; 6] };
    check(&Ending { own, ..ending(settings, stderr) })
}

/// What a check is told about this process and this thread.
pub fn ending<'a>(settings: &'a settings::Settings<'a>, stderr: Option<i32>) -> Ending<'a> {
    let [sp, registers @ ..] = &LAST;
    let here = core::ptr::from_ref(&stderr) as u64;
    // A thread that ends the process without one of these functions: the last of all has returned.
    let own = match sp.get() {
        0 => Own { sp: here, pc: 0, registers: [0; 6] },
        sp => Own { sp, pc: 0, registers: registers.each_ref().map(U64::get) },
    };
    Ending { hot: &HOT, settings, stderr, library: finish as *const () as u64, own, tls: tls::pointer() }
}

/// MEMTRACE_EXITCODE: what the target has in its buffers comes out first, as exit would see to.
fn leave(status: usize) {
    let address = real::FFLUSH.get();
    if address != 0 {
        // SAFETY: the C library's function of this name has this type; null means all files (C11 7.21.5.2).
        let flush: extern "C" fn(*mut c_void) -> c_int = unsafe { core::mem::transmute(address) };
        flush(core::ptr::null_mut());
    }
    // SAFETY: ends the process.
    unsafe { sys::call(libc::SYS_exit_group, status, 0, 0, 0) };
}
