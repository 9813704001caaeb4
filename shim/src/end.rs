//! The end: noticed when it begins, told to cold when the last handler has run.

use core::ffi::{c_int, c_void};
use memtrace_cold::Ending;
use memtrace_wire::layout::{End, Passive, ProcessHeader};
use memtrace_wire::map::U32;
use memtrace_wire::settings;
use memtrace_wire::sys;

use crate::inside::HOT;
use crate::{real, start};

/// A copy of stderr, made when the end began; programs close theirs before the last handler. `NO_FD`: none.
static STDERR: U32 = U32::new(NO_FD);
const NO_FD: u32 = u32::MAX;
/// 1: the end was told to cold.
static FINISHED: U32 = U32::new(0);

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
    let Some(process) = own_process() else { return };
    // An exec that came back has failed.
    process.end.replace(End::Exec as u32, End::None as u32);
    if !process.end.replace(End::None as u32, end as u32) {
        // abort in an exit handler: the last word is the true one.
        if end != End::Exit {
            process.end.set(end as u32);
        }
        return;
    }
    process.end_status.set(status as u32);
    if !HOT.store.is_shared() && !sys::is_sealed() {
        keep_stderr();
    }
}

/// Duplicates stderr, high and close-on-exec, if it is still the file of the start.
fn keep_stderr() {
    let (device, file) = start::first_stderr();
    if sys::identity(2).is_none_or(|(d, f, _)| (d, f) != (device, file)) {
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

/// Everything has run: the recording is complete.
pub fn finish() {
    let Some(process) = own_process() else { return };
    if !FINISHED.replace(0, 1) {
        return;
    }
    if sys::is_sealed() {
        // Whatever a report needs may be what the filter kills for. The launcher has the data.
        return;
    }
    process.end_ns.set(sys::now_ns());
    if HOT.store.is_shared() || process.passive.get() == Passive::Excluded as u32 {
        return;
    }
    let copy = STDERR.swap(NO_FD);
    memtrace_cold::report(&Ending {
        hot: &HOT,
        settings: &settings::parse(start::own_variables()),
        stderr: (copy != NO_FD).then_some(copy as i32),
        library: finish as *const () as u64,
    });
    if copy != NO_FD {
        sys::close(copy as i32);
    }
}
