//! The recording of this process: where it lies, and how windows are added to it.
//!
//! A window is mapped once and stays until the process ends, so a reference into it is good for ever. Where the
//! launcher made the recording, windows are pieces of its file, not inherited by fork children; otherwise they
//! are private memory that the kernel wipes in fork children.

use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use memtrace_wire::layout::{
    DIRECTORY_AT, DIRECTORY_BYTES, FILE_HEADER_BYTES, FileHeader, PAGE_BYTES, ProcessHeader, ROOT_BYTES,
    ROOT_DIRECTORY_ENTRIES, Window, WindowKind,
};
use memtrace_wire::loss::Loss;
use memtrace_wire::map::{Record, Region, U32};
use memtrace_wire::sys;

use crate::lock::Lock;
use crate::own::{self, Use};

/// The recording of this process, once it is open.
pub struct Store {
    header: AtomicPtr<u8>,
    root: AtomicPtr<u8>,
    root_at: AtomicU64,
    directories: [AtomicPtr<u8>; DIRECTORIES_MAX],
    shared: U32,
    /// While the store opens, the launcher's file + 1; `NO_FD` otherwise, because no descriptor may stay open.
    fd: U32,
    launcher_pid: U32,
    launcher_fd: U32,
    pub(crate) grow: Lock,
}

/// Where the recording comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// This process makes it.
    Private,
    /// The launcher made it: pid, descriptor there, and the cookie that its header must carry.
    Launcher {
        /// The launcher's pid.
        pid: u32,
        /// Its descriptor.
        fd: u32,
        /// Random.
        cookie: u64,
    },
}

const NO_FD: u32 = 0;

impl Store {
    /// Not open.
    pub const fn new() -> Self {
        Self {
            header: AtomicPtr::new(core::ptr::null_mut()),
            root: AtomicPtr::new(core::ptr::null_mut()),
            root_at: AtomicU64::new(0),
            directories: [const { AtomicPtr::new(core::ptr::null_mut()) }; DIRECTORIES_MAX],
            shared: U32::new(0),
            fd: U32::new(NO_FD),
            launcher_pid: U32::new(0),
            launcher_fd: U32::new(0),
            grow: Lock::new(),
        }
    }

    /// Opens the recording and claims a root in it. False: refused, nothing can be recorded.
    pub fn open(&self, source: Source) -> bool {
        let opened = match source {
            Source::Private => self.open_private(),
            Source::Launcher { pid, fd, cookie } => self.open_shared(pid, fd, cookie),
        };
        opened && self.claim_root()
    }

    /// The descriptor that `open` used is closed: from here on each window asks again.
    pub fn opened(&self) {
        let fd = self.fd.swap(NO_FD);
        if fd != NO_FD {
            sys::close(fd as i32 - 1);
        }
    }

    /// Forgets everything, for a fork child whose windows are gone. Private windows are given back by their tables.
    pub fn forget(&self) {
        self.root.store(core::ptr::null_mut(), Ordering::Release);
        if !self.is_shared() {
            self.header.store(core::ptr::null_mut(), Ordering::Release);
        }
        self.fd.set(NO_FD);
        self.grow.reset();
    }

    /// For a copy of the process with one thread: nobody holds the lock.
    pub fn unlock(&self) {
        self.grow.reset();
    }

    fn open_private(&self) -> bool {
        self.shared.set(0);
        let Some(region) = crate::map::map_window(FILE_HEADER_BYTES as usize) else { return false };
        let Some(header) = region.at::<FileHeader>(0) else { return false };
        header.magic.set(memtrace_wire::layout::MAGIC);
        header.version.set(memtrace_wire::layout::VERSION);
        header.next_offset.set(FILE_HEADER_BYTES);
        header.capacity_bytes.set(1 << 46);
        self.header.store(region.base(), Ordering::Release);
        true
    }

