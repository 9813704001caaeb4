//! A running process, as `memtrace leaks` finds it: its library, and where its recording is.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use memtrace_wire::layout::{BEGUN, CHECKED, Cause};

use crate::error::Error;
use crate::names;
use crate::recording::Recording;
use crate::run::alive::{self, exists};
use crate::run::ask;
use crate::sys::trace::Stopped;
use crate::sys::{self, Pid};

/// The function in the library that begins a check.
const ENTRY: &str = "memtrace_check_here";
/// How long the target may take to stop and to be copied.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The process.
pub struct Target {
    pid: u32,
    /// One of its threads; the first may have left.
    thread: Pid,
    entry: u64,
    /// The launcher's recording, if a launcher started it; opened at once, because it is gone when the process is.
    launcher: Option<File>,
}

impl Target {
    /// Finds memtrace in a process.
    pub fn find(pid: u32) -> Result<Target, Error> {
        let what = || format!("process {pid}");
        let thread = living_thread(pid).ok_or_else(|| Error::read(what(), "there is none"))?;
        let entry = function(pid, thread, ENTRY)?;
        let launcher = launchers_recording(pid, thread)?;
        Ok(Target { pid, thread, entry, launcher })
    }

    /// Checks, and gives the recording with what was found. The process stands still until it is copied. Where it may be
    /// traced by its launcher only, that is asked to begin.
    pub fn check(&self, cause: Cause, patience: Duration) -> Result<Recording, Error> {
        let copy = match (self.stop(), &self.launcher) {
            (Ok(thread), _) => self.begin_on(&thread, cause)?,
            (Err(refused), Some(recording)) if refused.kind() == io::ErrorKind::PermissionDenied => {
                let failed = |why| self.not_stopped(&refused, &format!(", and {why}"));
                ask::ask(recording, self.pid, cause).map_err(failed)?
            }
            (Err(refused), _) => return Err(self.not_stopped(&refused, "")),
        };
        self.collect(copy, patience)
    }

    /// What a copy has found.
    pub fn collect(&self, copy: Pid, patience: Duration) -> Result<Recording, Error> {
        let limit = Instant::now() + patience;
        let file = match &self.launcher {
            Some(file) => {
                while exists(copy) && Instant::now() < limit {
                    thread::sleep(Duration::from_millis(2));
                }
                file.try_clone()
            }
            None => taken_from(copy, limit),
        };
        let failed = |cause| Error::System { what: "cannot open the recording", cause };
        let mut recording = Recording::from_file(file.map_err(failed)?, &format!("recording of process {}", self.pid))?;
        // The latest image of the process.
        recording.processes.retain(|process| process.header.pid.get() == self.pid);
        let before_last = recording.processes.len().saturating_sub(1);
        recording.processes.drain(..before_last);
        Ok(recording)
    }

    /// Has the process copied; the copy's pid.
    pub fn begin(&self, cause: Cause) -> Result<Pid, Error> {
        let thread = self.stop().map_err(|refused| self.not_stopped(&refused, ""))?;
        self.begin_on(&thread, cause)
    }

    fn stop(&self) -> io::Result<Stopped> {
        Stopped::stop(self.thread, STOP_PATIENCE)
    }

    fn not_stopped(&self, cause: &io::Error, more: &str) -> Error {
        let why = match cause.kind() {
            io::ErrorKind::PermissionDenied => {
                "ptrace was refused (another user, kernel.yama.ptrace_scope, or a debugger is attached)".into()
            }
            io::ErrorKind::TimedOut => "it did not stop".into(),
            _ => crate::error::words(cause),
        };
        Error::read(format!("process {}", self.pid), format!("{why}{more}"))
    }

    /// The same by a thread that stands still.
    pub fn begin_on(&self, thread: &Stopped, cause: Cause) -> Result<Pid, Error> {
        let what = || format!("process {}", self.pid);
        match thread.call(self.entry, &thread.place(), cause as u64, BEGUN, STOP_PATIENCE, None) {
            Ok(copy) if copy as i64 > 0 => Ok(copy as Pid),
            Ok(0) => Err(Error::read(what(), "no copy of it could be made")),
            Ok(_) => Err(Error::read(what(), "it is not recorded, or behind a filter of system calls")),
            Err(cause) => Err(Error::System { what: "cannot have the process copied", cause }),
        }
    }

    /// Whether it writes into this recording of a launcher's.
    pub fn is_in(&self, recording: &File) -> bool {
        self.launcher.as_ref().is_some_and(|own| ask::is_same(own, recording))
    }

    /// Whether it is still there.
    pub fn is_alive(&self) -> bool {
        living_thread(self.pid).is_some()
    }
}

