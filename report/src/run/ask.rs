//! A check that is asked for: where ptrace(2) is an ancestor's alone (Yama), the launcher begins it.
//!
//! ```text
//!   memtrace leaks ──process, number──▶ header of the recording ──▶ launcher: stops the process, has it copied
//!        │ └─────SIGCHLD, which wakes it and means nothing else to anybody──▶ │
//!        ◀──────────────── the number again, and the copy's id ───────────────┘
//! ```
//!
//! Nothing is asked of who asks: the recording can be opened by the user's own processes and by root's, and both may
//! send the signal.

use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::thread;
use std::time::{Duration, Instant};

use memtrace_wire::layout::{Ask, Cause, FileHeader};
use memtrace_wire::map::{self, U32, bytes_of};

use super::alive::exists;
use crate::leaks::target::Target;
use crate::sys::{self, Pid};

/// The longest that an answer may take: the target has five seconds to stop, and five to be copied.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(2);

/// Asks the launcher of a recording for a check of one of its processes: the copy that checks. `Err`: why there is none.
pub fn ask(recording: &File, pid: u32, cause: Cause) -> Result<Pid, String> {
    let limit = Instant::now() + PATIENCE;
    let failed = |cause: io::Error| format!("its launcher cannot be asked: {}", crate::error::words(&cause));
    // The file was opened for reading, and a lock is for those that can write.
    let path = format!("/proc/self/fd/{}", recording.as_raw_fd());
    let file = File::options().read(true).write(true).open(path).map_err(failed)?;
    let launcher = launcher(&file).map_err(failed)?;
    let silent = || format!("its launcher, process {launcher}, does not answer");
    // Another command's question: it is answered within milliseconds.
    while !sys::try_lock(&file) {
        wait(limit).then_some(()).ok_or_else(silent)?;
    }
    let number = read(&file).map_err(failed)?.number.get().wrapping_add(1).max(1);
    put(&file, offset_of!(Ask, pid), pid).map_err(failed)?;
    put(&file, offset_of!(Ask, cause), cause as u32).map_err(failed)?;
    put(&file, offset_of!(Ask, number), number).map_err(failed)?;
    sys::send(launcher, libc::SIGCHLD);
    loop {
        let answer = read(&file).map_err(failed)?;
        if answer.answered.get() == number {
            let copy = Some(answer.copy.get() as Pid).filter(|&copy| copy > 0);
            return copy.ok_or_else(|| "its launcher could not stop it either".to_owned());
        }
        if !exists(launcher) {
            return Err("its launcher is gone".to_owned());
        }
        wait(limit).then_some(()).ok_or_else(silent)?;
    }
}

/// The launcher's side.
pub struct Answers {
    recording: File,
    /// Number of the last request.
    answered: u32,
}

impl Answers {
    /// To those who have this recording.
    pub fn to(recording: File) -> Answers {
        Answers { recording, answered: 0 }
    }

    /// Does what was asked for since the last time; `may_trace`: not if the processes are traced already.
    pub fn give(&mut self, may_trace: bool) {
        // Where the recording cannot be read or written, nobody waits for an answer.
        let Ok(asked) = read(&self.recording) else { return };
        let number = asked.number.get();
        if number == self.answered {
            return;
        }
        self.answered = number;
        let copy = if may_trace { self.begin(&asked) } else { None };
        let _ = put(&self.recording, offset_of!(Ask, copy), copy.unwrap_or(0) as u32);
        let _ = put(&self.recording, offset_of!(Ask, answered), number);
    }

    /// The copy of a process of this run.
    fn begin(&self, asked: &Ask) -> Option<Pid> {
        let cause = Cause::from_number(asked.cause.get())?;
        let target = Target::find(asked.pid.get()).ok()?;
        if !matches!(cause, Cause::Command | Cause::Round) || !target.is_in(&self.recording) {
            return None;
        }
        target.begin(cause).ok()
    }
}

/// Whether two are the same file.
pub fn is_same(one: &File, other: &File) -> bool {
    let identity = |file: &File| file.metadata().map(|about| (about.dev(), about.ino())).ok();
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

/// Waits a little; false: it is too late.
fn wait(limit: Instant) -> bool {
    thread::sleep(PAUSE);
    Instant::now() < limit
}

fn launcher(file: &File) -> io::Result<Pid> {
    let mut bytes = [0; size_of::<U32>()];
    file.read_exact_at(&mut bytes, offset_of!(FileHeader, launcher_pid) as u64)?;
    Ok(u32::from_le_bytes(bytes) as Pid)
}

fn read(file: &File) -> io::Result<Ask> {
    let mut bytes = [0; size_of::<Ask>()];
    file.read_exact_at(&mut bytes, offset_of!(FileHeader, ask) as u64)?;
    map::read(&bytes, 0).ok_or(io::ErrorKind::UnexpectedEof.into())
}

fn put(file: &File, field: usize, value: u32) -> io::Result<()> {
    file.write_all_at(bytes_of(&U32::new(value)), (offset_of!(FileHeader, ask) + field) as u64)
}