    fn open_shared(&self, pid: u32, fd: u32, cookie: u64) -> bool {
        self.shared.set(1);
        self.launcher_pid.set(pid);
        self.launcher_fd.set(fd);
        let Some(open) = self.descriptor() else {
            // A fork child that has changed its root or its user still has its parent's mapping of the header.
            return self.header().is_some_and(|header| header.cookie.get() == cookie);
        };
        self.fd.set(open + 1);
        let base = sys::map_shared(open as i32, 0, FILE_HEADER_BYTES as usize);
        if base.is_null() {
            return false;
        }
        // SAFETY: just mapped, and never unmapped; the launcher made the file longer than a header.
        let region = unsafe { Region::new(base, FILE_HEADER_BYTES as usize) };
        let right = region.at::<FileHeader>(0).is_some_and(|header| {
            header.magic.get() == memtrace_wire::layout::MAGIC
                && header.version.get() == memtrace_wire::layout::VERSION
                && header.cookie.get() == cookie
                // Whatever a copy starts in which a stack fails is no part of the recording.
                && header.copies.acquire() == 0
        });
        if right {
            own::add(base, FILE_HEADER_BYTES as usize, Use::Table);
            self.header.store(base, Ordering::Release);
        }
        right
    }

    /// Opens the launcher's file through proc, which works for every process of the same user.
    pub(crate) fn descriptor(&self) -> Option<u32> {
        let mut path = crate::text::Buffer::<64>::new();
        path.push(b"/proc/");
        path.push_number(u64::from(self.launcher_pid.get()));
        path.push(b"/fd/");
        path.push_number(u64::from(self.launcher_fd.get()));
        u32::try_from(sys::open(path.as_c_str()?, libc::O_RDWR, 0)).ok()
    }

    fn claim_root(&self) -> bool {
        let Some((offset, region)) = self.carve(ROOT_BYTES) else { return false };
        self.root_at.store(offset, Ordering::Relaxed);
        self.root.store(region.base(), Ordering::Release);
        let (Some(header), Some(process)) = (self.header(), self.process()) else { return false };
        process.own_bytes.set(FILE_HEADER_BYTES + ROOT_BYTES);
        process.magic.publish(memtrace_wire::layout::PROCESS_MAGIC);
        loop {
            let first = header.first_process.acquire();
            process.next_process.set(first);
            if header.first_process.replace(first, offset) {
                break;
            }
        }
        header.process_count.fetch_add(1);
        true
    }

    /// Says in the launcher's header that a process could not claim a root.
    pub fn lost(&self) {
        self.header().map(|header| header.process_lost.fetch_add(1));
    }

