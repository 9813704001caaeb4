//! What holds a block: the ways from roots to blocks, with the names of the data that they begin at.

use std::collections::HashMap;

use memtrace_wire::layout::{self, Holder};

use super::leaks::Step;
use super::stacks::{Stacks, in_module};
use super::verdicts::Verdicts;
use crate::names::{Answers, ModuleKey, Wanted};
use crate::recording::{LiveBlocks, Process, Ways};

/// Asks for the names of all data that a way begins at.
pub fn ask(process: &Process, stacks: &Stacks, verdicts: &Verdicts, requests: &mut HashMap<ModuleKey, Wanted>) {
    let ways = process.checks.ways();
    let held = verdicts.checks.iter().flat_map(|verdict| verdict.check.held);
    // What cannot be had here is counted when the ways are made.
    let steps = held.filter_map(|held| ways.to(held)).flatten();
    for (module, offset) in steps.filter(|step| is_global(step)).filter_map(|step| in_module(process, step.at.get())) {
        if let Some(key) = stacks.module_key(module).filter(|key| key.path.as_os_str().len() > 1) {
            requests.entry(key.clone()).or_default().data.insert(offset);
        }
    }
}

/// Makes the ways of a process.
pub struct Paths<'p> {
    process: &'p Process,
    stacks: &'p Stacks,
    answers: &'p Answers,
    ways: Ways<'p>,
    live: LiveBlocks<'p>,
}

impl<'p> Paths<'p> {
    /// Of this process.
    pub fn new(process: &'p Process, stacks: &'p Stacks, answers: &'p Answers) -> Paths<'p> {
        Paths { process, stacks, answers, ways: process.checks.ways(), live: process.live_blocks_at() }
    }

    /// The way to a held site's block; `None`: the recording's leads nowhere.
    pub fn to(&self, held: &layout::Held) -> Option<Vec<Step>> {
        Some(self.ways.to(held)?.iter().map(|step| self.step(step)).collect())
    }

    fn step(&self, step: &layout::Step) -> Step {
        let (at, number) = (step.at.get(), step.number.get());
        let block = Some(step.block.get()).filter(|&block| block != 0);
        let place = Some(at).filter(|_| is_global(step)).and_then(|at| in_module(self.process, at));
        let datum = place.and_then(|(module, offset)| {
            let answer = self.answers.get(self.stacks.module_key(module)?)?;
            answer.data.get(&offset).cloned()
        });
        let live = block.and_then(|block| self.live.at(block)).filter(|live| live.site == number);
        let site = block.and_then(|_| self.process.sites.get(number as usize));
        Step {
            holder: holder(step.holder.get()).into(),
            at,
            module: place.map(|place| place.0),
            symbol_offset: datum.as_ref().map_or(0, |datum| datum.offset),
            symbol: datum.map(|datum| datum.name),
            tid: Some(number).filter(|&tid| block.is_none() && is_a_threads(step) && tid != 0),
            frame: self.stacks.frame(step.frame.get()),
            block,
            block_bytes: live.map(|live| live.bytes),
            block_offset: block.map_or(0, |block| at.wrapping_sub(block)),
            stack: site.and_then(|site| self.stacks.number(site.node.get())),
        }
    }
}

fn is_global(step: &layout::Step) -> bool {
    Holder::from_number(step.holder.get()) == Some(Holder::Global)
}

fn is_a_threads(step: &layout::Step) -> bool {
    use Holder::{Register, SignalStack, Stack, StackBlock, Tls};
    let holder = Holder::from_number(step.holder.get());
    holder.is_some_and(|holder| [Stack, Register, Tls, SignalStack, StackBlock].contains(&holder))
}

fn holder(number: u32) -> &'static str {
    match Holder::from_number(number) {
        Some(Holder::Block) => "block",
        Some(Holder::Global) => "global",
        Some(Holder::Stack) => "stack",
        Some(Holder::Register) => "register",
        Some(Holder::Tls) => "tls",
        Some(Holder::Mapping) => "mapping",
        Some(Holder::SignalStack) => "signal-stack",
        Some(Holder::Announced) => "announced",
        Some(Holder::Ignored) => "ignored",
        Some(Holder::UnknownHeap) => "unknown-heap",
        Some(Holder::Loader) => "loader",
        Some(Holder::StackBlock) => "stack-block",
        None => "unknown",
    }
}
