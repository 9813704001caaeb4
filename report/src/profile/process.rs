//! One process of a profile: sums, sites and settings from the recording's tables.

use std::collections::BTreeMap;

use memtrace_wire::layout::{self, End as Ended, Passive, ProcessHeader, TextAt, module_flags};
use memtrace_wire::loss::LOSSES;

use super::heap::heap_errors;
use super::model::{Calls, End, Fault, Marker, Module, Process, Region, Site, Summary, Thread};
use super::sites::{POOL, is_in_pools, key, op, sites};
use super::stacks::{Stacks, build_id};
use super::time::rfc3339;
use super::{EndStatus, Pasts};
use crate::names::{Answers, Origin, cut};
use crate::recording;

/// Longer texts of the target's are cut.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// The process, with names; its checks are still to come.
pub fn build(
    process: &recording::Process,
    stacks: &mut Stacks,
    answers: &Answers,
    end: Option<EndStatus>,
    pasts: &Pasts,
) -> Process {
    let header = &process.header;
    let texts = Texts { process };
    let (keys, sites) = sites(process, stacks);
    let threads = threads(process);
    let (frames, stack_frames) = stacks.named(answers);
    let arguments = process.text(&header.arguments).unwrap_or_default();
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    let summary = summary(process, &sites, &threads);
    let history = pasts.get(&(header.pid.get(), header.start_ns.get())).map(|past| {
        let end_ns = header.end_ns.get().checked_sub(header.start_ns.get());
        let place = |site: u32| keys.binary_search(&key(process.sites.get(site as usize)?, stacks)?).ok();
        past.history(end_ns, &summary, &sites, place)
    });
    Process {
        pid: header.pid.get(),
        ppid: header.ppid.get(),
        forked: header.forked.get() != 0,
        exe: texts.get(&header.exe),
        arguments: match arguments {
            [] => Vec::new(),
            arguments => arguments.split(|&byte| byte == 0).map(text).collect(),
        },
        allocator: texts.get(&header.allocator),
        start: rfc3339(header.start_ns.get()),
        end: ended(header, end),
        passive: passive(header.passive.get()).map(str::to_owned),
        bundled: super::bundled::of(process),
        python: super::python::Python::of(process),
        settings: super::settings::set(process),
        warnings: super::settings::warnings(process),
        summary,
        losses: losses(process, stacks),
        calls: Calls {
            forks: header.forks.get(),
            vforks: header.vforks.get(),
            execs: header.execs.get(),
            spawns: header.spawns.get(),
        },
        threads,
        modules: (0..).zip(&process.modules).map(|(place, row)| module(row, place, &texts, stacks, answers)).collect(),
        frames,
        faults: faults(process, stacks),
        heap_errors: heap_errors(process, stacks),
        markers: markers(process),
        regions: regions(process),
        history,
        live_sizes: None,
        imported: None,
        checks: Vec::new(),
        stacks: stack_frames,
        sites,
    }
}

struct Texts<'r> {
    process: &'r recording::Process,
}

impl Texts<'_> {
    fn get(&self, at: &TextAt) -> String {
        text(self.process.text(at).unwrap_or_default())
    }
}

/// A text of the target's as UTF-8.
pub fn text(bytes: &[u8]) -> String {
    // Cut twice: what is not UTF-8 grows when it is replaced.
    let bytes = bytes.get(..TEXT_BYTES_MAX + 4).unwrap_or(bytes);
    cut(&String::from_utf8_lossy(bytes), TEXT_BYTES_MAX)
}

fn ended(header: &ProcessHeader, waited: Option<EndStatus>) -> End {
    let (how, has_status) = match Ended::from_number(header.end.get()) {
        Some(Ended::None) | None => ("none", false),
        Some(Ended::Exit) => ("exit", true),
        Some(Ended::FastExit) => ("fast-exit", true),
        Some(Ended::QuickExit) => ("quick-exit", true),
        Some(Ended::Abort) => ("abort", false),
        Some(Ended::Exec) => ("exec", false),
        Some(Ended::Assert) => ("assert", false),
        Some(Ended::StackSmash) => ("stack-smash", false),
    };
    // The status that exit is given is an int, of which the parent sees eight bits.
    let own = has_status.then(|| header.end_status.get() as i32 & 0xff);
    let (status, signal) = match waited {
        Some(EndStatus::Exited(status)) => (Some(status), None),
        Some(EndStatus::Killed(signal)) => (None, Some(signal)),
        None => (own, None),
    };
    End { how: how.into(), status, signal }
}

