//! Which part of a window of the launcher's file was ever written.
//!
//! To read a page of the file that nobody has written makes the kernel take memory for it. A small program has a few
//! blocks in a leaf of 129 pages, so that a check would spend more on the empty ones than on all its blocks.

use core::ops::Range;
use memtrace_wire::layout::{Window, WindowKind};
use memtrace_wire::sys;

use crate::store::Store;

/// The launcher's file, opened to ask where it has holes.
pub struct Written<'a> {
    store: &'a Store,
    /// None: all of every window counts as written.
    file: Option<i32>,
}

/// Windows are searched one by one; of a program with more, most pages were written.
const WINDOWS_MAX: usize = 256;

impl<'a> Written<'a> {
    /// Asks the file where there is one, and no more windows than can be searched.
    pub fn of(store: &'a Store) -> Self {
        let is_asked = store.is_shared() && !sys::is_sealed() && store.windows().count() <= WINDOWS_MAX;
        let file = is_asked.then(|| store.descriptor()).flatten();
        Self { store, file: file.map(|fd| fd as i32) }
    }

    /// The parts of a window's first bytes that were written, in whole pages.
    pub fn parts(&self, kind: WindowKind, index: u64, bytes: usize) -> impl Iterator<Item = Range<usize>> {
        let is_it = move |window: &&Window| window.kind.get() == kind as u32 && window.index.get() == index;
        let place = self.file.and_then(|file| Some((file, self.store.windows().find(is_it)?.offset.get() as usize)));
        let mut done = 0;
        core::iter::from_fn(move || {
            let part = match place {
                Some((file, base)) => next(file, base, done..bytes),
                None => done..bytes,
            };
            done = part.end;
            (!part.is_empty()).then_some(part)
        })
    }
}

/// The first bytes of a range of the file's that were written, both counted from `base`. All, if the file does not say.
fn next(file: i32, base: usize, range: Range<usize>) -> Range<usize> {
    let end = base.saturating_add(range.end);
    let from = match sys::seek(file, base.saturating_add(range.start), libc::SEEK_DATA) {
        Ok(from) => from.min(end),
        Err(libc::ENXIO) => end,
        Err(_) => return range,
    };
    let to = sys::seek(file, from, libc::SEEK_HOLE).map_or(end, |to| to.min(end).max(from));
    from.saturating_sub(base)..to.saturating_sub(base)
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.file {
            sys::close(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Hot;
    use crate::live::Block;
    use crate::store::Source;
    use memtrace_wire::layout::{self, FILE_HEADER_BYTES, FileHeader};
    use memtrace_wire::map::{U32, U64, bytes_of};
    use std::boxed::Box;
    use std::fs::{File, remove_file};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::vec::Vec;

    use super::Written;

    /// A sparse file of the memory file system, as the launcher's is.
    fn sparse_file() -> File {
        let path = std::format!("/dev/shm/memtrace-hot-written-{}", std::process::id());
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        remove_file(path).unwrap();
        file.set_len(1 << 32).unwrap();
        let header = FileHeader {
            magic: U64::new(layout::MAGIC),
            version: U32::new(layout::VERSION),
            launcher_pid: U32::new(std::process::id()),
            cookie: U64::new(7),
            next_offset: U64::new(FILE_HEADER_BYTES),
            capacity_bytes: U64::new(1 << 32),
            first_process: U64::default(),
            process_count: U32::default(),
            process_lost: U32::default(),
            ask: Default::default(),
            copies: Default::default(),
            spare: Default::default(),
        };
        file.write_all_at(bytes_of(&header), 0).unwrap();
        file
    }

    #[test]
    fn live_blocks_are_listed_without_a_page_for_what_was_never_written() {
        let file = sparse_file();
        let hot = Box::leak(Box::new(Hot::new()));
        let source = Source::Launcher { pid: std::process::id(), fd: file.as_raw_fd() as u32, cookie: 7 };
        assert!(hot.store.open(source) && hot.start());
        hot.store.opened();
        // The first and the last page of a leaf, the one in the middle, and a leaf of its own.
        let addresses = [0x7f12_3400_0000u64, 0x7f12_3420_0000, 0x7f12_343f_ffe0, 0x7f12_3480_1000];
        for address in addresses {
            hot.insert(Block { address, bytes: 8, site: 7 }, true);
        }
        let taken = || file.metadata().unwrap().blocks();
        let (before, mut listed) = (taken(), Vec::new());
        hot.live.each_block(&Written::of(&hot.store), |address, _, _| listed.push(address));
        assert_eq!((listed.as_slice(), taken()), (addresses.as_slice(), before));
    }
}
