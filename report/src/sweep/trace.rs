//! The processes of one run, followed from start to end: how they ended, where they crashed, where they hung.
//!
//! ```text
//!   signal ─▶ fatal, or a fault? ─no──▶ goes on with it
//!                 └──yes──▶ stack taken ─▶ again: a fault by its instruction, another sent again ─▶ goes on with it
//!   time is up ─▶ all threads stopped, their stacks taken ─▶ killed
//! ```
//!
//! Stacks are taken by the library in the process itself, on a stack of its own.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use memtrace_wire::layout::{BEGUN, TRACER_STACK_BYTES};

use super::collect::{Seen, Taken};
use super::facts::Crash;
use super::locks;
use super::model::End;
use crate::leaks::target::library;
use crate::names;
use crate::run::crash::{kills, process_of};
use crate::sys::trace::{self, About, Event, Stopped};
use crate::sys::{self, Pid};

/// The function of the library that takes a stack, and the end of the memory that it may run on.
const ENTRY: &str = "memtrace_stack_here";
const STACK: &str = "memtrace_tracer_stack";
/// What tells us that nobody waits for the run any more. It is held.
pub const HURRY: i32 = libc::SIGTERM;
/// How long a stack may take.
const STACK_PATIENCE: Duration = Duration::from_secs(1);
/// How long processes may live on that the program has left.
const GRACE: Duration = Duration::from_millis(300);
/// On a busy machine a run may take so many times more than its time, as long as it waits for a processor.
const BUSY_TIMES_MAX: u32 = 9;
/// How long killed processes may take.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// Threads of a program that hung whose stacks are taken.
const THREADS_MAX: usize = 64;

/// Where the library's functions lie in its file.
pub struct Library {
    entry: u64,
    stack: u64,
}

impl Library {
    /// Those of this file, if it has them.
    pub fn of(path: &std::path::Path) -> Option<Library> {
        Some(Library { entry: names::exported(path, ENTRY)?, stack: names::exported(path, STACK)? })
    }
}

/// The processes of a run.
pub struct Watch<'l> {
    main: Pid,
    library: Option<&'l Library>,
    tasks: HashSet<Pid>,
    /// Processes of which a crash was seen.
    crashed: HashSet<Pid>,
    /// Tasks to which a signal was sent again, with what was known of it.
    sent_again: HashMap<Pid, About>,
    end: Option<End>,
    /// What was seen.
    pub seen: Seen,
    /// What the program's descriptors led to when it ended.
    pub descriptors: BTreeMap<String, u32>,
    /// Mutexes that its first thread held then.
    pub locks: BTreeMap<String, u32>,
    /// For a program that did not end: whether it used the processor.
    pub is_spinning: bool,
}

