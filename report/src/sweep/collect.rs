//! From a run's recording to its facts: what was allocated, what failed, what is lost, and the stacks of all that.

use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;

use memtrace_wire::layout::{End, Op};
use memtrace_wire::point::{Namer, frame_key, module_key};

use super::facts::{self, Crash, Facts, Failed, Lost, Point};
use crate::names::ModuleKey;
use crate::profile::leaks::Kind;
use crate::profile::sources::Source;
use crate::profile::stacks::{At, Stacks};
use crate::profile::verdicts::Verdicts;
use crate::recording::{Check, Process, Recording};

/// Failed calls of a run that are told one by one.
const FAILED_MAX: usize = 16;

/// What need not be told again.
#[derive(Default)]
pub struct Known {
    /// Names of points.
    pub points: HashSet<u64>,
    /// Lost blocks by stack and kind.
    pub lost: HashMap<(u64, Kind), u64>,
}

/// A stack that the tracer had taken: of which process, and at which node.
#[derive(Clone, Copy)]
pub struct Taken {
    /// Process id.
    pub pid: u32,
    /// Node.
    pub node: u32,
}

/// What the tracer saw: crashes, and the threads of a program that hung.
#[derive(Default)]
pub struct Seen {
    /// Each with the stack that was taken.
    pub crashes: Vec<(Crash, Option<Taken>)>,
    /// All threads.
    pub threads: Vec<Taken>,
}

/// Adds what the recording holds of the program whose process is `pid`.
pub fn add(recording: &Recording, pid: u32, known: &Known, seen: Seen, facts: &mut Facts) {
    // The latest image of each process.
    let latest = |pid: u32| recording.processes.iter().rev().find(|process| process.header.pid.get() == pid);
    let mut others: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut table = Table { facts, numbers: HashMap::new(), modules: HashMap::new(), sources: HashMap::new() };
    for taken in seen.crashes.iter().filter_map(|crash| crash.1).chain(seen.threads.iter().copied()) {
        others.entry(taken.pid).or_default().push(taken.node);
    }
    let mut taken: HashMap<(u32, u32), u32> = HashMap::new();
    for (&pid, nodes) in &others {
        let Some(process) = latest(pid) else { continue };
        let stacks = Stacks::of_chosen(process, nodes.iter().copied());
        for &node in nodes {
            if let Some(stack) = stacks.number(node) {
                taken.insert((pid, node), table.number(&stacks, stack));
            }
        }
    }
    let number = |at: &Taken| taken.get(&(at.pid, at.node)).copied();
    for (crash, at) in seen.crashes {
        table.facts.crashes.push(Crash { stack: at.as_ref().and_then(number), ..crash });
    }
    table.facts.threads = seen.threads.iter().filter_map(number).collect();
    for process in &recording.processes {
        let header = &process.header;
        table.facts.fired += header.fault_fired.get();
        table.failed(process);
    }
    let Some(process) = latest(pid) else { return };
    table.facts.is_recorded = true;
    table.facts.is_assertion = process.header.end.get() == End::Assert as u32;
    table.facts.way_out = process.header.way_out.get();
    for process in &recording.processes {
        table.facts.allocations += process.header.fault_seen.get();
        table.points(process, known);
        // A child that lost blocks has lost them too.
        table.lost(process, known);
    }
    let checks = process.checks.whole().0;
    // Where nothing is live at the end, nothing is looked for.
    let is_empty = checks.is_empty() && process.header.end_ns.get() != 0;
    table.facts.is_classified = is_empty || checks.iter().any(Check::is_last_word);
}

/// The tables of stacks and modules of the facts.
struct Table<'f> {
    facts: &'f mut Facts,
    numbers: HashMap<Vec<(u32, u64)>, u32>,
    modules: HashMap<ModuleKey, u32>,
    sources: HashMap<facts::Source, u64>,
}

