//! Recordings for tests, written record by record as `memtrace_wire::layout` has them.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::atomic::{AtomicU32, Ordering};

use memtrace_wire::layout::{
    Cause, Check, DIRECTORY_AT, Edge, Fault, FileHeader, Held, Lost, MAGIC, Module, Node, Op, PAGE_BYTES,
    PROCESS_MAGIC, ProcessHeader, ROOT_BYTES, Rung, SETTINGS_AT, Side, Site, Step, TEXT_PER_WINDOW, TextAt, Thread,
    VERSION, Window, WindowKind,
};
use memtrace_wire::live::Spacing;
use memtrace_wire::map::{self, Record, U32};

/// One process to be written.
pub struct Target {
    /// Counts and texts are filled in when it is written.
    pub header: ProcessHeader,
    /// Node 0 is there.
    pub nodes: Vec<Node>,
    /// Sites 0 and 1 are there.
    pub sites: Vec<Site>,
    /// Threads.
    pub threads: Vec<Thread>,
    /// Modules.
    pub modules: Vec<Module>,
    /// Faults.
    pub faults: Vec<Fault>,
    /// Leaves of the live table: index, and cells by granule.
    pub leaves: Vec<(u64, Vec<(usize, u32)>)>,
    /// The side table.
    pub sides: Vec<Side>,
    /// Checks for leaks, and their tables.
    pub checks: Vec<Check>,
    /// As above.
    pub lost: Vec<Lost>,
    /// As above.
    pub edges: Vec<Edge>,
    /// As above.
    pub held: Vec<Held>,
    /// As above.
    pub steps: Vec<Step>,
    /// `NAME=VALUE`.
    pub settings: Vec<String>,
    text: Vec<u8>,
}

/// Site, blocks, bytes, and the steps to one of them: holder, place, block, number.
pub type HeldSite = (u32, u64, u64, Vec<(u32, u64, u64, u32)>);

/// What a check found. Everything else about it is as at the end of a program with one thread.
#[derive(Clone, Default)]
pub struct Found {
    /// Address, site and pointers (`Edge::to`) of each lost block of 16 bytes.
    pub lost: Vec<(u64, u32, &'static [u32])>,
    /// The held sites.
    pub held: Vec<HeldSite>,
}

/// All zero, as the kernel gives memory.
pub fn zero<T: Record>() -> T {
    map::read(&vec![0; size_of::<T>()], 0).unwrap()
}

/// An unnamed file with this content.
pub fn file_of(content: &[u8]) -> File {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("memtrace-file-{}-{number}", std::process::id()));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

impl Target {
    /// A process without modules, with one thread.
    pub fn new(pid: u32, exe: &str) -> Target {
        let mut target = Target {
            header: zero(),
            nodes: vec![zero()],
            sites: vec![zero(), zero()],
            threads: vec![zero()],
            modules: Vec::new(),
            faults: Vec::new(),
            leaves: Vec::new(),
            sides: Vec::new(),
            checks: Vec::new(),
            lost: Vec::new(),
            edges: Vec::new(),
            held: Vec::new(),
            steps: Vec::new(),
            settings: Vec::new(),
            text: Vec::new(),
        };
        target.header.pid.set(pid);
        target.header.ppid.set(1);
        target.header.start_ns.set(1_700_000_000_000_000_000 + u64::from(pid));
        target.header.exe = target.text(exe.as_bytes());
        target.header.arguments = target.text(b"app\0--flag\0");
        target.threads[0].tid.set(pid);
        target.threads[0].uses.set(1);
        target.threads[0].name[0].set(u64::from_le_bytes(*b"main-thr"));
        target
    }

    /// Puts a text into the table.
    pub fn text(&mut self, bytes: &[u8]) -> TextAt {
        let at = U32::new(self.text.len() as u32);
        self.text.extend(bytes);
        TextAt { at, bytes: U32::new(bytes.len() as u32) }
    }