fn passive(number: u32) -> Option<&'static str> {
    match Passive::from_number(number) {
        Some(Passive::No) => None,
        Some(Passive::Secure) => Some("secure"),
        Some(Passive::Sanitizer) => Some("sanitizer"),
        Some(Passive::Valgrind) => Some("valgrind"),
        Some(Passive::Excluded) => Some("excluded"),
        Some(Passive::OwnAllocator) => Some("own-allocator"),
        Some(Passive::NoMemory) => Some("no-memory"),
        None => Some("unknown"),
    }
}

fn summary(process: &recording::Process, sites: &[Site], rows: &[Thread]) -> Summary {
    let header = &process.header;
    let threads = |cell: fn(&layout::Thread) -> u64| process.threads.iter().map(cell).fold(0, u64::saturating_add);
    let all = |field: fn(&Thread) -> u64| rows.iter().map(field).fold(0, u64::saturating_add);
    let (pools, sites): (Vec<&Site>, Vec<&Site>) = sites.iter().partition(|site| site.op == POOL);
    let sum_of =
        |sites: &[&Site], field: fn(&Site) -> u64| sites.iter().map(|site| field(site)).fold(0, u64::saturating_add);
    let sum = |field| sum_of(&sites, field);
    let live_bytes = sum(|site| site.live_bytes);
    let mut stacks: Vec<u32> = sites.iter().map(|site| site.stack).collect();
    stacks.sort_unstable();
    stacks.dedup();
    Summary {
        allocations: all(|thread| thread.allocations),
        allocated_bytes: all(|thread| thread.allocated_bytes),
        frees: all(|thread| thread.frees),
        freed_bytes: all(|thread| thread.freed_bytes),
        reallocs: threads(|thread| thread.reallocs.get()),
        // What a thread had not handed over yet was live all the same.
        peak_bytes: header.peak_bytes.get().max(live_bytes),
        peak_slack_bytes: header.peak_slack_bytes.get(),
        live_bytes,
        live_blocks: sum(|site| site.live_blocks),
        pool_bytes: sum_of(&pools, |site| site.live_bytes),
        pool_blocks: sum_of(&pools, |site| site.live_blocks),
        stacks: stacks.len() as u64,
        failed: threads(|thread| thread.failed.get()),
        unknown_frees: threads(|thread| thread.unknown_frees.get()),
        fault_seen: header.fault_seen.get(),
        fault_fired: header.fault_fired.get(),
        fault_armed: header.fault_armed.get() != 0,
        fault_after: header.fault_after.get(),
        own_bytes: header.own_bytes.get(),
        sample_bytes: header.sample_bytes.get(),
        memory_level: header.memory_level.get(),
    }
}

fn losses(process: &recording::Process, stacks: &Stacks) -> BTreeMap<String, u64> {
    let known =
        LOSSES.iter().map(|&loss| (loss.key(), process.header.losses.get(loss as usize).map_or(0, |n| n.get())));
    let damaged = process.missing.saturating_add(stacks.damaged);
    let all = known.chain([(super::DAMAGED, damaged)]);
    all.filter(|&(_, count)| count > 0).map(|(key, count)| (key.to_owned(), count)).collect()
}

fn thread(thread: &layout::Thread) -> Thread {
    let name: Vec<u8> = thread.name.iter().flat_map(|word| word.get().to_le_bytes()).collect();
    Thread {
        tid: thread.tid.get(),
        name: text(name.split(|&byte| byte == 0).next().unwrap_or_default()),
        uses: thread.uses.get(),
        allocations: 0,
        allocated_bytes: 0,
        frees: thread.foreign_frees.get(),
        freed_bytes: thread.foreign_freed_bytes.get(),
    }
}