impl Table<'_> {
    /// The number of a stack among the facts.
    fn number(&mut self, stacks: &Stacks, stack: u32) -> u32 {
        let mut frames = Vec::new();
        for at in stacks.frames(stack) {
            frames.push(match at {
                At::Code(module, offset) => (module.map_or(u32::MAX, |module| self.module(module)), offset),
                At::Source(source) => (facts::SOURCE, self.source(source)),
            });
        }
        let next = self.facts.stacks.len() as u32;
        *self.numbers.entry(frames).or_insert_with_key(|frames| {
            self.facts.stacks.push(frames.clone());
            next
        })
    }

    fn module(&mut self, module: &ModuleKey) -> u32 {
        if let Some(&number) = self.modules.get(module) {
            return number;
        }
        let number = self.facts.modules.len() as u32;
        self.facts.modules.push((module.path.clone(), module.build_id.clone()));
        self.modules.insert(module.clone(), number);
        number
    }

    fn source(&mut self, source: &Source) -> u64 {
        let Source { file, function, type_name, line } = source;
        let (file, function, type_name) = (file.clone(), function.clone(), type_name.clone());
        let next = self.facts.sources.len() as u64;
        let source = facts::Source { file, function, type_name, line: *line };
        *self.sources.entry(source).or_insert_with_key(|source| {
            self.facts.sources.push(source.clone());
            next
        })
    }

    fn failed(&mut self, process: &Process) {
        let whole = process.faults.iter().filter(|fault| fault.ready.get() == 1).take(FAILED_MAX);
        let stacks = Stacks::of_chosen(process, whole.clone().map(|fault| fault.node.get()));
        for fault in whole.take(FAILED_MAX.saturating_sub(self.facts.failed.len())) {
            let stack = Some(fault.node.get()).filter(|&node| node != 0).and_then(|node| stacks.number(node));
            let failed = Failed {
                id: fault.name.get(),
                op: fault.op.get(),
                bytes: fault.bytes.get(),
                index: fault.index.get(),
                stack: stack.map(|stack| self.number(&stacks, stack)),
            };
            self.facts.failed.push(failed);
        }
    }

    fn points(&mut self, process: &Process, known: &Known) {
        let is_new =
            |point: &&memtrace_wire::layout::Point| point.ready.get() == 1 && !known.points.contains(&point.name.get());
        let points: Vec<_> = process.points.iter().filter(is_new).collect();
        if points.is_empty() {
            return;
        }
        let stacks = Stacks::of_chosen(process, points.iter().map(|point| point.node.get()));
        for point in points {
            let Some(stack) = stacks.number(point.node.get()) else { continue };
            let point = Point {
                id: point.name.get(),
                op: point.op.get(),
                bytes: point.bytes.get(),
                first: point.first.get(),
                count: point.count.get(),
                stack: self.number(&stacks, stack),
                screened: point.screened.get(),
            };
            self.facts.points.push(point);
        }
    }

    /// Blocks that are lost at the end of a process, put together; those that are known to be are left out.
    fn lost(&mut self, process: &Process, known: &Known) {
        let verdicts = Verdicts::of(process);
        let Some(verdict) = verdicts.checks.last().filter(|verdict| verdict.check.is_last_word()) else { return };
        let site = |number: u32| process.sites.get(number as usize);
        let nodes = verdict.check.lost.iter().filter_map(|lost| Some(site(lost.site.get())?.node.get()));
        let stacks = Stacks::of_chosen(process, nodes);
        for leak in verdict.rows(process, &stacks).leaks {
            let id = stack_id(&leak.op, &stacks, leak.stack);
            let before = known.lost.get(&(id, leak.kind)).copied().unwrap_or(0);
            if leak.blocks > before {
                let stack = self.number(&stacks, leak.stack);
                let lost = Lost { id, kind: leak.kind, blocks: leak.blocks, bytes: leak.bytes, stack };
                self.facts.lost.push(lost);
            }
        }
    }
}

/// A hash over the function and the stack that called it, the same in every run.
fn stack_id(op: &str, stacks: &Stacks, stack: u32) -> u64 {
    let mut namer = Namer::new(Op::Unknown);
    namer.push(module_key(op.as_bytes(), b""));
    for at in stacks.frames(stack) {
        namer.push(match at {
            At::Code(module, offset) => {
                let key = module.map_or(0, |module| module_key(&module.build_id, module.path.as_os_str().as_bytes()));
                frame_key(key, offset)
            }
            At::Source(source) => {
                let function = module_key(source.function.as_bytes(), source.file.as_bytes());
                frame_key(function, source.line.map_or(0, u64::from))
            }
        });
    }
    namer.name()
}
