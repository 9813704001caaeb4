//! A process and all that it starts: its output, its end in time, and nobody left behind.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How it went.
pub struct Went {
    /// `None`: it had to be killed.
    pub status: Option<ExitStatus>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Somebody still held stdout or stderr when time was up.
    pub is_held: bool,
    pub cpu: Duration,
    pub rss_bytes: u64,
}

/// How often the end is looked for.
const PAUSE: Duration = Duration::from_millis(2);

/// Runs a command in a process group of its own, and kills the group when time is up and again at the end.
pub fn run(mut command: Command, input: Vec<u8>, patience: Duration) -> Went {
    let until = Instant::now() + patience;
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[expect(clippy::zombie_processes, reason = "`reap` waits, for the resources used too")]
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("it is a pipe");
    // Who does not read its input makes this thread fail, not the test.
    thread::spawn(move || stdin.write_all(&input));
    let stdout = collect(child.stdout.take().expect("it is a pipe"));
    let stderr = collect(child.stderr.take().expect("it is a pipe"));
    let pid = libc::pid_t::try_from(child.id()).expect("a pid is positive");
    let ended = loop {
        match reap(pid, libc::WNOHANG) {
            Some(ended) => break Some(ended),
            None if Instant::now() >= until => break None,
            None => thread::sleep(PAUSE),
        }
    };
    if ended.is_none() {
        kill_group(pid);
        reap(pid, 0);
    }
    let (stdout, stdout_is_held) = rest(&stdout, until);
    let (stderr, stderr_is_held) = rest(&stderr, until);
    kill_group(pid);
    let (status, usage) = ended.unzip();
    let (cpu, rss_bytes) = usage.map(measures).unwrap_or_default();
    Went { status, stdout, stderr, is_held: stdout_is_held || stderr_is_held, cpu, rss_bytes }
}

/// The pieces that come through a pipe; the channel closes with the pipe.
fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (tell, hear) = mpsc::channel();
    thread::spawn(move || {
        let mut piece = vec![0; 1 << 16];
        while let Ok(length @ 1..) = pipe.read(&mut piece) {
            if tell.send(piece[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    hear
}

/// What came, and whether somebody still holds the pipe.
fn rest(pieces: &Receiver<Vec<u8>>, until: Instant) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        match pieces.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(piece) => all.extend(piece),
            Err(mpsc::RecvTimeoutError::Disconnected) => return (all, false),
            Err(mpsc::RecvTimeoutError::Timeout) => return (all, true),
        }
    }
}

fn reap(pid: libc::pid_t, flags: i32) -> Option<(ExitStatus, libc::rusage)> {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: our own child; the kernel writes a status and a rusage.
    let reaped = unsafe { libc::wait4(pid, &mut status, flags, usage.as_mut_ptr()) };
    // SAFETY: zeroed at first, so every field is a valid integer.
    (reaped == pid).then(|| (ExitStatus::from_raw(status), unsafe { usage.assume_init() }))
}

fn kill_group(pid: libc::pid_t) {
    // SAFETY: the group of a child that is reaped by `run` alone; one that is empty is refused.
    unsafe { libc::kill(-pid, libc::SIGKILL) };
}

fn measures(usage: libc::rusage) -> (Duration, u64) {
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    (time(usage.ru_utime) + time(usage.ru_stime), usage.ru_maxrss.unsigned_abs() * 1024)
}
