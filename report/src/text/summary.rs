//! What frames the rows of a process: faults and warnings before them, the summary after them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use memtrace_wire::loss::LOSSES;

use super::escape::Safe;
use super::frame::Lines;
use super::number::{asked, bytes, bytes_in, count, is_call, scaled, thousands};
use super::{Request, title};
use crate::profile::leaks::Suppression;
use crate::profile::{DAMAGED, Fault, Module, POOL, Process, Warning, bundled};
use crate::views::base_name;
use crate::views::leaks::last_word;

/// Suppressions that are named: the files of others can have thousands of rules.
const UNUSED_MAX: usize = 20;

/// Allocations that were made to fail, each with its stack, or that none was.
pub fn faults(process: &Process, request: &Request, to: &mut dyn Write) -> io::Result<()> {
    let shown = request.choice.top.unwrap_or(usize::MAX).min(process.faults.len());
    let mut lines = Lines::of(process);
    for fault in process.faults.iter().take(shown) {
        writeln!(to, "\n{}", made_to_fail(fault))?;
        lines.print(fault.stack, to)?;
    }
    let more = process.summary.fault_fired.saturating_sub(shown as u64);
    if more > 0 && shown > 0 {
        writeln!(to, "\n{} made to fail", count(more, "more allocation"))?;
    } else if more > 0 {
        writeln!(to, "\n{} made to fail", count(more, "allocation"))?;
    }
    if process.summary.fault_armed && process.summary.fault_fired == 0 {
        let has_calls = process.settings.contains_key("MALLOC_FAIL_CALLS");
        let seen = count(process.summary.fault_seen, if has_calls { "call" } else { "allocation" });
        let were = if process.summary.fault_seen == 1 { "was" } else { "were" };
        let hint = match process.summary.fault_seen {
            0 if has_calls => ", expected some if libmemtrace_calls.so is loaded behind libmemtrace.so",
            _ => "",
        };
        writeln!(to, "\n{} armed and never fired: {seen} {were} seen{hint}", armed(process))?;
    }
    let after = process.summary.fault_after;
    if after > 0 {
        let were = if after == 1 { "was" } else { "were" };
        writeln!(to, "\n{} {were} made after the first failure, expected none", count(after, "allocation"))?;
    }
    Ok(())
}

/// What was made to fail, in a line.
pub fn made_to_fail(fault: &Fault) -> String {
    let (number, index) = (thousands(fault.index.saturating_add(1)), thousands(fault.index));
    let noun = if is_call(&fault.op) { "call" } else { "allocation" };
    let what = asked(&fault.op, fault.bytes);
    format!("{noun} {number} (index {index}) was made to fail: {}", Safe(&what))
}

/// The settings that say what is to fail, as they were written: of those that exclude each other, the one that holds.
fn armed(process: &Process) -> String {
    const EXCLUSIVE: [&str; 3] = ["MALLOC_FAIL_STACK", "MALLOC_FAIL_AT", "MALLOC_FAIL_AFTER"];
    const OTHERS: [&str; 6] = ["COUNT", "SEED", "CHILDREN", "ACTION", "AFTERMATH", "POINTS"];
    let holds = EXCLUSIVE.iter().find(|&&name| process.settings.contains_key(name));
    let is_one = |name: &str| {
        let rest = name.strip_prefix("MALLOC_FAIL_");
        rest.is_some_and(|rest| !OTHERS.contains(&rest)) && (!EXCLUSIVE.contains(&name) || holds == Some(&name))
    };
    let given = process.settings.iter().filter(|(name, _)| is_one(name));
    let words: Vec<String> = given.map(|(name, value)| format!("{name}={}", Safe(value))).collect();
    if words.is_empty() { "MALLOC_FAIL_AFTER".into() } else { words.join(" ") }
}

/// One line for each setting that memtrace stumbled over.
pub fn warnings(process: &Process) -> Vec<String> {
    let line = |warning: &Warning| {
        let (name, found) = (Safe(&warning.setting), Safe(&warning.found));
        format!("cannot use {name}: found `{found}`, expected {}", Safe(&warning.expected))
    };
    process.warnings.iter().map(line).collect()
}