impl<'l> Watch<'l> {
    /// Follows a process that was just made and has not begun.
    pub fn begin(main: Pid, library: Option<&'l Library>) -> Result<Watch<'l>, String> {
        trace::follow_to_the_end(main)
            .map_err(|cause| format!("ptrace was refused: {}", crate::error::words(&cause)))?;
        Ok(Watch {
            main,
            library,
            tasks: HashSet::from([main]),
            crashed: HashSet::new(),
            sent_again: HashMap::new(),
            end: None,
            seen: Seen::default(),
            descriptors: BTreeMap::new(),
            locks: BTreeMap::new(),
            is_spinning: false,
        })
    }

    /// Waits until all of it has ended, and ends what does not.
    pub fn until_the_end(&mut self, timeout: Duration) -> End {
        let begin = Instant::now();
        let mut used = None;
        let mut left_since = None;
        loop {
            match trace::poll_any(-1) {
                Ok(Some((tid, event))) => self.handle(tid, event),
                Err(_) => break,
                Ok(None) => {
                    let now = Instant::now();
                    let last_part = timeout.mul_f64(0.8);
                    let mut limit = begin + timeout;
                    let until = if self.end.is_some() {
                        let since = *left_since.get_or_insert(now);
                        if now >= since + GRACE {
                            self.kill();
                            break;
                        }
                        since + GRACE
                    } else if now < begin + last_part {
                        begin + last_part
                    } else {
                        used.get_or_insert_with(|| (self.used_ns(), now));
                        // What it waited for a processor is not its own time.
                        limit += self.waited().min(timeout * BUSY_TIMES_MAX);
                        limit
                    };
                    if self.end.is_none() && now >= limit {
                        let (before, since) = used.unwrap_or((0, begin));
                        let part =
                            self.used_ns().saturating_sub(before) as f64 / (now - since).as_nanos().max(1) as f64;
                        // On a busy machine it gets less than it wants.
                        self.is_spinning = part > 0.3 || self.is_running();
                        self.end = Some(End::TimedOut);
                        self.look_at_threads();
                        self.kill();
                        break;
                    }
                    let signal = sys::next_signal(&[libc::SIGCHLD, HURRY], Some(until));
                    if signal.is_some_and(|signal| signal.number == HURRY) {
                        self.kill();
                        break;
                    }
                }
            }
        }
        self.end.unwrap_or(End::TimedOut)
    }

    fn handle(&mut self, tid: Pid, event: Event) {
        self.tasks.insert(tid);
        match event {
            Event::Exited(_) | Event::Killed(_) => {
                self.tasks.remove(&tid);
                if tid == self.main && self.end.is_none() {
                    self.end = match event {
                        Event::Exited(status) => Some(End::Exited(status)),
                        Event::Killed(signal) => Some(End::Killed(signal)),
                        _ => None,
                    };
                }
            }
            Event::Made(made) => {
                self.tasks.insert(made);
                trace::go_on(tid, 0);
            }
            Event::GroupStop => trace::listen(tid),
            Event::Exiting(_) => {
                if tid == self.main {
                    self.descriptors = descriptors(tid);
                    self.locks = locks::held(tid);
                }
                trace::go_on(tid, 0);
            }
            Event::Other => trace::go_on(tid, 0),
            Event::Signal(signal) => self.signal(tid, signal),
        }
    }

    fn signal(&mut self, tid: Pid, signal: i32) {
        if let Some(about) = self.sent_again.remove(&tid) {
            about.write(tid);
            return trace::go_on(tid, signal);
        }
        let Ok(about) = About::read(tid) else { return trace::go_on(tid, signal) };
        let is_fatal = kills(tid, signal);
        let pid = process_of(tid);
        // An abort is one too, whoever handles it.
        let is_crash = is_fatal || about.is_fault() || signal == libc::SIGABRT && about.code() <= 0;
        if !is_crash || !self.crashed.insert(pid) {
            return trace::go_on(tid, signal);
        }
        let place = Stopped::standing(tid).map(|thread| thread.place());
        let [_, sp, ..] = place.unwrap_or_default();
        let (node, was_moved) = self.take_stack(tid);
        let crash = Crash {
            signal,
            code: about.code(),
            address: about.address(),
            sp,
            stack: None,
            is_handled: !is_fatal,
            is_main: pid == self.main,
        };
        self.seen.crashes.push((crash, node.map(|node| Taken { pid: pid as u32, node })));
        if !was_moved {
            return trace::go_on(tid, signal);
        }
        if !about.is_fault() {
            self.sent_again.insert(tid, about);
            trace::send_to(pid, tid, signal);
        }
        trace::go_on(tid, 0);
    }

    /// Has a thread that stands still take its stack; and whether it was moved for that, so that its signal is gone.
    fn take_stack(&self, tid: Pid) -> (Option<u32>, bool) {
        let base = library(process_of(tid) as u32, tid).map(|(start, _)| start);
        let (Some(library), Some(base), Ok(thread)) = (self.library, base, Stopped::standing(tid)) else {
            return (None, false);
        };
        let end = base + library.stack + TRACER_STACK_BYTES as u64;
        let node = thread.call(base + library.entry, &thread.place(), 0, BEGUN, STACK_PATIENCE, Some(end));
        (node.ok().filter(|&node| node != 0).and_then(|node| u32::try_from(node).ok()), true)
    }

    /// Stops all threads and takes their stacks: the program's own first.
    fn look_at_threads(&mut self) {
        let mut tasks: Vec<Pid> = self.tasks.iter().copied().collect();
        tasks.sort_unstable_by_key(|&tid| (tid != self.main, tid));
        tasks.truncate(THREADS_MAX);
        for &tid in &tasks {
            trace::interrupt(tid);
        }
        let limit = Instant::now() + STACK_PATIENCE;
        let mut standing = HashSet::new();
        while standing.len() < tasks.len() && Instant::now() < limit {
            match trace::poll_any(-1) {
                Ok(Some((tid, Event::Exited(_) | Event::Killed(_)))) => {
                    self.tasks.remove(&tid);
                    tasks.retain(|&task| task != tid);
                }
                Ok(Some((tid, _))) => _ = standing.insert(tid),
                Ok(None) => _ = sys::next_signal(&[libc::SIGCHLD], Some(limit)),
                Err(_) => break,
            }
        }
        for tid in tasks.into_iter().filter(|tid| standing.contains(tid)) {
            if let (Some(node), _) = self.take_stack(tid) {
                self.seen.threads.push(Taken { pid: process_of(tid) as u32, node });
            }
        }
    }

    /// Whether one of its tasks runs, or would if it could.
    fn is_running(&self) -> bool {
        let is_running = |tid: &Pid| {
            let text = fs::read_to_string(format!("/proc/{tid}/stat")).unwrap_or_default();
            text.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('R'))
        };
        self.tasks.iter().any(is_running)
    }

