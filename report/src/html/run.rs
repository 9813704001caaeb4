//! A run on a page: its processes, each with its sums, its rows, its curves, and what went wrong in it.

use std::collections::HashMap;

use serde::Serialize;

use super::history::{self, Whole};
use super::memory::{self, Memory};
use super::notes;
use super::number::number;
use super::rows::{self, Found, Numbers, Rows, Weight};
use super::source::Source;
use super::texts::Texts;
use crate::profile::leaks::Sum;
use crate::profile::{Process, Profile};
use crate::run::word;
use crate::text::{heap_error_or_note, made_to_fail, signal, title};
use crate::views::base_name;
use crate::views::leaks::last_word;
use crate::views::over_time;

/// Processes, heap errors of one, failed allocations of one, and markers that are shown.
const PROCESSES_MAX: usize = 2_000;
const ERRORS_MAX: usize = 200;
const FAULTS_MAX: usize = 200;
const MARKERS_MAX: usize = 200;
/// Names of regions on the axis, and how many parts of a run are told apart for them.
const REGIONS_MAX: usize = 6;
const REGION_PARTS: u64 = 300;

/// A run, or several.
#[derive(Serialize)]
pub struct Run {
    processes: Vec<One>,
    /// Processes beyond those, and those that were not recorded.
    left_out: u64,
    lost: u64,
    /// Suppressions that hid nothing, and what the others hid.
    suppressions: Vec<(u32, u64, u64)>,
}

#[derive(Serialize)]
struct One {
    /// `app (pid 12)`.
    title: u32,
    name: u32,
    pid: u32,
    ppid: u32,
    /// The profile that it is from, where there are several.
    file: u32,
    command: u32,
    exe: u32,
    allocator: u32,
    start: u32,
    end: u32,
    is_passive: bool,
    is_forked: bool,
    notes: Vec<(bool, u32)>,
    settings: Vec<(u32, u32)>,
    threads: Vec<u32>,
    markers: Vec<(u32, u64)>,
    /// By name, when a thread was in a region: from and to in microseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    regions: Vec<(u32, Vec<(u64, u64)>)>,
    sums: Sums,
    /// By kind: definite, indirect, possible, reachable, suppressed; nothing: not classified.
    #[serde(skip_serializing_if = "Option::is_none")]
    kinds: Option<[(u64, u64); 5]>,
    /// Sums over all rows, and those that are not here, as leaked, live, peak, total, temporary, count.
    all: [u64; 6],
    rest: [u64; 6],
    rest_count: u64,
    rows: Rows,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Whole>,
    memory: Memory,
    errors: Vec<Trouble>,
    errors_left_out: u64,
    faults: Vec<Trouble>,
    faults_left_out: u64,
}

#[derive(Serialize)]
struct Sums {
    allocations: u64,
    allocated_bytes: u64,
    frees: u64,
    peak_bytes: u64,
    live_bytes: u64,
    live_blocks: u64,
    failed: u64,
    fault_armed: bool,
    fault_seen: u64,
    own_bytes: u64,
}

/// A sentence with stacks: what each is, and its node.
#[derive(Serialize)]
struct Trouble {
    text: u32,
    stacks: Vec<(u32, u32)>,
}

/// Puts a run together. `files`: by place of a process, the profile that it is from; empty: there is one only.
pub fn build(profile: &Profile, files: &[String], rows_max: usize, texts: &mut Texts, source: &mut Source) -> Run {
    let processes: Vec<&Process> = profile.processes.iter().take(PROCESSES_MAX).collect();
    let found: Vec<Found> = processes.iter().map(|process| rows::find(process)).collect();
    let mut all = Numbers::default();
    found.iter().for_each(|found| all.add(&found.all));
    let chosen = heaviest(&found, &all, rows_max);
    let mut written = Vec::new();
    for (place, (process, found)) in processes.into_iter().zip(&found).enumerate() {
        let is_chosen = |row: usize| chosen.get(&place).is_some_and(|rows| rows.get(row).copied().unwrap_or(false));
        source.next_process();
        let (rows, rest, rest_count) = found.written(process, is_chosen, texts, source);
        let mut one = one(process, found, rows, texts, source);
        (one.rest, one.rest_count) = (metrics(&rest), rest_count);
        one.file = files.get(place).map_or(0, |file| texts.place(file));
        written.push(one);
    }
    let left_out = profile.processes.len().saturating_sub(PROCESSES_MAX) as u64;
    let suppressions = profile.suppressions.iter().take(ERRORS_MAX);
    let suppressions = suppressions.map(|one| (texts.place(&one.name), number(one.blocks), number(one.bytes)));
    Run { suppressions: suppressions.collect(), processes: written, left_out, lost: number(profile.processes_lost) }
}

