//! Starts the `memtrace` command that names and prints, and waits for its answer.
//!
//! ```text
//!   target ──clone, no exit signal──▶ between ──clone, exec──▶ helper
//! ```
//!
//! The one between takes the helper's SIGCHLD and reaps it; the target reaps the one between with __WALL, so that
//! no wait of the target's own, and no subreaper above it, ever sees either.

use memtrace_hot::maps::{Path, path_at};
use memtrace_wire::sys;

use crate::{Ending, file, task};

/// Descriptors in the helper.
const RECORDING: usize = 3;
const REPORT: usize = 4;
const ANSWER: usize = 5;
/// Only where something is compared with it.
const BEFORE: usize = 6;
/// Descriptors are moved up here first, so that none of the four is in another's way.
const ABOVE: usize = 16;

/// What the command answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// No command to print it, or no answer before the deadline.
    Nothing,
    /// It was printed, if there was anything to print; no definite or possible leaks.
    Clean,
    /// It was printed, and there are leaks.
    Leaks,
}

/// What the command is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// What the settings say of the end.
    End,
    /// All there is to say, to the report's descriptor.
    Now,
    /// A profile there.
    Profile,
    /// A profile there of what is new since the recording in this file, if there is one.
    Since(Option<i32>, News),
}

/// What of it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// Whatever has grown.
    All,
    /// What is lost alone.
    Lost,
}

/// Has the recording printed.
pub fn tell(ending: &Ending<'_>, recording: i32, wish: Wish, deadline_ns: u64) -> Told {
    let mut path = Path::new();
    if !find(ending, &mut path) {
        return Told::Nothing;
    }
    let Some(command) = path.as_c_str() else { return Told::Nothing };
    let mut ends = [0i32; 2];
    // SAFETY: the kernel writes two descriptors.
    let made = unsafe { sys::call(libc::SYS_pipe2, ends.as_mut_ptr() as usize, libc::O_CLOEXEC as usize, 0, 0) };
    if made != 0 {
        return Told::Nothing;
    }
    let [ours, theirs] = ends;
    let between = fork();
    if between == 0 {
        // exec gives the helper an exit signal, which must go to this process, not to the target.
        let helper = fork();
        if helper == 0 {
            start(command, recording, (ending.stderr, wish), theirs);
        }
        task::reap(helper, false);
        task::end();
    }
    sys::close(theirs);
    let mut told = Told::Nothing;
    if between > 0 {
        let mut answer = [0u8; 1];
        if file::ready(ours, libc::POLLIN, deadline_ns) && sys::read(ours, &mut answer) == 1 {
            told = match answer {
                [b'k'] => Told::Clean,
                [b'l'] => Told::Leaks,
                _ => Told::Nothing,
            };
        }
        // The helper dies with it (PR_SET_PDEATHSIG).
        task::reap(between, told == Told::Nothing);
    }
    sys::close(ours);
    told
}

/// A copy of the process, without an exit signal, so that the target's own waits do not see it.
fn fork() -> isize {
    // SAFETY: as fork(2); the child uses raw system calls only, and its copy of the stack.
    unsafe { sys::call6(libc::SYS_clone, libc::CLONE_UNTRACED as usize, 0, 0, 0, 0, 0) }
}

