//! Every system call that std does not have: fork and exec, signals, the recording's memfd, process handles.
//!
//! `main` is exported from here, past Rust's runtime: the runtime would ignore SIGPIPE, install signal handlers and
//! open closed standard fds, and a target has to find all of that as memtrace found it.

pub mod abort;
pub mod ghost;
mod start;
pub mod terminal;
pub mod trace;

pub use start::{Program, Surroundings, detach, first_readable, fork_worker, start, start_in};
use std::ffi::{CStr, CString, c_char, c_int};
use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

/// A process of ours.
pub type Pid = i32;

/// The C entry point; arguments come through `std::env`, which glibc fills before main.
#[cfg(not(any(test, feature = "fuzzing")))]
#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, _arguments: *const *const c_char) -> c_int {
    c_int::from(crate::start())
}

/// Opens /dev/null where fd 0, 1 or 2 is closed, so that no file of ours lands there and is written to as stderr.
/// Close-on-exec: the target finds them closed again.
pub fn fill_standard_fds() {
    loop {
        // SAFETY: a constant path; the new fd is nobody's yet.
        let fd = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        if fd > 2 {
            // SAFETY: opened just now, and known to no one else.
            unsafe { libc::close(fd) };
        }
        if !(0..=2).contains(&fd) {
            return;
        }
    }
}

/// Sets glibc's allocator up for a short life: threads share its one heap, which grows in large steps, and large
/// buffers come zeroed from the kernel, so that parts which are never used cost nothing.
pub fn set_up_heap() {
    const LARGE_BYTES: c_int = 256 << 10;
    const STEP_BYTES: c_int = 1 << 20;
    // SAFETY: numbers; there is one thread, and it holds nothing of the allocator's.
    unsafe {
        // A heap of its own for each thread would be made accessible page by page: thousands of mprotect calls.
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
        libc::mallopt(libc::M_TOP_PAD, STEP_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, c_int::MAX);
    }
}

/// The environment as it is, entries that are no `NAME=VALUE` included.
pub fn environment() -> Vec<CString> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    let mut variables = Vec::new();
    // SAFETY: `environ` is null or a null-ended array of C strings; nobody changes it while there is one thread.
    unsafe {
        let mut at = environ;
        while !at.is_null() && !(*at).is_null() {
            variables.push(CStr::from_ptr(*at).to_owned());
            at = at.add(1);
        }
    }
    variables
}

/// Whose files are ours.
pub fn user() -> u32 {
    // SAFETY: no arguments.
    unsafe { libc::geteuid() }
}

/// Does what may make a file larger than the user's limit: that is an error then, and no SIGXFSZ. The signal is as it was
/// afterwards: a target inherits it.
pub fn without_file_size_signal<T>(work: impl FnOnce() -> T) -> T {
    let set = signal_set(&[libc::SIGXFSZ]);
    let mut before = signal_set(&[]);
    // SAFETY: two sets of signals.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before) };
    let done = work();
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a set and a time; a mask that was just read.
    unsafe {
        libc::sigtimedwait(&raw const set, ptr::null_mut(), &raw const at_once);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
    }
    done
}

/// A memfd; close-on-exec.
pub fn memfd(name: &CStr) -> io::Result<File> {
    // SAFETY: a C string and flags.
    let fd = checked(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) })?;
    // SAFETY: a new fd that has no other owner.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Gives an open file a name that is free; of one without names it is the first.
pub fn name(file: &File, path: &Path) -> io::Result<()> {
    let from = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let to = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: two C strings and flags.
    let result =
        unsafe { libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::AT_SYMLINK_FOLLOW) };
    checked(result).map(|_| ())
}

/// Locks a file for this command, as long as it has it open; false: somebody else has it.
pub fn try_lock(file: &File) -> bool {
    // SAFETY: integers.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

/// The time that a file gets which is written to now, since 1970.
pub fn file_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the time.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut now) };
    Duration::new(now.tv_sec.max(0) as u64, now.tv_nsec as u32)
}

