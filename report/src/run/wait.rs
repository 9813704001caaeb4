//! Waiting for the target as if nobody stood between it and the shell.
//!
//! ```text
//!   terminal ──INT, QUIT, TSTP──▶ process group: the target too, so the launcher leaves them to it
//!   kill(launcher) ──TERM, HUP, USR1, USR2──▶ passed on to the target
//!   memtrace leaks ──CHLD──▶ the launcher looks whether a check is asked for
//!   the target stops ──▶ the launcher stops, so that the shell sees a stopped job
//!   the time for a sample has come ──▶ the launcher looks at the processes, from outside
//! ```

use std::fs;
use std::time::Instant;

use super::alive::is_stopped;
use super::ask::Answers;
use super::crash::Watch;
use super::sampler::Sampler;
use crate::error::Error;
use crate::leaks::Rounds;
use crate::sys::{self, Change, Pid};

/// Signals that the launcher takes one by one. The target gets the mask that the launcher was started with.
pub const HELD: &[i32] = &[
    libc::SIGCHLD,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCONT,
];

/// How a target ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// With this status.
    Exited(u8),
    /// By this signal.
    Killed(i32),
}

/// Waits until the target has ended.
pub fn until_the_end(
    target: Pid,
    mut rounds: Option<Rounds>,
    mut answers: Answers,
    mut sampler: Option<&mut Sampler>,
) -> Result<Ended, Error> {
    loop {
        answers.give(true);
        sampler.as_mut().into_iter().for_each(|sampler| sampler.sample());
        if let Some(rounds) = rounds.as_mut().filter(|rounds| rounds.next() <= Instant::now()) {
            rounds.begin();
        }
        let failed = |cause| Error::System { what: "cannot wait for the target", cause };
        match sys::poll_child(target).map_err(failed)? {
            Some(Change::Exited(status)) => return Ok(Ended::Exited(status)),
            Some(Change::Killed(signal)) => return Ok(Ended::Killed(signal)),
            Some(Change::Stopped) => stop_with(target),
            None => {
                let until = rounds.as_ref().map(Rounds::next);
                // Where no signal came, no copy has ended either.
                if let Some(signal) = sys::next_signal(HELD, sooner(until, sampler.as_deref())) {
                    pass_on(target, &signal);
                    wait_for_copies(target);
                }
            }
        }
    }
}

/// The same for a target that is traced.
pub fn watched(
    mut watch: Watch,
    target: Pid,
    mut answers: Answers,
    mut sampler: Option<&mut Sampler>,
) -> Result<Ended, Error> {
    loop {
        answers.give(false);
        sampler.as_mut().into_iter().for_each(|sampler| sampler.sample());
        let was_stopped = watch.is_stopped;
        if let Some(ended) = watch.poll() {
            watch.finish();
            return Ok(ended);
        }
        if watch.is_stopped && !was_stopped {
            stop_with(target);
        }
        let patience = watch.patience();
        match sys::next_signal(HELD, sooner(patience, sampler.as_deref())) {
            Some(signal) => pass_on(target, &signal),
            None if patience.is_some_and(|until| until <= Instant::now()) => watch.give_up(),
            None => {}
        }
        wait_for_copies(target);
    }
}

/// The sooner of a time, if there is one, and that of the next sample.
fn sooner(until: Option<Instant>, sampler: Option<&Sampler>) -> Option<Instant> {
    until.into_iter().chain(sampler.map(Sampler::next)).min()
}

/// Copies of a target that adopts orphans are children of the launcher's (proc(5), /proc/pid/task/tid/children).
fn wait_for_copies(target: Pid) {
    let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    let pids = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
    // Whether one has ended; the keeper may be among them, too.
    pids.filter(|&pid| pid != target).for_each(|pid| _ = sys::poll_child(pid));
}

/// A shell with job control waits for its own child, the launcher, to stop. Without such a shell nobody would
/// ever wake the launcher, so it goes on waiting.
fn stop_with(target: Pid) {
    // The news may be old: Ctrl-Z stops the launcher too, and it reads of the target's stop when both go on again.
    if is_stopped(target) && sys::has_the_terminal() {
        sys::send(std::process::id() as Pid, libc::SIGSTOP);
    }
}

fn pass_on(target: Pid, signal: &sys::Signal) {
    match signal.number {
        // `fg` wakes the whole group; `kill -CONT` only the launcher.
        libc::SIGCONT if is_stopped(target) => sys::send(target, libc::SIGCONT),
        libc::SIGTERM | libc::SIGHUP | libc::SIGUSR1 | libc::SIGUSR2 if signal.from_process => {
            sys::send(target, signal.number);
        }
        _ => {}
    }
}