    /// The file header.
    #[inline(always)]
    pub fn header(&self) -> Option<&'static FileHeader> {
        reference(self.header.load(Ordering::Acquire))
    }

    /// This process's header.
    #[inline(always)]
    pub fn process(&self) -> Option<&'static ProcessHeader> {
        reference(self.root.load(Ordering::Acquire))
    }

    /// The root as a region, for the settings text.
    pub fn root(&self) -> Option<Region> {
        let base = self.root.load(Ordering::Acquire);
        // SAFETY: mapped by `claim_root` and never unmapped while it is the root.
        (!base.is_null()).then(|| unsafe { Region::new(base, ROOT_BYTES as usize) })
    }

    /// Offset of the root in the file.
    pub fn root_at(&self) -> u64 {
        self.root_at.load(Ordering::Relaxed)
    }

    /// Whether the recording is the launcher's.
    pub fn is_shared(&self) -> bool {
        self.shared.get() != 0
    }

    /// Counts a loss.
    #[inline]
    pub fn lose(&self, loss: Loss) {
        if let Some(count) = self.process().and_then(|process| process.losses.get(loss as usize)) {
            count.fetch_add(1);
        }
    }

    /// A new window, named in the directory. `None`: refused, and counted as a loss.
    /// The caller holds the lock of the table that grows. `may_wait`: false in a hook that interrupted another.
    pub fn window(&self, kind: WindowKind, index: u64, bytes: u64, may_wait: bool) -> Option<Region> {
        let guard = if may_wait { Some(self.grow.enter()) } else { self.grow.try_enter() };
        guard.as_ref()?;
        let made = self.carve(bytes).filter(|&(offset, _)| self.enlist(kind, index, offset, bytes));
        drop(guard);
        match made {
            Some((_, region)) => {
                use WindowKind::{Checks, Edges, Held, Lost, Steps};
                // What a check finds is the copy's memory, not the target's.
                let is_copys = matches!(kind, Checks | Lost | Edges | Held | Steps);
                if let Some(process) = self.process().filter(|_| !is_copys) {
                    process.own_bytes.fetch_add(bytes);
                }
                Some(region)
            }
            None => {
                self.lose(Loss::WindowRefused);
                None
            }
        }
    }

    /// Takes the next bytes of the file and maps them.
    fn carve(&self, bytes: u64) -> Option<(u64, Region)> {
        let header = self.header()?;
        debug_assert!(bytes.is_multiple_of(PAGE_BYTES));
        let offset = header.next_offset.fetch_add(bytes);
        if offset.checked_add(bytes)? > header.capacity_bytes.get() {
            return None;
        }
        if !self.is_shared() {
            return Some((offset, crate::map::map_window(bytes as usize)?));
        }
        let base = self.map_file(offset, bytes as usize);
        if base.is_null() {
            return None;
        }
        Some((offset, kept_from_children(base, bytes as usize)?))
    }

    fn map_file(&self, offset: u64, bytes: usize) -> *mut u8 {
        let kept = self.fd.get();
        if kept != NO_FD {
            return sys::map_shared(kept as i32 - 1, offset, bytes);
        }
        if !sys::is_sealed()
            && let Some(fd) = self.descriptor()
        {
            let base = sys::map_shared(fd as i32, offset, bytes);
            sys::close(fd as i32);
            if !base.is_null() {
                return base;
            }
        }
        self.map_from_header(offset, bytes)
    }

    /// Without a way to open files (chroot, changed user, no descriptors left): mremap(2) with an old length of 0
    /// makes a second mapping of the header's file; the part before the window is given back at once.
    fn map_from_header(&self, offset: u64, bytes: usize) -> *mut u8 {
        let header = self.header.load(Ordering::Acquire);
        // SAFETY: a second mapping of shared memory changes nothing for the first.
        let whole = unsafe {
            sys::call(libc::SYS_mremap, header as usize, 0, offset as usize + bytes, libc::MREMAP_MAYMOVE as usize)
        };
        if (-4095..=0).contains(&whole) {
            return core::ptr::null_mut();
        }
        // SAFETY: the part in front was mapped in the line above, and nobody has its address.
        unsafe { sys::unmap(whole as *mut u8, offset as usize) };
        (whole as usize + offset as usize) as *mut u8
    }

    /// A window of the launcher's file that another process has made.
    pub fn map_again(&self, window: &Window) -> Option<Region> {
        let bytes = window.bytes.get() as usize;
        let base = self.map_file(window.offset.get(), bytes);
        if base.is_null() {
            return None;
        }
        kept_from_children(base, bytes)
    }

    fn enlist(&self, kind: WindowKind, index: u64, offset: u64, bytes: u64) -> bool {
        let Some(process) = self.process() else { return false };
        let (block, place, entries) = directory_place(process.window_count.get());
        if place + 1 < entries {
            return self.write_entry(kind, index, offset, bytes);
        }
        // The last entry of a full directory names the next one.
        let Some(cell) = self.directories.get(block) else { return false };
        let Some((next_at, next)) = self.carve(DIRECTORY_BYTES) else { return false };
        cell.store(next.base(), Ordering::Release);
        self.write_entry(WindowKind::Directory, block as u64, next_at, DIRECTORY_BYTES)
            && self.write_entry(kind, index, offset, bytes)
    }

    fn write_entry(&self, kind: WindowKind, index: u64, offset: u64, bytes: u64) -> bool {
        let Some(process) = self.process() else { return false };
        let count = process.window_count.get();
        let Some(window) = self.entry(count) else { return false };
        window.index.set(index);
        window.offset.set(offset);
        window.bytes.set(bytes);
        window.kind.publish(kind as u32);
        process.window_count.publish(count + 1);
        true
    }

    /// The directory's entry with this number.
    fn entry(&self, number: u64) -> Option<&'static Window> {
        let (block, place, _) = directory_place(number);
        let base = match block {
            0 => self.root()?.base().wrapping_add(DIRECTORY_AT as usize),
            further => self.directory(further as u64 - 1)?.base(),
        };
        reference(base.wrapping_add(place as usize * size_of::<Window>()))
    }

    /// All entries of the directory, in order.
    pub fn windows(&self) -> impl Iterator<Item = &'static Window> + '_ {
        let count = self.process().map_or(0, |process| process.window_count.acquire());
        (0..count).map_while(|number| self.entry(number))
    }

    /// The further directory with this number, as memory.
    pub fn directory(&self, number: u64) -> Option<Region> {
        let base = self.directories.get(usize::try_from(number).ok()?)?.load(Ordering::Acquire);
        // SAFETY: mapped by `enlist` with this length, never unmapped while it is here.
        (!base.is_null()).then(|| unsafe { Region::new(base, DIRECTORY_BYTES as usize) })
    }
}

