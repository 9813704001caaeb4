//! Small processes for the tests of views and texts.

use super::leaks::{Held, Kind, Leak, Sum};
use super::model::{Frame, Module, Process, Site, Thread};

/// Makes a process site by site.
pub struct Maker {
    process: Process,
}

/// A process with two threads and one module; `F` in `/src/F.c:7`, `main` without debug information.
pub fn process(make: impl FnOnce(&mut Maker)) -> Process {
    let module = Module {
        path: "/lib/libgarden.so".into(),
        build_id: "abcd".into(),
        start: 0x1000,
        end: 0x2000,
        bias: 0x1000,
        flags: Vec::new(),
        unloaded: false,
        names: "debug-info".into(),
    };
    let thread = |name: &str, uses| Thread {
        tid: 1,
        name: name.into(),
        uses,
        allocations: 0,
        allocated_bytes: 0,
        frees: 0,
        freed_bytes: 0,
    };
    let process = Process {
        pid: 1234,
        exe: "/opt/app".into(),
        threads: vec![thread("first", 1), thread("second", 3)],
        modules: vec![module],
        ..Process::default()
    };
    let mut maker = Maker { process };
    make(&mut maker);
    maker.process
}

/// Lost blocks of malloc from one stack.
pub fn leak(stack: u32, kind: Kind, blocks: u64, bytes: u64, indirect: Sum) -> Leak {
    let (op, address, suppression) = ("malloc".into(), 0x1000, None);
    let (indirect_blocks, indirect_bytes) = (indirect.blocks, indirect.bytes);
    Leak { stack, op, kind, blocks, bytes, indirect_blocks, indirect_bytes, address, suppression }
}

/// Reachable blocks of malloc from one stack, which hold nothing but themselves; who holds them was not kept.
pub fn held(stack: u32, blocks: u64, bytes: u64) -> Held {
    Held {
        stack,
        op: "malloc".into(),
        blocks,
        bytes,
        retained_bytes: bytes,
        address: 0x2000,
        address_bytes: bytes / blocks,
        suppression: None,
        path: Vec::new(),
    }
}

impl Maker {
    /// A stack, leaf first; its number.
    pub fn stack(&mut self, functions: &[&str]) -> u32 {
        let frames = functions.iter().map(|function| self.frame(function)).collect::<Vec<_>>();
        let stacks = &mut self.process.stacks;
        let known = stacks.iter().position(|stack| *stack == frames);
        known.unwrap_or_else(|| {
            stacks.push(frames);
            stacks.len() - 1
        }) as u32
    }

    /// A site of the first thread: `live` of `total` blocks of one size.
    pub fn site(&mut self, functions: &[&str], bytes: u64, live: u64, total: u64) -> &mut Site {
        let site = Site {
            stack: self.stack(functions),
            thread: Some(0),
            op: "malloc".into(),
            live_blocks: live,
            live_bytes: live * bytes,
            total_blocks: total,
            total_bytes: total * bytes,
            at_peak_blocks: live,
            at_peak_bytes: live * bytes,
            ..Site::default()
        };
        let summary = &mut self.process.summary;
        summary.allocations += total;
        summary.allocated_bytes += total * bytes;
        summary.frees += total - live;
        summary.freed_bytes += (total - live) * bytes;
        summary.live_blocks += live;
        summary.live_bytes += live * bytes;
        summary.peak_bytes += live * bytes;
        self.process.sites.push(site);
        self.process.sites.last_mut().unwrap()
    }

    /// The rest of the process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn frame(&mut self, function: &str) -> u32 {
        let is_named = function != "main";
        let frame = Frame {
            kind: "native".into(),
            module: Some(0),
            offset: 0x249,
            function: Some(function.into()),
            linkage: None,
            file: is_named.then(|| format!("/src/{function}.c")),
            line: is_named.then_some(7),
            inlined: false,
            type_name: None,
        };
        let frames = &mut self.process.frames;
        let known = frames.iter().position(|known| *known == frame);
        known.unwrap_or_else(|| {
            frames.push(frame);
            frames.len() - 1
        }) as u32
    }
}