/// By process, which of its rows are among the heaviest of all.
fn heaviest(found: &[Found], all: &Numbers, rows_max: usize) -> HashMap<usize, Vec<bool>> {
    let mut weights: Vec<(Weight, usize, usize)> = Vec::new();
    let mut chosen: HashMap<usize, Vec<bool>> = HashMap::new();
    for (process, found) in found.iter().enumerate() {
        let rows = found.weights(all);
        chosen.insert(process, vec![false; rows.len()]);
        weights.extend(rows.into_iter().enumerate().map(|(row, weight)| (weight, process, row)));
    }
    let heavier = |one: &(Weight, usize, usize), other: &(Weight, usize, usize)| {
        let by_weight = other.0.partial_cmp(&one.0).unwrap_or(std::cmp::Ordering::Equal);
        by_weight.then_with(|| (one.1, one.2).cmp(&(other.1, other.2)))
    };
    weights.sort_by(heavier);
    for (_, process, row) in weights.into_iter().take(rows_max) {
        if let Some(is_chosen) = chosen.get_mut(&process).and_then(|rows| rows.get_mut(row)) {
            *is_chosen = true;
        }
    }
    chosen
}

fn metrics(numbers: &Numbers) -> [u64; 6] {
    let Numbers { live_bytes, at_peak_bytes, total_bytes, temporary_blocks, total_blocks, .. } = *numbers;
    [numbers.leaked_bytes(), live_bytes, at_peak_bytes, total_bytes, temporary_blocks, total_blocks].map(number)
}

fn one(process: &Process, found: &Found, rows: Rows, texts: &mut Texts, source: &mut Source) -> One {
    let summary = &process.summary;
    let pair = |sum: Sum| (number(sum.blocks), number(sum.bytes));
    let kinds = last_word(process).map(|check| check.summary);
    let command: Vec<String> = process.arguments.iter().map(|argument| word(argument)).collect();
    let notes = notes::of(process).into_iter().map(|note| (note.is_grave, texts.place(&note.text))).collect();
    let name = base_name(&process.exe);
    One {
        // Names are made harmless where they stand, and the title has one that is already.
        title: texts.place(&title(process)),
        name: texts.place(if name.is_empty() { "(unknown program)" } else { name }),
        pid: process.pid,
        ppid: process.ppid,
        file: 0,
        command: texts.place(&command.join(" ")),
        exe: texts.place(&process.exe),
        allocator: texts.place(&process.allocator),
        start: texts.place(&process.start),
        end: texts.place(&end(process)),
        is_passive: process.passive.is_some(),
        is_forked: process.forked,
        notes,
        settings: process.settings.iter().map(|(name, value)| (texts.place(name), texts.place(value))).collect(),
        threads: process.threads.iter().map(|thread| texts.place(&thread.name)).collect(),
        markers: process
            .markers
            .iter()
            .take(MARKERS_MAX)
            .map(|marker| (texts.place(&marker.name), number(marker.time_ns / 1000)))
            .collect(),
        regions: regions(process, texts),
        sums: Sums {
            allocations: number(summary.allocations),
            allocated_bytes: number(summary.allocated_bytes),
            frees: number(summary.frees),
            peak_bytes: number(summary.peak_bytes),
            live_bytes: number(summary.live_bytes),
            live_blocks: number(summary.live_blocks),
            failed: number(summary.failed),
            fault_armed: summary.fault_armed,
            fault_seen: number(summary.fault_seen),
            own_bytes: number(summary.own_bytes),
        },
        kinds: kinds
            .map(|sums| [sums.definite, sums.indirect, sums.possible, sums.reachable, sums.suppressed].map(pair)),
        all: metrics(&found.all),
        rest: [0; 6],
        rest_count: 0,
        rows,
        history: process.history.as_ref().filter(|history| history.time_ns.len() > 1).map(history::whole),
        memory: memory::build(process, texts),
        errors: errors(process, texts, source),
        errors_left_out: process.heap_errors.len().saturating_sub(ERRORS_MAX) as u64,
        faults: faults(process, texts, source),
        faults_left_out: (process.faults.len() as u64).max(summary.fault_fired).saturating_sub(FAULTS_MAX as u64),
    }
}