    /// CPU time of all its tasks.
    fn used_ns(&self) -> u64 {
        self.scheduled(0).sum()
    }

    /// The longest that one of its tasks has waited for a processor.
    fn waited(&self) -> Duration {
        Duration::from_nanos(self.scheduled(1).max().unwrap_or(0))
    }

    /// A field of each task's /proc/tid/schedstat (proc(5)): nanoseconds on a processor, nanoseconds waiting for one.
    fn scheduled(&self, field: usize) -> impl Iterator<Item = u64> {
        self.tasks.iter().filter_map(move |tid| {
            let text = fs::read_to_string(format!("/proc/{tid}/schedstat")).ok()?;
            text.split(' ').nth(field)?.parse().ok()
        })
    }

    /// Ends all that is left.
    fn kill(&mut self) {
        let limit = Instant::now() + KILL_PATIENCE;
        for &tid in &self.tasks {
            sys::send(tid, libc::SIGKILL);
        }
        loop {
            match trace::poll_any(-1) {
                Err(_) => break,
                Ok(Some((tid, Event::Exited(_) | Event::Killed(_)))) => _ = self.tasks.remove(&tid),
                Ok(Some((tid, _))) => {
                    self.tasks.insert(tid);
                    sys::send(tid, libc::SIGKILL);
                    trace::go_on(tid, 0);
                }
                Ok(None) if Instant::now() > limit => break,
                Ok(None) => {
                    // What it has left without our seeing it made: a copy's children, say.
                    adopted().for_each(|pid| sys::send(pid, libc::SIGKILL));
                    _ = sys::next_signal(&[libc::SIGCHLD], Some(Instant::now() + Duration::from_millis(20)));
                }
            }
        }
    }
}

/// Our children, as the kernel lists them: orphans of what we started are among them.
fn adopted() -> impl Iterator<Item = Pid> {
    let list = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<Pid>>().into_iter()
}

/// What the descriptors of a process lead to, but the first three: paths, or kinds of what has no path.
fn descriptors(pid: Pid) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
        let number = entry.file_name().to_string_lossy().parse::<u32>();
        let Ok(to) = fs::read_link(entry.path()) else { continue };
        if number.is_ok_and(|number| number > 2) {
            *found.entry(kind_of(to)).or_default() += 1;
        }
    }
    found
}

/// `socket:[123]` is a socket, whatever its number.
fn kind_of(to: PathBuf) -> String {
    let text = to.to_string_lossy().into_owned();
    match text.split_once(":[") {
        Some((kind, _)) if !text.starts_with('/') => kind.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_told_by_what_they_lead_to() {
        assert_eq!(kind_of("socket:[12]".into()), "socket");
        assert_eq!(kind_of("/tmp/a:[1]".into()), "/tmp/a:[1]");
        let file = fs::File::open("/dev/null").unwrap();
        assert!(descriptors(std::process::id() as Pid).get("/dev/null").is_some_and(|&count| count >= 1));
        drop(file);
    }
}
