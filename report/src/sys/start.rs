//! Starting processes: a program, as it is or in other surroundings, and a part of ourselves that goes on alone.

use std::ffi::{CString, c_char, c_int, c_void};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::time::Duration;

use super::{Held, Pid, checked, fill_standard_fds, wait};

/// What exec is given, made before the fork: afterwards no memory may be asked for.
pub struct Program {
    /// The file.
    pub path: CString,
    /// argv.
    pub arguments: Vec<CString>,
    /// argv of /bin/sh for a file that the kernel does not know, as execvp(3) does.
    pub shell_arguments: Vec<CString>,
    /// envp.
    pub variables: Vec<CString>,
}

/// In what a program of a test runs, where that is not what we run in.
pub struct Surroundings {
    /// Its fds 0, 1 and 2.
    pub stdio: [RawFd; 3],
}

impl Surroundings {
    /// In the child: a session of its own, no core file, and the same addresses each time where the kernel allows that.
    /// False: its fds could not be set up.
    fn enter(&self) -> bool {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: integers, and a limit that is there.
        unsafe {
            libc::setsid();
            libc::setrlimit(libc::RLIMIT_CORE, &none);
            libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
            self.stdio.iter().zip(0..).all(|(&from, to)| libc::dup2(from, to) == to)
        }
    }
}

/// Starts a program in a child that differs from us in nothing but the program. `announce` is done before exec, or
/// there is no exec. `Err`: exec's or fork's error.
pub fn start(program: &Program, held: &Held, announce: impl FnOnce(Pid)) -> io::Result<Pid> {
    start_in(program, held, None, announce)
}

/// The same in other surroundings; their fds are above 2.
pub fn start_in(
    program: &Program,
    held: &Held,
    surroundings: Option<&Surroundings>,
    announce: impl FnOnce(Pid),
) -> io::Result<Pid> {
    let (mut outcome, report) = io::pipe()?;
    let (gate, mut gatekeeper) = io::pipe()?;
    let arguments = pointers(&program.arguments);
    let shell_arguments = pointers(&program.shell_arguments);
    let variables = pointers(&program.variables);
    let work = Child {
        gate: gate.as_raw_fd(),
        gatekeeper: gatekeeper.as_raw_fd(),
        report: report.as_raw_fd(),
        path: program.path.as_ptr(),
        arguments: arguments.as_ptr(),
        shell_arguments: shell_arguments.as_ptr(),
        variables: variables.as_ptr(),
        held,
        surroundings,
    };
    let mut stack = Vec::<u128>::with_capacity(CHILD_STACK_BYTES / size_of::<u128>());
    let top = stack.as_mut_ptr_range().start.wrapping_add(stack.capacity());
    // SAFETY: one thread only. The child shares our memory, so that nothing is copied for a process that execs at once;
    // it has a stack of its own, and what it is given stays until it has exec'ed or ended (below).
    let pid = checked(unsafe {
        libc::clone(child, top.cast(), libc::CLONE_VM | libc::SIGCHLD, (&raw const work).cast_mut().cast())
    })?;
    drop(report);
    announce(pid);
    // Where this fails the child has been killed.
    let opened = gatekeeper.write_all(&[1]);
    drop(gatekeeper);
    let mut errno = [0; size_of::<c_int>()];
    // Until the child has left our memory, errno may be its own: a call that was cut short is just made again.
    let told = loop {
        if let Ok(bytes) = outcome.read(&mut errno) {
            break bytes;
        }
    };
    if told != 0 {
        let _ = wait(pid);
        return Err(io::Error::from_raw_os_error(c_int::from_ne_bytes(errno)));
    }
    // The pipe was closed by exec.
    opened.map(|()| pid)
}

/// Room for a few calls.
const CHILD_STACK_BYTES: usize = 64 << 10;

/// What the child of `start_in` is given.
struct Child<'a> {
    gate: RawFd,
    gatekeeper: RawFd,
    report: RawFd,
    path: *const c_char,
    arguments: *const *const c_char,
    shell_arguments: *const *const c_char,
    variables: *const *const c_char,
    held: &'a Held,
    surroundings: Option<&'a Surroundings>,
}