/// The processor time that this thread has taken.
pub fn thread_time() -> Duration {
    let mut taken = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the time.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut taken) };
    Duration::new(taken.tv_sec.max(0) as u64, taken.tv_nsec as u32)
}

/// The pieces between two places of a file that were ever written to, in whole pages. Moves the file's position.
pub fn stored(file: &File, start: u64, end: u64) -> Vec<(u64, u64)> {
    let seek = |at: u64, whence| {
        // SAFETY: integers.
        let found = unsafe { libc::lseek(file.as_raw_fd(), at as i64, whence) };
        u64::try_from(found).map_err(|_| io::Error::last_os_error().raw_os_error())
    };
    let (mut at, mut pieces) = (start, Vec::new());
    while at < end {
        let data = match seek(at, libc::SEEK_DATA) {
            Ok(data) if data < end => data,
            Ok(_) | Err(Some(libc::ENXIO)) => break,
            // A file system that does not know: all may be written.
            Err(_) => at,
        };
        let hole = seek(data, libc::SEEK_HOLE).map_or(end, |hole| hole.min(end)).max(data + 1);
        pieces.push((data, hole));
        at = hole;
    }
    pieces
}

/// A random number.
pub fn random() -> io::Result<u64> {
    let mut bytes = [0u8; 8];
    // SAFETY: the buffer is as long as we say. Up to 256 bytes come whole.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got == bytes.len() as isize { Ok(u64::from_ne_bytes(bytes)) } else { Err(io::Error::last_os_error()) }
}

/// What a target gets back of the signals that `hold_signals` took.
pub struct Held {
    mask: libc::sigset_t,
    on_child: libc::sigaction,
}

/// Blocks `signals` for `next_signal`, and sees to it that a child's end is kept until it is waited for.
pub fn hold_signals(signals: &[c_int]) -> Held {
    let set = signal_set(signals);
    let mut mask = MaybeUninit::zeroed();
    let mut on_child = MaybeUninit::zeroed();
    // SAFETY: all three point at values of the right type; all-zero is SIG_DFL without flags.
    unsafe {
        let plain: libc::sigaction = MaybeUninit::zeroed().assume_init();
        libc::sigaction(libc::SIGCHLD, &plain, on_child.as_mut_ptr());
        libc::sigprocmask(libc::SIG_BLOCK, &set, mask.as_mut_ptr());
        Held { mask: mask.assume_init(), on_child: on_child.assume_init() }
    }
}

/// A signal that came, and whether the kernel sent it (a terminal: to the whole process group) or a process did.
pub struct Signal {
    /// Its number.
    pub number: c_int,
    /// Sent by kill(2) or the like.
    pub from_process: bool,
}

/// Waits for one of `signals`, which are held. `None`: none came before `until`.
pub fn next_signal(signals: &[c_int], until: Option<Instant>) -> Option<Signal> {
    let set = signal_set(signals);
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let time =
            left.map(|left| libc::timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
        let mut about = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: a set, room for what the kernel tells, and no time or one that is there.
        let number =
            unsafe { libc::sigtimedwait(&set, about.as_mut_ptr(), time.as_ref().map_or(ptr::null(), ptr::from_ref)) };
        if number > 0 {
            // SAFETY: zeroed before, filled now: integers.
            let about = unsafe { about.assume_init() };
            return Some(Signal { number, from_process: about.si_code <= 0 });
        }
        if left.is_some_and(|left| left.is_zero()) {
            return None;
        }
    }
}

/// Ignores a signal from now on.
pub fn ignore(signal: c_int) {
    // SAFETY: no handler of ours is involved.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Sends a signal; a process that is gone is no matter.
pub fn send(pid: Pid, signal: c_int) {
    // SAFETY: integers.
    unsafe { libc::kill(pid, signal) };
}

/// Dies by `signal` without a core file; returns only if the kernel does not let us (pid 1 of a namespace).
pub fn die_by(signal: c_int) {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let set = signal_set(&[signal]);
    // SAFETY: plain values. Not dumpable: a core handler behind a pipe does not look at the limit.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &none);
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(libc::getpid(), signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
    }
}

/// How a child changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It ended with this status.
    Exited(u8),
    /// A signal ended it.
    Killed(c_int),
    /// A signal stopped it.
    Stopped,
}