    /// Adds a node; its number.
    pub fn node(&mut self, frame: u64, parent: u32) -> u32 {
        let node: Node = zero();
        node.frame.set(frame);
        node.parent.set(parent);
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    /// Adds a stack, leaf first; the number of its leaf.
    pub fn stack(&mut self, frames: &[u64]) -> u32 {
        frames.iter().rev().fold(0, |parent, &frame| self.node(frame, parent))
    }

    /// Adds a module at `start..start + 0x10000` that is there from the beginning.
    pub fn module(&mut self, path: &str, start: u64, build_id: &[u8]) -> &Module {
        let path = self.text(path.as_bytes());
        let mut module: Module = zero();
        module.path = path;
        module.start.set(start);
        module.bias.set(start);
        module.end.set(start + 0x10000);
        module.build_id_bytes.set(build_id.len() as u32);
        for (word, bytes) in module.build_id.iter().zip(build_id.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.set(u64::from_le_bytes(whole));
        }
        self.modules.push(module);
        self.modules.last().unwrap()
    }

    /// Adds a site of thread 0 with this many blocks of one size, of which `live` are not freed.
    pub fn site(&mut self, node: u32, bytes: u64, blocks: u64, live: u64) -> &Site {
        let site: Site = zero();
        site.node.set(node);
        site.op.set(Op::Malloc as u32);
        site.total_count.set(blocks);
        site.total_bytes.set(blocks * bytes);
        site.freed_count.set(blocks - live);
        site.live_bytes.set(live * bytes);
        site.largest_bytes.set(bytes);
        site.peak_count.set(blocks);
        site.peak_bytes.set(blocks * bytes);
        self.header.peak_bytes.add(blocks * bytes);
        self.sites.push(site);
        self.sites.last().unwrap()
    }

    /// Adds a check.
    pub fn check(&mut self, found: &Found) -> &Check {
        let check: Check = zero();
        check.cause.set(Cause::End as u32);
        check.rung.set(Rung::Alone as u32);
        check.time_ns.set(1_700_000_000_000_000_000);
        check.lost_first.set(self.lost.len() as u64);
        check.lost_count.set(found.lost.len() as u64);
        check.edge_first.set(self.edges.len() as u64);
        check.held_first.set(self.held.len() as u64);
        check.held_count.set(found.held.len() as u64);
        check.ready.set(1);
        let edges_before = self.edges.len();
        for &(address, site, to) in &found.lost {
            let lost: Lost = zero();
            lost.address.set(address);
            lost.bytes.set(16);
            lost.site.set(site);
            lost.edge_first.set((self.edges.len() - edges_before) as u32);
            lost.edge_count.set(to.len() as u32);
            self.edges.extend(to.iter().map(|&to| Edge { to: U32::new(to) }));
            self.lost.push(lost);
        }
        check.edge_count.set((self.edges.len() - edges_before) as u64);
        for (site, blocks, bytes, path) in &found.held {
            let held: Held = zero();
            held.site.set(*site);
            held.step_first.set(self.steps.len() as u32);
            held.step_count.set(path.len() as u32);
            held.blocks.set(*blocks);
            held.bytes.set(*bytes);
            held.address.set(0x7000);
            held.address_bytes.set(bytes / blocks);
            check.reachable_blocks.add(*blocks);
            check.reachable_bytes.add(*bytes);
            for &(holder, at, block, number) in path {
                let step: Step = zero();
                step.holder.set(holder);
                step.at.set(at);
                step.block.set(block);
                step.number.set(number);
                self.steps.push(step);
            }
            self.held.push(held);
        }
        self.checks.push(check);
        self.checks.last().unwrap()
    }
}

/// The bytes of a recording of these processes, the first of them linked last.
pub fn recording(targets: &[Target]) -> Vec<u8> {
    let mut file = vec![0; PAGE_BYTES as usize];
    let header: FileHeader = zero();
    header.magic.set(MAGIC);
    header.version.set(VERSION);
    header.process_count.set(targets.len() as u32);
    for target in targets {
        let root = file.len();
        file.resize(root + ROOT_BYTES as usize, 0);
        let mut directory = Vec::new();
        let mut window = |kind: WindowKind, index: u64, content: Vec<u8>| {
            let window: Window = zero();
            window.kind.set(kind as u32);
            window.index.set(index);
            window.offset.set(file.len() as u64);
            window.bytes.set(content.len().next_multiple_of(PAGE_BYTES as usize) as u64);
            file.extend(content);
            file.resize(file.len().next_multiple_of(PAGE_BYTES as usize), 0);
            directory.push(window);
        };
        window(WindowKind::Nodes, 0, bytes_of(&target.nodes));
        window(WindowKind::Sites, 0, bytes_of(&target.sites));
        window(WindowKind::Threads, 0, bytes_of(&target.threads));
        window(WindowKind::Modules, 0, bytes_of(&target.modules));
        window(WindowKind::Faults, 0, bytes_of(&target.faults));
        window(WindowKind::Sides, 0, bytes_of(&target.sides));
        for (place, text) in target.text.chunks(TEXT_PER_WINDOW as usize).enumerate() {
            window(WindowKind::Text, place as u64 * TEXT_PER_WINDOW / 4, text.to_vec());
        }
        if !target.checks.is_empty() {
            window(WindowKind::Checks, 0, bytes_of(&target.checks));
            window(WindowKind::Lost, 0, bytes_of(&target.lost));
            window(WindowKind::Edges, 0, bytes_of(&target.edges));
            window(WindowKind::Held, 0, bytes_of(&target.held));
            window(WindowKind::Steps, 0, bytes_of(&target.steps));
        }
        for (index, cells) in &target.leaves {
            let mut leaf = vec![0; Spacing::Apart.leaf_bytes() as usize];
            for &(granule, cell) in cells {
                leaf[granule * 4..][..4].copy_from_slice(map::bytes_of(&U32::new(cell)));
            }
            window(Spacing::Apart.kind(), *index, leaf);
        }
        let process = &target.header;
        process.magic.set(PROCESS_MAGIC);
        process.next_process.set(header.first_process.get());
        process.node_count.set(target.nodes.len() as u64);
        process.site_count.set(target.sites.len() as u64);
        process.thread_count.set(target.threads.len() as u64);
        process.module_count.set(target.modules.len() as u64);
        process.fault_count.set(target.faults.len() as u64);
        process.side_count.set(target.sides.len() as u64);
        process.check_count.set(target.checks.len() as u64);
        process.lost_count.set(target.lost.len() as u64);
        process.edge_count.set(target.edges.len() as u64);
        process.held_count.set(target.held.len() as u64);
        process.step_count.set(target.steps.len() as u64);
        process.text_bytes.set(target.text.len() as u64);
        process.window_count.set(directory.len() as u64);
        header.first_process.set(root as u64);
        put(&mut file, root, map::bytes_of(process));
        put(&mut file, root + SETTINGS_AT as usize, target.settings.join("\0").as_bytes());
        put(&mut file, root + DIRECTORY_AT as usize, &bytes_of(&directory));
    }
    header.next_offset.set(file.len() as u64);
    header.capacity_bytes.set(file.len() as u64);
    put(&mut file, 0, map::bytes_of(&header));
    file
}

fn bytes_of<T: Record>(records: &[T]) -> Vec<u8> {
    records.iter().flat_map(|record| map::bytes_of(record).to_vec()).collect()
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}
