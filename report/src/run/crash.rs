//! `memtrace run --crash`: a check at the death of each process by a signal, and the freed block that a fault is about. SIGKILL, and more than one thread: see
//! `dying`.
//!
//! The launcher traces its target and what that starts. A signal that is about to kill a process stops it first; then
//! its thread begins a check as for `memtrace leaks`, and dies as it would have without.
//!
//! ```text
//!   signal ─▶ would it kill? ─no──▶ goes on with it
//!                 └──yes──▶ check ─▶ sent again (a fault: the instruction runs again) ─▶ dies
//! ```

use std::collections::{HashMap, HashSet};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use memtrace_wire::layout::{BEGUN, Cause};

use super::alive::exists;
use super::dying::{self, Dying};
use super::memfd::Recording;
use super::target::Target as Command;
use super::wait::Ended;
use crate::leaks::target::{Target, function};
use crate::sys::trace::{self, About, Event, Stopped};
use crate::sys::{self, Pid};

/// How long copies of dead processes may still be searched.
const PATIENCE: Duration = Duration::from_secs(10);
/// The library's function that looks for a freed block, and how long it may take.
const ENTRY: &str = "memtrace_crash_here";
const LOOK_PATIENCE: Duration = Duration::from_secs(2);
/// Programs that trace others themselves, which only one can.
const TRACERS: &[&str] = &["gdb", "gdbserver", "strace", "ltrace", "lldb", "lldb-server", "rr", "perf", "uftrace"];

/// The traced tasks of a run.
pub struct Watch {
    target: Pid,
    tasks: HashSet<Pid>,
    /// Processes of which a fault was looked at.
    looked_at: HashSet<Pid>,
    /// Processes that were checked.
    checked: HashSet<Pid>,
    /// Tasks to which a signal was sent again, with what was known of it.
    sent_again: HashMap<Pid, About>,
    /// Copies that are searched.
    copies: Vec<Pid>,
    dying: Dying,
    /// Whether the target is stopped as a whole.
    pub is_stopped: bool,
}

impl Watch {
    /// Traces a target that has just been started. `Err`: what is in the way.
    pub fn begin(target: Pid, command: &Command, recording: &Recording) -> Result<Watch, String> {
        if TRACERS.iter().any(|&name| command.name == name) {
            return Err(format!("{} traces programs itself", command.name.display()));
        }
        match trace::follow(target).and_then(|()| recording.file()) {
            Ok(file) => Ok(Watch {
                target,
                tasks: HashSet::from([target]),
                looked_at: HashSet::new(),
                checked: HashSet::new(),
                sent_again: HashMap::new(),
                copies: Vec::new(),
                dying: Dying::new(file),
                is_stopped: false,
            }),
            Err(cause) => Err(format!("ptrace was refused: {}", crate::error::words(&cause))),
        }
    }

    /// Handles what tasks have done; how the target ended, if it has.
    pub fn poll(&mut self) -> Option<Ended> {
        let mut ended = None;
        let mut is_news = true;
        while is_news {
            is_news = false;
            for tid in self.tasks.iter().copied().collect::<Vec<_>>() {
                match trace::poll(tid) {
                    Ok(Some(event)) => {
                        is_news = true;
                        ended = ended.or(self.handle(tid, event));
                    }
                    Ok(None) => {}
                    Err(_) => _ = self.tasks.remove(&tid),
                }
            }
        }
        ended
    }

    fn handle(&mut self, tid: Pid, event: Event) -> Option<Ended> {
        match event {
            Event::Exited(_) | Event::Killed(_) => {
                self.tasks.remove(&tid);
                return (tid == self.target).then_some(match event {
                    Event::Killed(signal) => Ended::Killed(signal),
                    Event::Exited(status) => Ended::Exited(status),
                    _ => Ended::Exited(0),
                });
            }
            Event::Made(made) => {
                self.tasks.insert(made);
                trace::go_on(tid, 0);
            }
            Event::GroupStop => {
                self.is_stopped |= tid == self.target;
                trace::listen(tid);
            }
            Event::Other => {
                self.is_stopped &= tid != self.target;
                trace::go_on(tid, 0);
            }
            Event::Signal(signal) => self.signal(tid, signal),
            Event::Exiting(status) => self.exiting(tid, status),
        }
        None
    }

    /// Until when threads may be held; `None`: none is.
    pub fn patience(&self) -> Option<Instant> {
        self.dying.any().then(|| Instant::now() + dying::HOLD)
    }