/// A window of the launcher's file that was just mapped. `None`: the kernel would give it to fork children, too.
fn kept_from_children(base: *mut u8, bytes: usize) -> Option<Region> {
    // SAFETY: only this process's tables look at the window, and a fork child forgets them first.
    if unsafe { sys::advise(base, bytes, libc::MADV_DONTFORK) } != 0 {
        // SAFETY: nobody has its address.
        unsafe { sys::unmap(base, bytes) };
        return None;
    }
    own::add(base, bytes, Use::Shared);
    // SAFETY: mapped with this length, and never unmapped from here on.
    Some(unsafe { Region::new(base, bytes) })
}

/// Entries of a further directory.
const FURTHER_ENTRIES: u64 = DIRECTORY_BYTES / size_of::<Window>() as u64;
/// Further directories: 131,072 windows, which is 512 GiB of heap in leaves.
const DIRECTORIES_MAX: usize = 64;

/// Which directory holds an entry, at which place, and how many places that directory has.
fn directory_place(number: u64) -> (usize, u64, u64) {
    match number.checked_sub(ROOT_DIRECTORY_ENTRIES) {
        None => (0, number, ROOT_DIRECTORY_ENTRIES),
        Some(rest) => (1 + (rest / FURTHER_ENTRIES) as usize, rest % FURTHER_ENTRIES, FURTHER_ENTRIES),
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

fn reference<T: Record>(base: *mut u8) -> Option<&'static T> {
    // SAFETY: only pointers to mapped windows are kept in a store, at places where a T lies; see `Region::at`.
    (!base.is_null()).then(|| unsafe { &*base.cast::<T>() })
}

#[cfg(test)]
mod tests {
    use crate::Hot;
    use crate::live::{Block, Inserted};
    use crate::store::Source;
    use std::boxed::Box;

    #[test]
    fn a_hook_that_interrupted_another_does_not_wait_for_its_locks() {
        let hot = Box::leak(Box::new(Hot::new()));
        assert!(hot.store.open(Source::Private) && hot.start());
        let block = Block { address: 0x7f00_0000_0010, bytes: 8, site: 1 };
        let interrupted = hot.store.grow.enter();
        assert_eq!(hot.insert(block, false), Inserted::Dropped);
        drop(interrupted);
        assert_eq!(hot.insert(block, false), Inserted::New);
    }
}
