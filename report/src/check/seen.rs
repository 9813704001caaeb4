//! Which processes of a run were judged, which were not and why, and which memtrace never saw.
//!
//! A process that was started and left no record is known by its parent's calls alone: more forks and spawns were
//! counted than children have recorded. It may have allocated nothing, or be a program that no library can be loaded into.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::frames::{is_own_module, is_own_program};
use super::model::{NotJudged, Processes, Unseen};
use super::policy::Scope;
use crate::profile::leaks::Check;
use crate::profile::{Process, Profile, bundled};
use crate::text;
use crate::views::base_name;
use crate::views::leaks::last_word;

/// Words of memtrace's own command line that stand for a program of the user's: that of `--self-test`.
pub const PLANT: &str = "__plant";

/// What was seen.
#[derive(Default)]
pub struct Seen {
    /// For the report.
    pub processes: Processes,
    /// Places in `Profile::processes` of the images that count.
    pub counted: Vec<usize>,
    /// Places of those that were not judged.
    pub not_judged: Vec<usize>,
    /// Code of the project's is in one of them.
    pub has_own_code: bool,
    /// Why the command's own program was not judged.
    pub target_unknown: Option<String>,
    /// Programs that were judged, and have an allocator linked in whose blocks nobody saw.
    bundled: BTreeSet<String>,
    /// The same of libraries.
    bundled_beside: BTreeSet<String>,
}

impl Seen {
    /// Looks at all processes. `target`: the pid of the command; `living`: those that are not over.
    pub fn of(profile: &Profile, scope: &Scope, target: Option<u32>, living: &BTreeSet<u32>) -> Seen {
        let mut seen = Seen::default();
        seen.processes.lost = profile.processes_lost;
        seen.processes.living = living.len() as u64;
        seen.processes.unseen = unseen(&profile.processes, living);
        for (place, process) in profile.processes.iter().enumerate() {
            if is_memtrace(process) {
                seen.processes.of_memtrace += 1;
                continue;
            }
            let is_excluded = process.passive.as_deref() == Some("excluded");
            if is_excluded || !scope.has_program(&process.exe) {
                seen.processes.outside += 1;
                continue;
            }
            match why_not_judged(process) {
                None => {
                    seen.look_for_allocators(process);
                    seen.processes.judged += 1;
                    seen.counted.push(place);
                    seen.has_own_code |= is_own_program(&process.exe) || process.modules.iter().any(is_own_module);
                }
                Some(why) => {
                    let (pid, exe) = (process.pid, process.exe.clone());
                    seen.not_judged.push(place);
                    seen.processes.not_judged.push(NotJudged { pid, exe, why });
                }
            }
        }
        seen.target_unknown = target.and_then(|pid| target_unknown(profile, scope, pid, &seen.processes.unseen));
        seen
    }

    fn look_for_allocators(&mut self, process: &Process) {
        let said = |name: &str, path: &str| {
            let why = bundled::why_not(process, path, name);
            format!("{}: {name} is linked into it, and what that gives is not recorded{why}", base_name(path))
        };
        for (module, name) in bundled::all(process) {
            let text = said(name, &module.path);
            _ = match bundled::of_program(process) == Some(name) && module.path == process.exe {
                true => self.bundled.insert(text),
                false => self.bundled_beside.insert(text),
            };
        }
    }