fn regions(process: &Process, texts: &mut Texts) -> Vec<(u32, Vec<(u64, u64)>)> {
    let history = process.history.as_ref();
    let end_ns = history.and_then(|history| history.time_ns.last()).copied().unwrap_or(0);
    let regions = over_time::regions(process, end_ns / REGION_PARTS, end_ns).into_iter().take(REGIONS_MAX);
    let microseconds = |(from, to): (u64, u64)| (number(from / 1000), number(to / 1000));
    regions.map(|(name, spans)| (texts.place(name), spans.into_iter().map(microseconds).collect())).collect()
}

/// How a process ended, in words.
fn end(process: &Process) -> String {
    match (process.end.signal, process.end.status, process.end.how.as_str()) {
        (Some(number), _, _) => format!("killed by {}", signal(number)),
        (None, Some(status), _) => format!("exit status {status}"),
        (None, None, "exec") => "became another program".into(),
        (None, None, "abort" | "assert" | "stack-smash") => "aborted".into(),
        (None, None, "none" | "") => "its end was not seen".into(),
        _ => "exited".into(),
    }
}

fn errors(process: &Process, texts: &mut Texts, source: &mut Source) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for error in process.heap_errors.iter().take(ERRORS_MAX) {
        let Some(text) = heap_error_or_note(error) else { continue };
        let allocated = error.allocator.as_ref().map_or("allocated".into(), |by| format!("allocated by {by}"));
        let stacks =
            [("the call".to_owned(), error.stack), ("freed".into(), error.freed), (allocated, error.allocated)];
        let stacks = stacks.into_iter().filter_map(|(what, stack)| Some((what, stack?)));
        let mut written = Vec::new();
        for (what, stack) in stacks {
            written.push((texts.place(&what), source.node(process, stack, texts)));
        }
        troubles.push(Trouble { text: texts.place(&text), stacks: written });
    }
    troubles
}

fn faults(process: &Process, texts: &mut Texts, source: &mut Source) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for fault in process.faults.iter().take(FAULTS_MAX) {
        let text = texts.place(&made_to_fail(fault));
        let stacks = vec![(texts.place("the call"), source.node(process, fault.stack, texts))];
        troubles.push(Trouble { text, stacks });
    }
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::leaky;
    use crate::profile::sample;

    fn built(processes: Vec<Process>, rows_max: usize) -> Run {
        let profile = Profile { processes, ..Profile::without_processes() };
        build(&profile, &[], rows_max, &mut Texts::default(), &mut Source::default())
    }

    #[test]
    fn the_heaviest_rows_of_all_processes_are_taken_and_the_rest_is_summed() {
        let busy = sample::process(|maker| {
            maker.site(&["much"], 1000, 9, 9);
            maker.site(&["little"], 1, 1, 1);
        });
        let run = built(vec![leaky(7, "/b/app"), busy], 3);
        let counts: Vec<(u64, [u64; 6])> = run.processes.iter().map(|one| (one.rest_count, one.rest)).collect();
        assert_eq!(counts, [(0, [0; 6]), (1, [0, 1, 1, 1, 0, 1])]);
        assert_eq!(run.processes[0].kinds, Some([(2, 1600), (2, 32), (1, 20), (0, 0), (0, 0)]));
        assert_eq!((run.processes[0].all[0], run.processes[1].kinds), (1652, None));
    }

    #[test]
    fn ends_are_words() {
        let end = |how: &str, status, signal| {
            let mut process = Process::default();
            (process.end.how, process.end.status, process.end.signal) = (how.into(), status, signal);
            super::end(&process)
        };
        assert_eq!(end("exit", Some(3), None), "exit status 3");
        assert_eq!(end("none", None, Some(11)), "killed by SIGSEGV");
        assert_eq!(end("exec", None, None), "became another program");
        assert_eq!(end("", None, None), "its end was not seen");
    }
}
