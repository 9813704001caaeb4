//! A recording, read from its file: the processes of a run with their tables.
//!
//! ```text
//!   Source ──pread──▶ directory ──▶ tables ──▶ Process (records as they lie in the file)
//!                                     live leaves only when asked for: `Process::live_blocks`
//! ```
//!
//! The target could write into the file and the file can come from anywhere, so nothing in it is believed.
//!
//! Invariants:
//! - windows lie inside the file, or the recording is refused; what one record claims (a parent, a site, a text)
//!   is checked where it is used, and records without a window are counted as missing;
//! - no more memory is taken than the file's own bytes account for: see `Source`;
//! - processes stand in the order in which they began.

mod checks;
mod directory;
mod live;
pub mod pulse;
mod source;

#[cfg(test)]
pub mod builder;

use std::collections::HashSet;
use std::fs::File;
use std::rc::Rc;

use memtrace_wire::layout::{
    self, FileHeader, MAGIC, PAGE_BYTES, PROCESS_MAGIC, ProcessHeader, ROOT_BYTES, SETTINGS_AT, SETTINGS_BYTES, TextAt,
    VERSION,
};
use memtrace_wire::map;

use crate::error::Error;
pub use checks::{Check, Checks, Ways};
use directory::Directory;
pub use live::{LiveBlock, LiveBlocks};
pub use source::Source;

/// Whether a file that begins with these bytes is meant to be a recording.
pub fn is_recording(start: &[u8]) -> bool {
    start.starts_with(&MAGIC.to_le_bytes())
}

/// A run's processes.
pub struct Recording {
    /// Every image of every process that had begun to record, earliest first.
    pub processes: Vec<Process>,
    /// Processes for which the file had no room.
    pub process_lost: u64,
}

/// One image of one process.
pub struct Process {
    /// Everything that is not a table.
    pub header: ProcessHeader,
    /// The trie of stacks.
    pub nodes: Vec<layout::Node>,
    /// Sites by number.
    pub sites: Vec<layout::Site>,
    /// Slots of threads by number.
    pub threads: Vec<layout::Thread>,
    /// Modules, in the order in which they were seen.
    pub modules: Vec<layout::Module>,
    /// Allocations that were made to fail.
    pub faults: Vec<layout::Fault>,
    /// Heap errors.
    pub heap_errors: Vec<layout::HeapError>,
    /// Stacks that allocated in the scope of MALLOC_FAIL_*.
    pub points: Vec<layout::Point>,
    /// Places that the program came by.
    pub markers: Vec<layout::Marker>,
    /// Checks for leaks.
    pub checks: Checks,
    /// Records that are counted and for which there is no window.
    pub missing: u64,
    text: Vec<u8>,
    settings: Vec<u8>,
    directory: Directory,
    source: Rc<Source>,
}

impl Recording {
    /// Reads everything but the live blocks. `what` names the file in messages: "recording `x`".
    pub fn from_file(file: File, what: &str) -> Result<Recording, Error> {
        let source = Rc::new(Source::new(file, what)?);
        let header: FileHeader = source.record(0)?;
        if header.magic.get() != MAGIC {
            return Err(source.error("it does not begin with `MEMTRACE`"));
        }
        if header.version.get() != VERSION {
            return Err(Error::Version {
                what: what.into(),
                found: header.version.get().into(),
                reads: VERSION.into(),
            });
        }
        let mut processes = Vec::new();
        let mut seen = HashSet::new();
        let mut at = header.first_process.get();
        // A link back into the chain ends it: a loop holds no process that was not read.
        while at != 0 && seen.insert(at) {
            let (process, next) = Process::read(&source, at)?;
            processes.extend(process);
            at = next;
        }
        // The chain begins with the process that came last.
        processes.reverse();
        processes.sort_by_key(|process| process.header.start_ns.get());
        Ok(Recording { processes, process_lost: header.process_lost.get().into() })
    }
}

impl Process {
    /// The newest image of a process, and where its root stands; the others of the recording are passed over.
    pub fn newest(source: &Rc<Source>, pid: u32) -> Result<Option<(u64, Process)>, Error> {
        let found = pulse::roots(source, None)?.into_iter().find(|(_, header)| header.pid.get() == pid);
        let Some((root, _)) = found else { return Ok(None) };
        Ok(Process::read(source, root)?.0.map(|process| (root, process)))
    }