    /// Why nobody can tell, in sentences; none: there is something to be told. `is_strict`: all must have been judged.
    pub fn no_data(&self, scope: &Scope, is_strict: bool) -> Vec<String> {
        let Processes { judged, not_judged, unseen, outside, lost, living, .. } = &self.processes;
        let mut reasons = Vec::new();
        if *judged == 0 && not_judged.is_empty() {
            let programs = scope.exes.join("`, `");
            reasons.push(match (*outside, scope.exes.is_empty()) {
                (0, true) => "no process was recorded".to_owned(),
                (outside, true) => format!("{} left out by MEMTRACE_EXE, and no other", count(outside)),
                (outside, false) => format!("no process of a program `{programs}` among {}", count(outside)),
            });
        } else if *judged == 0 || is_strict {
            reasons.extend(not_judged.iter().map(|one| format!("{}: {}", name(&one.exe, one.pid), one.why)));
        }
        reasons.extend(self.bundled.iter().cloned());
        if is_strict {
            reasons.extend(self.bundled_beside.iter().cloned());
        }
        reasons.extend(self.target_unknown.clone().filter(|why| !reasons.contains(why)));
        // Nothing but shells and the like was seen, and they started something else.
        let is_only_carriers = !self.has_own_code && !unseen.is_empty() && scope.exes.is_empty();
        if is_strict || is_only_carriers {
            let told = unseen.iter().map(unseen_in_words).filter(|why| self.target_unknown.as_ref() != Some(why));
            reasons.extend(told);
        }
        if is_strict && *lost > 0 {
            reasons.push(format!("{} not recorded: no room in the recording", count(*lost)));
        }
        if is_strict && *living > 0 {
            reasons.push(format!("{} outlived the command", count(*living)));
        }
        reasons
    }

    /// What is to be said of what was not judged, where the rest was.
    pub fn notes(&self) -> Vec<String> {
        let Processes { not_judged, unseen, of_memtrace, lost, living, .. } = &self.processes;
        // The same reason for the same program is one note.
        let mut by_reason: BTreeMap<(&str, &str), (u64, u32)> = BTreeMap::new();
        for one in not_judged {
            by_reason.entry((&one.exe, &one.why)).or_insert((0, one.pid)).0 += 1;
        }
        let mut notes: Vec<String> = by_reason
            .into_iter()
            .map(|((exe, why), (images, pid))| match images {
                1 => format!("not judged: {}: {why}", name(exe, pid)),
                images => format!("not judged: {} of {}: {why}", count(images), base_name(exe)),
            })
            .collect();
        notes.extend(unseen.iter().map(|one| format!("not seen: {}", unseen_in_words(one))));
        notes.extend(self.bundled.iter().chain(&self.bundled_beside).map(|one| format!("not seen: {one}")));
        if *of_memtrace > 0 {
            let runs = text::count(*of_memtrace, "process");
            notes.push(format!(
                "{runs} of memtrace itself: what such a run starts is recorded by it, and not judged here"
            ));
        }
        if *lost > 0 {
            notes.push(format!("not recorded: {}, no room in the recording", count(*lost)));
        }
        if *living > 0 {
            notes.push(format!("not judged: {} outlived the command", count(*living)));
        }
        notes
    }
}

fn count(processes: u64) -> String {
    text::count(processes, "process")
}

fn name(exe: &str, pid: u32) -> String {
    format!("{} (pid {pid})", if exe.is_empty() { "(unknown program)" } else { base_name(exe) })
}

fn unseen_in_words(unseen: &Unseen) -> String {
    let who = name(&unseen.exe, unseen.pid);
    let why = "static, set-id, started without LD_PRELOAD, or it allocated nothing";
    match (unseen.by_exec, unseen.count) {
        (true, _) => format!("{who} became a program that memtrace was not loaded into ({why})"),
        (false, 1) => format!("{who} started 1 process that left no record ({why})"),
        (false, number) => format!("{who} started {number} processes that left no record ({why})"),
    }
}