/// The recording of a launcher that a process writes into; `None`: no launcher started it.
fn launchers_recording(pid: u32, thread: Pid) -> Result<Option<File>, Error> {
    let variables = fs::read(format!("/proc/{pid}/task/{thread}/environ")).unwrap_or_default();
    let launcher = variables.split(|&byte| byte == 0).find_map(|variable| {
        let value = std::str::from_utf8(variable.strip_prefix(b"MEMTRACE_RUN=")?).ok()?;
        let mut parts = value.split(':');
        let (keeper, fd): (u32, u32) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        // Whatever that process has there: an open does not wait for it.
        let options = File::options().read(true).custom_flags(libc::O_NONBLOCK).clone();
        Some(options.open(format!("/proc/{keeper}/fd/{fd}")))
    });
    // Daemons write their title over their environment.
    let launcher = launcher.or_else(|| alive::recording_of(pid).map(File::open));
    let failed = |cause| Error::System { what: "cannot open the recording", cause };
    launcher.transpose().map_err(failed)
}

/// The recording of a running process, for those who only read it. Without a launcher it lies in the process's own memory.
pub fn recording(pid: u32) -> Result<File, Error> {
    let what = || format!("process {pid}");
    let thread = living_thread(pid).ok_or_else(|| Error::read(what(), "there is none"))?;
    // Says where memtrace is not in it.
    function(pid, thread, ENTRY)?;
    let nowhere = "its recording lies in its own memory, as no launcher started it; expected one that `memtrace run` has \
                   started (`memtrace leaks` can look at this one)";
    launchers_recording(pid, thread)?.ok_or_else(|| Error::read(what(), nowhere))
}

/// Where a function of the library stands in a process.
pub fn function(pid: u32, thread: Pid, name: &str) -> Result<u64, Error> {
    let what = || format!("process {pid}");
    let maps = fs::read(format!("/proc/{pid}/task/{thread}/maps")).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => Error::read(what(), "there is none"),
        _ => Error::read(what(), format!("its mappings: {}", crate::error::words(&cause))),
    })?;
    let library = maps.split(|&byte| byte == b'\n').find_map(library_of);
    let Some((start, path)) = library else {
        return Err(Error::read(what(), "memtrace is not in it, expected one that was started with libmemtrace.so"));
    };
    // As the process sees it: it may be in a container.
    let seen = PathBuf::from(format!("/proc/{pid}/task/{thread}/root")).join(path.strip_prefix("/").unwrap_or(&path));
    let at =
        names::exported(&seen, name).ok_or_else(|| Error::read(what(), "its libmemtrace.so is of another version"))?;
    Ok(start + at)
}

/// The first of a process's threads that has not ended.
fn living_thread(pid: u32) -> Option<Pid> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let mut tids: Vec<Pid> =
        tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok()).filter(|&tid| exists(tid)).collect();
    tids.sort_by_key(|&tid| (tid != pid as Pid, tid));
    tids.first().copied()
}

/// First address and path of our library in a process, told by one of its threads.
pub fn library(pid: u32, thread: Pid) -> Option<(u64, PathBuf)> {
    let maps = fs::read(format!("/proc/{pid}/task/{thread}/maps")).ok()?;
    maps.split(|&byte| byte == b'\n').find_map(library_of)
}

/// First address and path of our library, if this line of maps is of it.
fn library_of(line: &[u8]) -> Option<(u64, PathBuf)> {
    let at = line.iter().position(|&byte| byte == b'/')?;
    let path = PathBuf::from(OsString::from_vec(line[at..].to_vec()));
    let name = path.file_name()?.to_str()?;
    // The library of the calls has none of what is looked for.
    if !name.starts_with("libmemtrace") || name.starts_with("libmemtrace_calls") || !name.contains(".so") {
        return None;
    }
    let start = line.split(|&byte| byte == b'-').next()?;
    Some((u64::from_str_radix(std::str::from_utf8(start).ok()?, 16).ok()?, path))
}

/// The memory file of a copy that has finished, and the end of the copy.
fn taken_from(copy: Pid, limit: Instant) -> io::Result<File> {
    let is_whole = || {
        fs::read_to_string(format!("/proc/{copy}/comm"))
            .is_ok_and(|name| name.trim_end().as_bytes() == CHECKED.to_bytes())
    };
    while !is_whole() {
        if !exists(copy) || Instant::now() > limit {
            sys::send(copy, libc::SIGKILL);
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_millis(2));
    }
    let is_memory = |path: &Path| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().contains("memfd:memtrace"));
    let file = fs::read_dir(format!("/proc/{copy}/fd"))
        .and_then(|files| {
            let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
            paths.find(|path| is_memory(path)).ok_or_else(|| io::ErrorKind::NotFound.into())
        })
        .and_then(File::open);
    sys::send(copy, libc::SIGKILL);
    file
}