    /// The process at `at`, if it had got as far as to be one, and where the next stands.
    fn read(source: &Rc<Source>, at: u64) -> Result<(Option<Process>, u64), Error> {
        if !at.is_multiple_of(PAGE_BYTES) {
            return Err(source.error(&format!("a process at byte {at}, which no page begins at")));
        }
        let root = source.bytes(at, ROOT_BYTES)?;
        let header: ProcessHeader = map::read(&root, 0).ok_or_else(|| source.error("a process that is cut off"))?;
        let next = header.next_process.get();
        // The magic is written last: without it the process died while it began.
        if header.magic.get() != PROCESS_MAGIC {
            return Ok((None, next));
        }
        let directory = Directory::read(source, &root)?;
        use layout::WindowKind as Kind;
        let mut missing = 0;
        let process = Process {
            nodes: directory.table(source, Kind::Nodes, header.node_count.get(), &mut missing)?,
            sites: directory.table(source, Kind::Sites, header.site_count.get(), &mut missing)?,
            threads: directory.table(source, Kind::Threads, header.thread_count.get(), &mut missing)?,
            modules: directory.table(source, Kind::Modules, header.module_count.get(), &mut missing)?,
            // The count goes on when the table is full: that is a loss of its own.
            markers: directory.table(
                source,
                Kind::Markers,
                header.marker_count.get().min(layout::MARKERS_MAX),
                &mut 0,
            )?,
            faults: directory.table(source, Kind::Faults, header.fault_count.get(), &mut 0)?,
            heap_errors: directory.table(source, Kind::HeapErrors, header.heap_error_count.get(), &mut 0)?,
            points: directory.table(source, Kind::Points, header.point_count.get(), &mut 0)?,
            checks: Checks::read(source, &directory, &header)?,
            text: directory.text(source, header.text_bytes.get())?,
            settings: settings_of(&root).to_vec(),
            missing,
            directory,
            source: Rc::clone(source),
            header,
        };
        Ok((Some(process), next))
    }

    /// The bytes of a text; `None`: it points outside the process's text.
    pub fn text(&self, text: &TextAt) -> Option<&[u8]> {
        let start = text.at.get() as usize;
        self.text.get(start..start.checked_add(text.bytes.get() as usize)?)
    }

    /// The `NAME=VALUE` settings that the process began with.
    pub fn settings(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.settings.split(|&byte| byte == 0).filter(|text| !text.is_empty())
    }

    /// Single live blocks; each cell is read when it is asked for.
    pub fn live_blocks_at(&self) -> LiveBlocks<'_> {
        LiveBlocks::new(&self.source, &self.directory, self.header.side_count.get())
    }

    /// Looks at every live block. Reads the leaves of the live table now.
    pub fn each_live_block(&self, look: &mut dyn FnMut(LiveBlock)) -> Result<(), Error> {
        live::each(&self.source, &self.directory, self.header.side_count.get(), look)
    }

    /// Every live block, sorted by address. Reads the leaves of the live table now.
    #[cfg(test)]
    pub fn live_blocks(&self) -> Result<Vec<LiveBlock>, Error> {
        live::read(&self.source, &self.directory, self.header.side_count.get())
    }
}

