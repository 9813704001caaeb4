//! A process of a profile in the making: frames, stacks and modules, each once.

use std::collections::HashMap;

use memtrace_wire::layout::Op;

use crate::profile::{Frame, Module, Process, Site, rfc3339};

/// A frame, as the other tool has it.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Seen {
    /// Where in memory.
    pub address: u64,
    /// Path of the module; empty: not known.
    pub module: String,
    /// Empty: not known.
    pub function: String,
    /// Empty: not known.
    pub file: String,
    /// 0: not known.
    pub line: u32,
    /// Its code was inlined into that of the next frame.
    pub is_inlined: bool,
}

/// The process so far.
#[derive(Default)]
pub struct Maker {
    process: Process,
    frames: HashMap<Seen, u32>,
    modules: HashMap<String, u32>,
    stacks: HashMap<Vec<u32>, u32>,
}

impl Maker {
    /// The number of a frame.
    pub fn frame(&mut self, seen: Seen) -> u32 {
        if let Some(&number) = self.frames.get(&seen) {
            return number;
        }
        let module = (!seen.module.is_empty()).then(|| self.module(&seen.module));
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        self.process.frames.push(Frame {
            kind: "native".into(),
            module,
            offset: seen.address,
            function: text(&seen.function),
            linkage: None,
            file: text(&seen.file),
            line: Some(seen.line).filter(|&line| line > 0),
            inlined: seen.is_inlined,
            type_name: None,
        });
        let number = self.process.frames.len() as u32 - 1;
        self.frames.insert(seen, number);
        number
    }

    /// Nothing is known of a module but its path: where it was loaded is 0, so offsets in it are addresses.
    fn module(&mut self, path: &str) -> u32 {
        if let Some(&number) = self.modules.get(path) {
            return number;
        }
        self.process.modules.push(Module {
            path: path.into(),
            build_id: String::new(),
            start: 0,
            end: 0,
            bias: 0,
            flags: Vec::new(),
            unloaded: false,
            names: "unused".into(),
        });
        let number = self.process.modules.len() as u32 - 1;
        self.modules.insert(path.into(), number);
        number
    }

    /// The number of a stack, leaf first.
    pub fn stack(&mut self, frames: Vec<u32>) -> u32 {
        let next = self.process.stacks.len() as u32;
        let stacks = &mut self.process.stacks;
        *self.stacks.entry(frames).or_insert_with_key(|frames| {
            stacks.push(frames.clone());
            next
        })
    }

    /// Adds a site. Its numbers are the other tool's, so they are made to fit one another.
    pub fn site(&mut self, mut site: Site) {
        site.live_blocks = site.live_blocks.min(site.total_blocks);
        site.live_bytes = site.live_bytes.min(site.total_bytes);
        self.process.sites.push(site);
    }

    /// The process, with the sums of its sites and what the other tool calls its peak.
    pub fn end(self, peak_bytes: Option<u64>) -> Process {
        let mut process = self.process;
        let sum = |field: fn(&Site) -> u64| process.sites.iter().map(field).fold(0, u64::saturating_add);
        let (blocks, bytes) = (sum(|site| site.total_blocks), sum(|site| site.total_bytes));
        let (live_blocks, live_bytes) = (sum(|site| site.live_blocks), sum(|site| site.live_bytes));
        let at_peak = sum(|site| site.at_peak_bytes);
        let summary = &mut process.summary;
        (summary.allocations, summary.allocated_bytes) = (blocks, bytes);
        (summary.live_blocks, summary.live_bytes) = (live_blocks, live_bytes);
        (summary.frees, summary.freed_bytes) = (blocks.saturating_sub(live_blocks), bytes.saturating_sub(live_bytes));
        summary.peak_bytes = peak_bytes.unwrap_or(at_peak).max(live_bytes);
        summary.stacks = process.stacks.len() as u64;
        process.end.how = "none".into();
        // Neither tool says when it began.
        process.start = rfc3339(0);
        process
    }
}

/// The name of the function that a frame is of, if it is one that allocates.
pub fn op(function: &str) -> Option<&'static str> {
    let name = function.split('(').next().unwrap_or_default();
    Op::named(name).filter(|op| !op.is_call()).map(|op| op.name())
}

/// The name where it is not known.
pub fn unknown_op() -> &'static str {
    Op::Unknown.name()
}
