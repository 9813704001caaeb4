//! A recording that a test makes itself, as a launcher does, and its tables as they lie in the file.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use memtrace_wire::layout::{
    Ask, DIRECTORY_AT, FILE_HEADER_BYTES, Fault, FileHeader, LAUNCHER_SETTINGS_AT, MAGIC, Module, Node, Point,
    ProcessHeader, ROOT_DIRECTORY_ENTRIES, SETTINGS_AT, SETTINGS_BYTES, VERSION, Window, WindowKind, frame,
};
use memtrace_wire::map::{Record, U32, U64, bytes_of, read};

use crate::place::Place;

/// No program of the tests fills it; it costs what is written to.
const CAPACITY_BYTES: u64 = 1 << 32;
const COOKIE: u64 = 0x1234_5678_9abc_def0;

/// The recording; programs find it while this lives.
#[derive(Debug)]
pub struct Recording {
    file: File,
}

/// One image of one process.
pub struct Image {
    /// Everything that is not a table.
    pub header: ProcessHeader,
    /// Settings as the process keeps them, each `NAME=VALUE`.
    pub settings: Vec<String>,
    /// The trie of stacks.
    pub nodes: Vec<Node>,
    /// Modules.
    pub modules: Vec<Module>,
    /// Stacks in the scope of MALLOC_FAIL_*.
    pub points: Vec<Point>,
    /// Allocations that were made to fail.
    pub faults: Vec<Fault>,
}

impl Recording {
    /// An empty one, with settings of the launcher's.
    pub fn create(place: &Place, settings: &[&str]) -> Recording {
        let path = place.join(&format!("recording-{}", place.unused_name()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).expect("a file can be made");
        file.set_len(CAPACITY_BYTES).expect("a file may have holes");
        let header = FileHeader {
            magic: U64::new(MAGIC),
            version: U32::new(VERSION),
            launcher_pid: U32::new(std::process::id()),
            cookie: U64::new(COOKIE),
            next_offset: U64::new(FILE_HEADER_BYTES),
            capacity_bytes: U64::new(CAPACITY_BYTES),
            first_process: U64::default(),
            process_count: U32::default(),
            process_lost: U32::default(),
            ask: Ask::default(),
            copies: U64::new(0),
            spare: Default::default(),
        };
        let text: String = settings.iter().map(|setting| format!("{setting}\0")).collect();
        file.write_all_at(bytes_of(&header), 0).expect("the file can be written to");
        file.write_all_at(text.as_bytes(), LAUNCHER_SETTINGS_AT).expect("the file can be written to");
        Recording { file }
    }

    /// The value of MEMTRACE_RUN that leads here.
    pub fn way(&self) -> String {
        format!("{}:{}:{COOKIE:x}", std::process::id(), self.file.as_raw_fd())
    }

    /// All images that have begun to record, earliest first.
    pub fn images(&self) -> Vec<Image> {
        let header: FileHeader = self.records(0, 1).remove(0);
        let mut images = Vec::new();
        let mut at = header.first_process.get();
        while at != 0 {
            let image = self.image(at);
            at = image.header.next_process.get();
            images.insert(0, image);
        }
        images
    }

    fn image(&self, at: u64) -> Image {
        let header: ProcessHeader = self.records(at, 1).remove(0);
        let windows: Vec<Window> = self.records(at + DIRECTORY_AT, ROOT_DIRECTORY_ENTRIES as usize);
        let text = self.bytes(at + SETTINGS_AT, SETTINGS_BYTES as usize);
        let settings = text.split(|&byte| byte == 0).take_while(|setting| !setting.is_empty());
        Image {
            settings: settings.map(|setting| String::from_utf8_lossy(setting).into_owned()).collect(),
            nodes: self.table(&windows, WindowKind::Nodes, &header.node_count),
            modules: self.table(&windows, WindowKind::Modules, &header.module_count),
            points: self.table(&windows, WindowKind::Points, &header.point_count),
            faults: self.table(&windows, WindowKind::Faults, &header.fault_count),
            header,
        }
    }

    /// A table of which all windows are in the first directory.
    fn table<T: Record>(&self, windows: &[Window], kind: WindowKind, count: &U64) -> Vec<T> {
        let mut found: Vec<T> = Vec::new();
        for window in windows.iter().filter(|window| window.kind.get() == kind as u32) {
            assert_eq!(window.index.get(), found.len() as u64);
            found.extend(self.records(window.offset.get(), window.bytes.get() as usize / size_of::<T>()));
        }
        found.truncate(count.get() as usize);
        found
    }

    fn records<T: Record>(&self, at: u64, count: usize) -> Vec<T> {
        let bytes = self.bytes(at, count * size_of::<T>());
        (0..count).filter_map(|place| read(&bytes, place * size_of::<T>())).collect()
    }

    fn bytes(&self, at: u64, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.file.read_exact_at(&mut bytes, at).expect("the file can be read");
        bytes
    }
}

impl Image {
    /// The frame words of a stack, innermost first.
    pub fn stack(&self, node: u32) -> Vec<u64> {
        let mut words = Vec::new();
        let mut at = node as usize;
        while at != 0 {
            words.push(self.nodes[at].frame.get());
            at = self.nodes[at].parent.get() as usize;
        }
        words
    }

    /// Whether an address of a frame word lies between two.
    pub fn is_in(word: u64, start: u64, end: u64) -> bool {
        frame::kind(word) == frame::NATIVE && (start..end).contains(&frame::address(word))
    }
}