/// The threads, with the sums of their sites.
fn threads(process: &recording::Process) -> Vec<Thread> {
    let mut threads: Vec<Thread> = process.threads.iter().map(thread).collect();
    for site in process.sites.iter().skip(1).filter(|site| !is_in_pools(site)) {
        let Some(thread) = threads.get_mut(site.thread.get() as usize) else { continue };
        let (count, bytes) = (site.total_count.get(), site.total_bytes.get());
        for (sum, part) in [
            (&mut thread.allocations, count),
            (&mut thread.allocated_bytes, bytes),
            (&mut thread.frees, site.freed_count.get()),
            (&mut thread.freed_bytes, bytes.saturating_sub(site.live_bytes.get())),
        ] {
            *sum = sum.saturating_add(part);
        }
    }
    threads
}

fn module(module: &layout::Module, place: u32, texts: &Texts<'_>, stacks: &Stacks, answers: &Answers) -> Module {
    let names = [
        (module_flags::EXE, "executable"),
        (module_flags::SHIM, "memtrace"),
        (module_flags::LOADER, "loader"),
        (module_flags::VDSO, "vdso"),
    ];
    let flags = names.iter().filter(|(flag, _)| module.flags.get() & flag != 0);
    let origin = stacks.module_key(place).and_then(|key| answers.get(key)).map(|answer| answer.origin);
    Module {
        path: texts.get(&module.path),
        build_id: build_id(module).iter().map(|byte| format!("{byte:02x}")).collect(),
        start: module.start.get(),
        end: module.end.get(),
        bias: module.bias.get(),
        flags: flags.map(|&(_, name)| name.to_owned()).collect(),
        unloaded: module.node_end.get() != 0,
        names: match origin {
            Some(Origin::DebugInfo) => "debug-info",
            Some(Origin::Symbols) => "symbols",
            Some(Origin::Nothing) => "nothing",
            Some(Origin::Unreadable) => "unreadable",
            Some(Origin::Changed) => "changed",
            Some(Origin::Unasked) | None => "unused",
        }
        .into(),
    }
}

fn markers(process: &recording::Process) -> Vec<Marker> {
    let start = process.header.start_ns.get();
    let whole = process.markers.iter().filter(|marker| marker.ready.get() == 1);
    let marker = |marker: &layout::Marker| Marker {
        name: super::sources::name(process.text(&marker.name).unwrap_or_default()),
        time_ns: marker.time_ns.get().saturating_sub(start),
        thread: Some(marker.thread.get()).filter(|&thread| (thread as usize) < process.threads.len()),
    };
    whole.map(marker).collect()
}

fn regions(process: &recording::Process) -> Vec<Region> {
    let start = process.header.start_ns.get();
    let whole = process.markers.iter().filter(|marker| marker.ready.get() == layout::REGION);
    let region = |region: &layout::Marker| Region {
        name: super::sources::name(process.text(&region.name).unwrap_or_default()),
        begin_ns: region.time_ns.get().saturating_sub(start),
        end_ns: Some(region.end_ns.get()).filter(|&end| end != 0).map(|end| end.saturating_sub(start)),
        thread: Some(region.thread.get()).filter(|&thread| (thread as usize) < process.threads.len()),
    };
    whole.map(region).collect()
}

fn faults(process: &recording::Process, stacks: &Stacks) -> Vec<Fault> {
    let whole = process.faults.iter().filter(|fault| fault.ready.get() == 1);
    let fault = |fault: &layout::Fault| {
        Some(Fault {
            index: fault.index.get(),
            bytes: fault.bytes.get(),
            op: op(fault.op.get()),
            thread: Some(fault.thread.get()).filter(|&thread| (thread as usize) < process.threads.len()),
            stack: stacks.number(fault.node.get())?,
        })
    };
    let mut faults: Vec<Fault> = whole.filter_map(fault).collect();
    faults.sort_by_key(|fault| fault.index);
    faults
}