/// Waits for a child's end.
pub fn wait(pid: Pid) -> io::Result<Change> {
    loop {
        match wait_with(pid, 0) {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Ok(Some(change)) => return Ok(change),
            Ok(None) => {}
            Err(cause) => return Err(cause),
        }
    }
}

/// What a child has done by now, stops included; `None`: nothing new.
pub fn poll_child(pid: Pid) -> io::Result<Option<Change>> {
    wait_with(pid, libc::WNOHANG | libc::WUNTRACED)
}

fn wait_with(pid: Pid, options: c_int) -> io::Result<Option<Change>> {
    let mut status = 0;
    // SAFETY: room for a status.
    if checked(unsafe { libc::waitpid(pid, &mut status, options) })? == 0 {
        return Ok(None);
    }
    Ok(Some(if libc::WIFEXITED(status) {
        Change::Exited(libc::WEXITSTATUS(status) as u8)
    } else if libc::WIFSIGNALED(status) {
        Change::Killed(libc::WTERMSIG(status))
    } else {
        Change::Stopped
    }))
}

/// Whether our process group has the terminal: a shell with job control waits for us.
pub fn has_the_terminal() -> bool {
    let Ok(terminal) = File::options().read(true).open("/dev/tty") else { return false };
    // SAFETY: integers.
    unsafe { libc::tcgetpgrp(terminal.as_raw_fd()) == libc::getpgrp() }
}

/// A handle that becomes readable when the process ends; an error where it is gone, or the kernel is before 5.3.
pub fn process_handle(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: integers.
    let fd = checked(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } as c_int)?;
    // SAFETY: a new fd that has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sleeps until the handle becomes readable.
pub fn wait_readable(handle: &OwnedFd) {
    let mut entry = libc::pollfd { fd: handle.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry.
    while unsafe { libc::poll(&mut entry, 1, -1) } < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
    {
    }
}

/// Real user and group id.
pub fn user_and_group() -> (u32, u32) {
    // SAFETY: no arguments.
    unsafe { (libc::getuid(), libc::getgid()) }
}

/// Whether this process may execute the file; directories may be "executed", so look at the type too.
pub fn may_execute(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: a C string and flags.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::X_OK, libc::AT_EACCESS) == 0 }
}

/// Whether exec would ignore set-id bits and capabilities: the mount says nosuid, or no_new_privs is set.
pub fn ignores_privileges(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    let mut about = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: a C string, room for the answer, which is integers and was zeroed; prctl has integers.
    unsafe {
        let known = libc::statvfs(path.as_ptr(), about.as_mut_ptr()) == 0;
        (known && about.assume_init().f_flag & libc::ST_NOSUID != 0)
            || libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1
    }
}

/// Whether the file carries capabilities.
pub fn has_capabilities(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: C strings; no buffer: only the length is asked for.
    unsafe { libc::getxattr(path.as_ptr(), c"security.capability".as_ptr(), ptr::null_mut(), 0) > 0 }
}

/// Writes to stderr, whatever it is now.
pub fn say(text: &str) {
    // A pipe that is full, and that nobody reads, must not hold up the end of the target.
    let mut stderr = libc::pollfd { fd: 2, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one descriptor.
    let ready = unsafe { libc::poll(&raw mut stderr, 1, PATIENCE_MS) };
    if ready != 0 {
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// How long a full stderr is waited for. What fits in a pipe's last page is written without waiting (pipe(7)).
const PATIENCE_MS: c_int = 2_000;

fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn signal_set(signals: &[c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::zeroed();
    // SAFETY: a set is made empty before it is used.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for &signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}