/// The child's way to exec. It writes to no memory but its stack, and errno.
extern "C" fn child(work: *mut c_void) -> c_int {
    // SAFETY: `start_in` gave it. Only calls are made here that may follow a fork; the arrays end with a null.
    unsafe {
        let work = &*work.cast::<Child<'_>>();
        let mut go = 0u8;
        libc::close(work.gatekeeper);
        if libc::read(work.gate, (&raw mut go).cast(), 1) != 1 {
            libc::_exit(127);
        }
        if work.surroundings.is_some_and(|surroundings| !surroundings.enter()) {
            libc::_exit(127);
        }
        libc::sigaction(libc::SIGCHLD, &work.held.on_child, ptr::null_mut());
        libc::sigprocmask(libc::SIG_SETMASK, &work.held.mask, ptr::null_mut());
        libc::execve(work.path, work.arguments, work.variables);
        if *libc::__errno_location() == libc::ENOEXEC {
            libc::execve(c"/bin/sh".as_ptr(), work.shell_arguments, work.variables);
        }
        let errno = *libc::__errno_location();
        libc::write(work.report, (&raw const errno).cast(), size_of::<c_int>());
        libc::_exit(127)
    }
}

/// Runs `work` in a child of its own session that holds `kept` (in ascending order) and /dev/null, and nothing else.
pub fn detach(kept: [RawFd; 2], work: impl FnOnce()) -> io::Result<Pid> {
    // SAFETY: one thread only, so the child may use everything that the parent could.
    let pid = checked(unsafe { libc::fork() })?;
    if pid == 0 {
        // SAFETY: integers; what else held these fds is never used or dropped in this process, which ends in `_exit`.
        unsafe {
            libc::setsid();
            libc::prctl(libc::PR_SET_NAME, c"memtrace".as_ptr());
            // /proc/<pid>/fd must open for the target, also where the file of the command may not be read.
            libc::prctl(libc::PR_SET_DUMPABLE, 1);
            for (first, last) in [(0, kept[0] - 1), (kept[0] + 1, kept[1] - 1), (kept[1] + 1, c_int::MAX)] {
                close_range(first, last);
            }
        }
        fill_standard_fds();
        work();
        // SAFETY: ends this process without the parent's exit handlers.
        unsafe { libc::_exit(0) };
    }
    Ok(pid)
}

/// # Safety
/// Nobody uses these fds any more.
unsafe fn close_range(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    // SAFETY: by this function's contract.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return;
    }
    // Kernels before 5.9. The listing's own fd is closed, and the listing has been read, before the others are.
    let names = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let fds: Vec<RawFd> = names.filter_map(|name| name.file_name().to_str()?.parse().ok()).collect();
    for fd in fds.into_iter().filter(|fd| (first..=last).contains(fd)) {
        // SAFETY: by this function's contract.
        unsafe { libc::close(fd) };
    }
}

/// Runs `work` in a child that shares nothing with us but what it holds, adopts the orphans of its descendants, and does
/// not hear the terminal's signals.
pub fn fork_worker(work: impl FnOnce()) -> io::Result<Pid> {
    // SAFETY: one thread only, so the child may use everything that the parent could.
    let pid = checked(unsafe { libc::fork() })?;
    if pid == 0 {
        // SAFETY: integers. Dumpable: the recording has to open for the program, also where our file may not be read.
        unsafe {
            libc::setsid();
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
            libc::prctl(libc::PR_SET_DUMPABLE, 1);
        }
        work();
        // SAFETY: ends this process without the parent's exit handlers.
        unsafe { libc::_exit(0) };
    }
    Ok(pid)
}

/// Which of these can be read first; `None`: none before the time is up.
pub fn first_readable(fds: &[RawFd], patience: Duration) -> io::Result<Option<usize>> {
    let mut entries: Vec<libc::pollfd> =
        fds.iter().map(|&fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
    let time = patience.as_millis().min(c_int::MAX as u128) as c_int;
    // SAFETY: as many entries as we say.
    let count = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, time) };
    match checked(count) {
        Err(cause) if cause.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(cause) => Err(cause),
        Ok(_) => Ok(entries.iter().position(|entry| entry.revents != 0)),
    }
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}