/// The settings text without the zeroes behind it, which are most of it.
fn settings_of(root: &[u8]) -> &[u8] {
    let text = root.get(SETTINGS_AT as usize..(SETTINGS_AT + SETTINGS_BYTES) as usize).unwrap_or(&[]);
    let used = text.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    text.get(..used).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::builder::{Found, Target, file_of, recording, zero};
    use super::*;
    use crate::profile::{Options, Profile};
    use memtrace_wire::layout::{LEAF_SHIFT, Side, frame};
    use memtrace_wire::live;
    use std::os::unix::fs::FileExt;

    fn read(bytes: &[u8]) -> Result<Recording, Error> {
        Recording::from_file(file_of(bytes), "recording `x`")
    }

    fn two() -> Vec<Target> {
        let mut parent = Target::new(10, "/bin/parent");
        parent.module("/no/such.so", 0x1000, &[1, 2, 3]);
        let leaf = parent.stack(&[0x1010, 0x2020, frame::CUT_UNWIND]);
        parent.site(leaf, 24, 3, 2);
        parent.settings = vec!["MEMTRACE_TOP=5".into()];
        let held = vec![(2, 1, 24, vec![(1, 0x1008, 0, 0), (0, 0x3010, 0x3000, 2)])];
        parent.check(&Found { lost: vec![(0x100, 2, &[1]), (0x200, 2, &[])], held });
        let mut child = Target::new(11, "/bin/child");
        let leaf = child.stack(&[0x4040]);
        child.site(leaf, 100, 1, 1);
        vec![parent, child]
    }

    #[test]
    fn texts_are_read_from_all_windows() {
        let mut target = Target::new(10, "/bin/app");
        let texts: Vec<Vec<u8>> = (b'a'..=b'd').map(|letter| vec![letter; 50_000]).collect();
        let places: Vec<TextAt> = texts.iter().map(|text| target.text(text)).collect();
        let recording = read(&recording(&[target])).unwrap();
        let process = &recording.processes[0];
        for (text, place) in texts.iter().zip(&places) {
            assert_eq!(process.text(place), Some(text.as_slice()));
        }
    }

    #[test]
    fn processes_come_in_the_order_in_which_they_began() {
        let recording = read(&recording(&two())).unwrap();
        let pids: Vec<u32> = recording.processes.iter().map(|process| process.header.pid.get()).collect();
        assert_eq!(pids, [10, 11]);
        let parent = &recording.processes[0];
        assert_eq!(parent.text(&parent.header.exe), Some(&b"/bin/parent"[..]));
        assert_eq!((parent.nodes.len(), parent.sites.len(), parent.missing), (4, 3, 0));
        assert_eq!(parent.settings().collect::<Vec<_>>(), [b"MEMTRACE_TOP=5"]);
    }

    #[test]
    fn a_loop_of_processes_ends() {
        let mut bytes = recording(&two());
        let first = map::read::<FileHeader>(&bytes, 0).unwrap().first_process.get();
        // The root that was read last points back to the first.
        let last = PAGE_BYTES as usize;
        assert_ne!(first, last as u64);
        bytes[last + 8..last + 16].copy_from_slice(&first.to_le_bytes());
        assert_eq!(read(&bytes).unwrap().processes.len(), 2);
    }

    #[test]
    fn a_process_without_its_magic_is_passed_over() {
        let mut bytes = recording(&two());
        bytes[PAGE_BYTES as usize] = 0;
        assert_eq!(read(&bytes).unwrap().processes.len(), 1);
    }

    #[test]
    fn foreign_and_newer_files_are_refused() {
        let mut bytes = recording(&two());
        bytes[8] = 9;
        let error = read(&bytes).err().unwrap().to_string();
        assert_eq!(error, format!("cannot read recording `x`: version 9, this memtrace reads up to {VERSION}"));
        bytes[0] = b'X';
        assert!(read(&bytes).err().unwrap().to_string().contains("does not begin with `MEMTRACE`"));
        assert!(read(b"").is_err());
    }

    #[test]
    fn live_blocks_are_read_from_cells_and_from_the_side_table() {
        let mut target = Target::new(1, "app");
        let granule = 0x7f00_0000_0040u64;
        let place = (granule >> 5) as usize & 0x1ffff;
        let cells =
            [live::cell(granule, 2, live::short(24)), live::cell(granule + 48, 2, live::NEXT), live::size_cell(1000)];
        let large = live::cell(granule + 96, 3, live::BESIDE);
        let cells = cells.into_iter().chain([large]).enumerate().map(|(at, cell)| (place + at, cell));
        target.leaves.push((granule >> LEAF_SHIFT, cells.collect()));
        for (address, bytes) in [(granule + 8, 8), (0, 0), (1, 0), (granule + 96, 1 << 40)] {
            let side: Side = zero();
            side.address.set(address);
            side.bytes.set(bytes);
            side.site.set(3);
            target.sides.push(side);
        }
        let recording = read(&recording(&[target])).unwrap();
        let blocks = recording.processes[0].live_blocks().unwrap();
        let block = |address, bytes, site| LiveBlock { address, bytes, site };
        let expected = [
            block(granule, 24, 2),
            block(granule + 8, 8, 3),
            block(granule + 48, 1000, 2),
            block(granule + 96, 1 << 40, 3),
        ];
        assert_eq!(blocks, expected);
        let single = recording.processes[0].live_blocks_at();
        for block in expected {
            assert_eq!(single.at(block.address), Some(block));
        }
        for address in [granule + 16, granule + 4, granule + 32, granule + 80, u64::MAX, 0, 1] {
            assert_eq!(single.at(address), None, "{address:#x}");
        }
    }

    #[test]
    fn a_count_without_a_window_is_missing_and_not_believed() {
        let target = Target::new(1, "app");
        let mut bytes = recording(&[target]);
        let at = PAGE_BYTES as usize + std::mem::offset_of!(ProcessHeader, site_count);
        bytes[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        let recording = read(&bytes).unwrap();
        assert_eq!(recording.processes[0].sites.len(), 32);
        assert_eq!(recording.processes[0].missing, u64::MAX - 32);
    }

    /// Reads it all, whatever it says.
    fn use_all(file: File) -> bool {
        let Ok(recording) = Recording::from_file(file, "x") else { return false };
        recording.processes.iter().for_each(|process| drop(process.live_blocks()));
        let profile = Profile::build(&recording, &Options::default()).unwrap();
        crate::text::report(&profile, &crate::text::Request::default(), &mut std::io::sink()).unwrap();
        true
    }

    #[test]
    fn every_beginning_of_a_recording_is_read_or_refused() {
        let bytes = recording(&two());
        assert!(use_all(file_of(&bytes)));
        let file = file_of(&bytes);
        for length in (0..bytes.len()).rev().filter(|length| length % 512 == 0 || length % 1021 == 0 || *length < 200) {
            file.set_len(length as u64).unwrap();
            assert!(!use_all(file.try_clone().unwrap()) || length > bytes.len() - 4096, "{length}");
        }
    }

    #[test]
    fn no_flipped_byte_stops_the_reader() {
        let bytes = recording(&two());
        let file = file_of(&bytes);
        // Every byte that says something, those around it, and a few of the empty ones.
        let says =
            |place: usize| bytes[place.saturating_sub(4)..(place + 4).min(bytes.len())].iter().any(|&byte| byte != 0);
        for place in (0..bytes.len()).filter(|&place| says(place) || place % 499 == 0) {
            for flip in [0x01, 0xff] {
                file.write_all_at(&[bytes[place] ^ flip], place as u64).unwrap();
                use_all(file.try_clone().unwrap());
            }
            file.write_all_at(&[bytes[place]], place as u64).unwrap();
        }
    }
}