    /// No thread is held any longer.
    pub fn give_up(&mut self) {
        // What comes to its end later is not all of such a process.
        self.checked.extend(self.dying.give_up());
    }

    /// A signal that was seen before has had its check.
    fn exiting(&mut self, tid: Pid, status: i32) {
        self.is_stopped &= tid != self.target;
        let pid = process_of(tid);
        if !libc::WIFSIGNALED(status) || self.checked.contains(&pid) {
            return trace::go_on(tid, 0);
        }
        // Threads that were just being made when they were killed have not been told of, and stop all the same.
        self.tasks.extend(dying::threads_of(pid));
        self.dying.add(pid, tid);
    }

    fn signal(&mut self, tid: Pid, signal: i32) {
        if let Some(about) = self.sent_again.remove(&tid) {
            about.write(tid);
            return trace::go_on(tid, signal);
        }
        let pid = process_of(tid);
        if kills(tid, signal) && self.looked_at.insert(pid) && look_at_fault(pid, tid) {
            // The instruction runs again, and faults again.
            return trace::go_on(tid, 0);
        }
        // A thread of the process could not read the registers of others, which are traced by this process.
        let is_alone = dying::threads_of(pid).filter(|&tid| exists(tid)).count() == 1;
        if !kills(tid, signal) || !is_alone || !self.checked.insert(pid) {
            return trace::go_on(tid, signal);
        }
        let (Ok(about), true) = (About::read(tid), self.check(pid, tid)) else {
            return trace::go_on(tid, signal);
        };
        if !about.is_fault() {
            self.sent_again.insert(tid, about);
            trace::send_to(pid, tid, signal);
        }
        trace::go_on(tid, 0);
    }

    /// Has the thread begin a check. False: it was not moved from where it stood.
    fn check(&mut self, pid: Pid, tid: Pid) -> bool {
        let Ok(target) = Target::find(pid as u32) else { return false };
        let Ok(thread) = Stopped::standing(tid) else { return false };
        self.copies.extend(target.begin_on(&thread, Cause::Death));
        true
    }

    /// Waits for the copies that are still searched.
    pub fn finish(self) {
        let limit = Instant::now() + PATIENCE;
        while self.copies.iter().any(|&copy| exists(copy)) && Instant::now() < limit {
            thread::sleep(Duration::from_millis(2));
        }
        self.copies.iter().filter(|&&copy| exists(copy)).for_each(|&copy| sys::send(copy, libc::SIGKILL));
    }
}

/// Has a thread that is about to die of a fault look whether that was in a freed block. True: it was moved for that.
fn look_at_fault(pid: Pid, tid: Pid) -> bool {
    let Some(about) = About::read(tid).ok().filter(About::is_fault) else { return false };
    let (Ok(entry), Ok(thread)) = (function(pid as u32, tid, ENTRY), Stopped::standing(tid)) else { return false };
    let mut words = thread.place().to_vec();
    words.push(about.address());
    // What came of it stands in the recording.
    let _ = thread.call(entry, &words, 0, BEGUN, LOOK_PATIENCE, None);
    true
}

/// The process that a task belongs to.
pub fn process_of(tid: Pid) -> Pid {
    status(tid, "Tgid:").and_then(|value| value.parse().ok()).unwrap_or(tid)
}

/// Whether a signal's default is to kill (signal(7)), and nobody has said otherwise.
pub fn kills(tid: Pid, signal: i32) -> bool {
    let harmless =
        [libc::SIGCHLD, libc::SIGURG, libc::SIGWINCH, libc::SIGCONT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
    let has = |set: &str| {
        let bits = status(tid, set).and_then(|value| u64::from_str_radix(&value, 16).ok());
        bits.is_none_or(|bits| bits >> (signal - 1) & 1 != 0)
    };
    (1..=64).contains(&signal) && !harmless.contains(&signal) && !has("SigIgn:") && !has("SigCgt:")
}

fn status(tid: Pid, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_kills_unless_it_is_handled_ignored_or_harmless() {
        let own = std::process::id() as Pid;
        assert!(kills(own, libc::SIGTERM) && kills(own, libc::SIGSEGV) || !kills(own, libc::SIGCHLD));
        assert!(!kills(own, libc::SIGCHLD) && !kills(own, libc::SIGWINCH) && !kills(own, 0) && !kills(own, 65));
        assert_eq!(process_of(own), own);
    }
}