/// Why it is not known what a process lost; nothing: it is.
fn why_not_judged(process: &Process) -> Option<String> {
    if let Some(reason) = text::nothing_recorded(process) {
        return Some(format!("nothing was recorded: {reason}"));
    }
    if last_word(process).is_some_and(|check| check.leaks.is_empty() && check.flags.iter().any(|flag| flag == "cut")) {
        return Some("not classified: there was no memory for the list of what is lost".to_owned());
    }
    // Nothing is live: nothing is lost.
    if last_word(process).is_some() || process.summary.live_blocks == 0 && !process.losses.contains_key("block_dropped")
    {
        return None;
    }
    let of_the_end = |check: &&Check| matches!(check.cause.as_str(), "end" | "death");
    let check = process.checks.last().filter(of_the_end);
    Some(match (check.and_then(|check| check.hindrance.as_deref()), process.end.signal, process.end.how.as_str()) {
        (Some(hindrance), ..) => format!("not classified: {}", text::hindrance(hindrance)),
        (None, Some(signal), _) => {
            format!("not classified: {} killed it (`--crash` looks at such deaths)", text::signal(signal))
        }
        _ if process.settings.get("MEMTRACE_LEAKS").is_some_and(|value| value == "0") => {
            "not classified: MEMTRACE_LEAKS=0".to_owned()
        }
        (None, None, "none") => {
            "not classified: it ended without running any code of memtrace's, by a signal or a raw exit".to_owned()
        }
        _ => "not classified".to_owned(),
    })
}

/// Whether a process is memtrace's own: the command beside the library that was loaded into it.
fn is_memtrace(process: &Process) -> bool {
    let is_command = base_name(&process.exe) == "memtrace" && process.arguments.iter().all(|word| word != PLANT);
    let directory = |path: &str| path.rsplit_once('/').map(|(directory, _)| directory.to_owned());
    let library = process.modules.iter().find(|module| module.flags.iter().any(|flag| flag == "memtrace"));
    let near = |library: &str| {
        let (Some(home), Some(beside)) = (directory(&process.exe), directory(library)) else { return false };
        home == beside || directory(&home) == directory(&beside) || beside.starts_with(&format!("{home}/../lib"))
    };
    is_command && library.is_none_or(|library| near(&library.path))
}

/// Why the command's own program has no verdict.
fn target_unknown(profile: &Profile, scope: &Scope, pid: u32, unseen: &[Unseen]) -> Option<String> {
    let (place, last) = profile.processes.iter().enumerate().rfind(|(_, process)| process.pid == pid)?;
    if let Some(gone) = unseen.iter().find(|unseen| unseen.by_exec && unseen.pid == pid) {
        return Some(unseen_in_words(gone));
    }
    let counts = scope.has_program(&profile.processes.get(place)?.exe) && last.passive.as_deref() != Some("excluded");
    let why = why_not_judged(last).filter(|_| counts && !is_memtrace(last))?;
    Some(format!("{}: {why}", name(&last.exe, last.pid)))
}

/// What nothing was recorded of. What is not over may still begin to record.
fn unseen(processes: &[Process], living: &BTreeSet<u32>) -> Vec<Unseen> {
    let recorded: BTreeSet<u32> = processes.iter().map(|process| process.pid).collect();
    let mut not_begun = living.difference(&recorded).count() as u64;
    let mut last: BTreeMap<u32, usize> = BTreeMap::new();
    let mut started: HashMap<u32, u64> = HashMap::new();
    let mut children: HashMap<u32, BTreeSet<u32>> = HashMap::new();
    for (place, process) in processes.iter().enumerate() {
        last.insert(process.pid, place);
        let calls = &process.calls;
        let sum = started.entry(process.pid).or_default();
        *sum = sum.saturating_add(calls.forks).saturating_add(calls.vforks).saturating_add(calls.spawns);
        children.entry(process.ppid).or_default().insert(process.pid);
    }
    let mut unseen = Vec::new();
    for (pid, place) in last {
        let Some(process) = processes.get(place).filter(|process| !is_memtrace(process)) else { continue };
        let row = |count, by_exec| Unseen { pid, exe: process.exe.clone(), count, by_exec };
        if process.end.how == "exec" && !living.contains(&pid) {
            unseen.push(row(1, true));
        }
        let known = children.get(&pid).map_or(0, |children| children.len() as u64);
        let missing = started.get(&pid).copied().unwrap_or(0).saturating_sub(known);
        let begins = missing.min(not_begun);
        not_begun -= begins;
        let missing = missing - begins;
        if missing > 0 {
            unseen.push(row(missing, false));
        }
    }
    unseen
}