/// Why nothing was recorded.
pub fn passive(reason: &str) -> &'static str {
    match reason {
        "secure" => "it is set-id or has capabilities (AT_SECURE)",
        "sanitizer" => "it was built with a sanitizer, which replaces malloc itself",
        "valgrind" => "it runs under a valgrind tool that replaces malloc",
        "excluded" => "MEMTRACE_EXE names other programs",
        "own-allocator" => "it has a malloc of its own, which comes before memtrace's",
        "no-memory" => "memory for its first tables was refused",
        _ => "the reason is not known to this memtrace",
    }
}

/// The same of a process, with what became of an allocator that is linked into it.
pub fn nothing_recorded(process: &Process) -> Option<String> {
    let reason = passive(process.passive.as_deref()?);
    let refused = process.bundled.iter().find(|row| row.module == process.exe && row.functions == 0);
    Some(match refused {
        Some(row) => format!("{reason}: {}, which cannot be hooked: {}", Safe(&row.allocator), Safe(&row.why)),
        None => reason.to_owned(),
    })
}

/// What was not recorded, in sentences: processes, the first of each reason by name, with the number of all, but for those
/// that somebody left out; and the blocks of allocators that are linked into a module.
pub fn not_recorded(processes: &[Process]) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, (String, u64)> = BTreeMap::new();
    for process in processes {
        if let Some(reason) = process.passive.as_deref().filter(|&reason| reason != "excluded") {
            let (_, images) = by_reason.entry(reason).or_insert_with(|| (title(process), 0));
            *images += 1;
        }
    }
    let line = |(reason, (title, images)): (&str, (String, u64))| {
        let more = if images > 1 { format!(" and {} more", thousands(images - 1)) } else { String::new() };
        format!("nothing was recorded of {title}{more}: {}", passive(reason))
    };
    let mut lines: Vec<String> = by_reason.into_iter().map(line).collect();
    let bundled: BTreeSet<String> = processes.iter().flat_map(not_hooked).collect();
    lines.extend(bundled);
    lines
}

/// Allocators whose blocks are not recorded, in sentences.
fn not_hooked(process: &Process) -> impl Iterator<Item = String> + '_ {
    bundled::all(process).map(|(module, name)| {
        let (path, why) = (Safe(base_name(&module.path)), bundled::why_not(process, &module.path, name));
        format!("{name} is linked into {path}: the blocks that it gives are not recorded{}", Safe(&why))
    })
}

/// Where not every allocation was recorded: what the numbers are then.
pub fn estimates(process: &Process) -> Vec<String> {
    let summary = &process.summary;
    let mut lines = Vec::new();
    if let Some(tool) = &process.imported {
        lines.push(format!("recorded by {}: what is live at the end was not freed, and may be in use", Safe(tool)));
    }
    if summary.sample_bytes > 0 {
        let mean = scaled(summary.sample_bytes);
        let but = if last_word(process).is_some() { " but those of leaks" } else { "" };
        lines.push(format!("sampled: one allocation in about {mean} was recorded; all numbers{but} are estimates"));
    }
    let given_up = match summary.memory_level {
        0 => return lines,
        1 => "stacks were cut at 8 frames",
        2 => "stacks were cut at 8 frames, then only samples recorded",
        _ => "stacks were cut at 8 frames, then only samples recorded, then allocations counted only",
    };
    lines.push(format!("near MEMTRACE_MAX_MEMORY: {given_up}"));
    lines
}

/// Markers that are printed.
const MARKERS_MAX: usize = 20;