/// In the grandchild: three or four descriptors, no environment, signals as at a login.
fn start(command: &core::ffi::CStr, recording: i32, (report, wish): (Option<i32>, Wish), answer: i32) -> ! {
    let before = if let Wish::Since(before, _) = wish { before } else { None };
    let raised = [Some(recording), report, Some(answer), before].map(|fd| fd.map(|fd| duplicate(fd, ABOVE)));
    for (fd, place) in raised.into_iter().zip([RECORDING, REPORT, ANSWER, BEFORE]) {
        let placed = match fd {
            // SAFETY: dup3 without flags: the copy survives exec.
            Some(fd) => unsafe { sys::call(libc::SYS_dup3, fd as usize, place, 0, 0) },
            // SAFETY: closes whatever the target had there.
            None => unsafe { sys::call(libc::SYS_close, place, 0, 0, 0).max(0) },
        };
        if placed < 0 {
            // The command would write to whatever the target has there; without an answer the report is a short one.
            task::end();
        }
    }
    close_others();
    // SAFETY: a number; survives exec.
    unsafe { sys::call(libc::SYS_prctl, libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize, 0, 0) };
    for signal in 1..=64usize {
        let default = [0u64; 4];
        // SAFETY: a kernel sigaction of zeroes is SIG_DFL; SIGKILL and SIGSTOP are refused, which is right.
        unsafe { sys::call(libc::SYS_rt_sigaction, signal, default.as_ptr() as usize, 0, 8) };
    }
    file::unblock_signals();
    let report = if report.is_some() { c"4" } else { c"-1" };
    let wish = match wish {
        Wish::End => [core::ptr::null(); 2],
        Wish::Now => [c"--now".as_ptr(), core::ptr::null()],
        Wish::Profile => [c"--profile".as_ptr(), core::ptr::null()],
        Wish::Since(before, news) => {
            let since = if before.is_some() { c"--since=6" } else { c"--since=-1" };
            [since.as_ptr(), if news == News::Lost { c"--lost".as_ptr() } else { core::ptr::null() }]
        }
    };
    let [name, task, recording, answer] = [c"memtrace", c"__end", c"3", c"5"].map(core::ffi::CStr::as_ptr);
    let [first, second] = wish;
    let arguments = [name, task, recording, report.as_ptr(), answer, first, second, core::ptr::null()];
    let variables = [core::ptr::null::<u8>()];
    // SAFETY: path, arguments and variables end as execve(2) wants.
    unsafe {
        sys::call(
            libc::SYS_execve,
            command.as_ptr() as usize,
            arguments.as_ptr() as usize,
            variables.as_ptr() as usize,
            0,
        );
    }
    task::end()
}

fn duplicate(fd: i32, lowest: usize) -> isize {
    // SAFETY: a copy of an open descriptor.
    unsafe { sys::call(libc::SYS_fcntl, fd as usize, libc::F_DUPFD as usize, lowest, 0) }
}

/// Closes everything but the four.
fn close_others() {
    // SAFETY: the grandchild's own descriptors.
    unsafe {
        sys::call(libc::SYS_close_range, 0, RECORDING - 1, 0, 0);
        let closed = sys::call(libc::SYS_close_range, BEFORE + 1, u32::MAX as usize, 0, 0);
        if closed != 0 {
            // Before Linux 5.9: one after the other, as far as descriptors usually go.
            for fd in (0..RECORDING).chain(BEFORE + 1..4096) {
                sys::close(fd as i32);
            }
        }
    }
}

/// The command: beside the library, in `../bin`, in `../../bin` (where libraries lie in directories of their architectures),
/// or where MEMTRACE_CLI says.
fn find(ending: &Ending<'_>, path: &mut Path) -> bool {
    let mut library = Path::new();
    if path_at(ending.library, &mut library) {
        let directory = parent(library.as_bytes());
        for rest in [&b"/memtrace"[..], b"/../bin/memtrace", b"/../../bin/memtrace"] {
            path.clear();
            path.push(directory);
            path.push(rest);
            if is_usable(path) {
                return true;
            }
        }
    }
    path.clear();
    path.push(ending.settings.cli);
    !ending.settings.cli.is_empty() && is_usable(path)
}

fn parent(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    path.get(..slash).unwrap_or(&[])
}

/// A regular program that is not set-id, that nobody else can have written, and that is ours or root's.
fn is_usable(path: &Path) -> bool {
    let trusted = |owner: u32| owner == 0 || owner == effective_user();
    let Some(status) = path.as_c_str().and_then(file::status) else { return false };
    let mode = status.st_mode;
    let plain = mode & libc::S_IFMT == libc::S_IFREG && mode & (libc::S_ISUID | libc::S_ISGID | libc::S_IWOTH) == 0;
    let mut directory = Path::new();
    directory.push(parent(path.as_bytes()));
    let Some(place) = directory.as_c_str().and_then(file::status) else { return false };
    plain
        && mode & 0o111 != 0
        && (trusted(status.st_uid) || status.st_uid == place.st_uid)
        && place.st_mode & libc::S_IWOTH == 0
}

fn effective_user() -> u32 {
    // SAFETY: no arguments.
    unsafe { sys::call(libc::SYS_geteuid, 0, 0, 0, 0) as u32 }
}