/// The summary in its fixed words.
pub fn print(process: &Process, to: &mut dyn Write) -> io::Result<()> {
    let summary = &process.summary;
    let live = scaled(summary.live_bytes);
    let live = format!("{live} in {}", count(summary.live_blocks, "block"));
    writeln!(to, "memtrace: summary of {}", title(process))?;
    writeln!(to, "  allocations: {} ({})", thousands(summary.allocations), bytes(summary.allocated_bytes))?;
    writeln!(to, "  frees: {} ({})", thousands(summary.frees), bytes(summary.freed_bytes))?;
    writeln!(to, "  peak: {}{}", bytes(summary.peak_bytes), slack(process))?;
    writeln!(to, "  live at the end: {live} from {}", count(live_stacks(process), "stack"))?;
    if summary.pool_blocks > 0 {
        let live = bytes_in(summary.pool_bytes, summary.pool_blocks, "block");
        writeln!(to, "  live in pools, not counted above: {live}")?;
    }
    for row in process.bundled.iter().filter(|row| row.functions > 0) {
        let (allocator, path) = (Safe(&row.allocator), Safe(base_name(&row.module)));
        writeln!(to, "  {allocator} is linked into {path}: {} hooked", count(row.functions, "function"))?;
    }
    not_hooked(process).try_for_each(|line| writeln!(to, "  {line}"))?;
    if summary.failed > 0 {
        writeln!(to, "  failed allocations: {}", thousands(summary.failed))?;
    }
    if summary.unknown_frees > 0 {
        writeln!(to, "  frees of blocks from before the recording: {}", thousands(summary.unknown_frees))?;
    }
    for marker in process.markers.iter().take(MARKERS_MAX) {
        writeln!(to, "  marker {} after {:.6} s", Safe(&marker.name), marker.time_ns as f64 / 1e9)?;
    }
    match process.markers.len().saturating_sub(MARKERS_MAX) {
        0 => {}
        more => writeln!(to, "  and {}", count(more as u64, "more marker"))?,
    }
    if let Some(signal) = process.end.signal {
        writeln!(to, "  killed by signal: {signal}")?;
    }
    for note in process.python.iter().flat_map(|python| python.notes()) {
        writeln!(to, "  {}", Safe(&note))?;
    }
    unnamed(process).iter().try_for_each(|line| writeln!(to, "  {line}"))?;
    losses(process, to)
}

/// How exact the peak is where several threads allocate.
fn slack(process: &Process) -> String {
    let others = process.threads.iter().map(|thread| u64::from(thread.uses > 0)).sum::<u64>().saturating_sub(1);
    let slack = process.summary.peak_slack_bytes.saturating_mul(others);
    if slack == 0 { String::new() } else { format!(" (up to {} more)", thousands(slack)) }
}

fn live_stacks(process: &Process) -> u64 {
    let live = process.sites.iter().filter(|site| site.live_blocks > 0 && site.op != POOL);
    let mut stacks: Vec<u32> = live.map(|site| site.stack).collect();
    stacks.sort_unstable();
    stacks.dedup();
    stacks.len() as u64
}

/// A line for each of the modules that names were wanted from and could not be had.
pub fn unnamed(process: &Process) -> Vec<String> {
    let line = |module: &Module| {
        let why = match module.names.as_str() {
            "changed" => "the file is not the one that ran (another build-id)",
            "unreadable" if !module.flags.iter().any(|flag| flag == "vdso") => "the file cannot be read",
            _ => return None,
        };
        Some(format!("no names from {}: {why}", Safe(&module.path)))
    };
    process.modules.iter().filter_map(line).collect()
}

/// The suppressions that hid nothing.
pub fn unused(suppressions: &[Suppression], to: &mut dyn Write) -> io::Result<()> {
    let unused: Vec<&Suppression> = suppressions.iter().filter(|suppression| suppression.blocks == 0).collect();
    if unused.is_empty() {
        return Ok(());
    }
    writeln!(to, "  suppressions not used: {}", thousands(unused.len() as u64))?;
    for suppression in unused.iter().take(UNUSED_MAX) {
        writeln!(to, "    {}", Safe(&suppression.name))?;
    }
    match unused.len().saturating_sub(UNUSED_MAX) {
        0 => Ok(()),
        more => writeln!(to, "    and {} more", thousands(more as u64)),
    }
}

fn losses(process: &Process, to: &mut dyn Write) -> io::Result<()> {
    if process.losses.is_empty() {
        return writeln!(to, "  losses: none");
    }
    writeln!(to, "  losses:")?;
    for (key, &number) in &process.losses {
        writeln!(to, "    {}: {}", Safe(loss(key)), thousands(number))?;
    }
    Ok(())
}

/// What a loss means, to be followed by a number.
pub fn loss(key: &str) -> &str {
    match LOSSES.iter().find(|loss| loss.key() == key) {
        Some(loss) => loss.text(),
        None if key == DAMAGED => "references in the recording that lead nowhere",
        None => key,
    }
}

/// A process in one line, for a tree of them.
pub fn line(process: &Process) -> String {
    let summary = &process.summary;
    match &process.passive {
        Some(reason) => format!("nothing recorded: {}", passive(reason)),
        None => {
            let live = bytes_in(summary.live_bytes, summary.live_blocks, "block");
            format!("{live} live at the end{}", super::leaks::in_a_line(process))
        }
    }
}
