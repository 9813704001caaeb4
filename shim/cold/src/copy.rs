//! Copies a private recording into a file, each window at its own offset.

use memtrace_hot::Hot;
use memtrace_wire::layout::{
    Edge, FILE_HEADER_BYTES, FileHeader, Held, Lost, MAGIC, Node, ROOT_BYTES, Site, Step, VERSION, Window, WindowKind,
};
use memtrace_wire::map::{Region, U64, bytes_of};
use memtrace_wire::sys;

use crate::file;

/// An empty memory file; `None`: refused.
pub fn memory_file() -> Option<i32> {
    // SAFETY: the name ends in a NUL.
    let fd =
        unsafe { sys::call(libc::SYS_memfd_create, c"memtrace".as_ptr() as usize, libc::MFD_CLOEXEC as usize, 0, 0) };
    i32::try_from(fd).ok().filter(|&fd| fd >= 0)
}

/// Writes header, root and all windows but the live leaves, whose sums stand in the sites.
pub fn to_file(hot: &Hot, fd: i32) -> bool {
    let (Some(header), Some(root)) = (hot.store.header(), hot.store.root()) else { return false };
    let own = FileHeader {
        magic: U64::new(MAGIC),
        version: memtrace_wire::map::U32::new(VERSION),
        launcher_pid: memtrace_wire::map::U32::new(0),
        cookie: U64::new(0),
        next_offset: U64::new(header.next_offset.get()),
        capacity_bytes: U64::new(header.capacity_bytes.get()),
        first_process: U64::new(hot.store.root_at()),
        process_count: memtrace_wire::map::U32::new(1),
        ..file::zeroed()
    };
    let sized = {
        // SAFETY: a descriptor of ours.
        let result = unsafe { sys::call(libc::SYS_ftruncate, fd as usize, header.next_offset.get() as usize, 0, 0) };
        result == 0
    };
    sized
        && file::write_at(fd, bytes_of(&own), 0)
        && FILE_HEADER_BYTES <= hot.store.root_at()
        && write_region(fd, root, ROOT_BYTES, hot.store.root_at())
        && windows(hot).all(|(region, window, used)| write_region(fd, region, used, window.offset.get()))
}

fn write_region(fd: i32, region: Region, used: u64, offset: u64) -> bool {
    let length = used.min(region.bytes() as u64) as usize;
    // SAFETY: a region's bytes are mapped for ever; the last thread may still add to them, which tears no cell.
    let bytes = unsafe { core::slice::from_raw_parts(region.base(), length) };
    file::write_at(fd, bytes, offset)
}

/// Windows with the bytes of each that are in use.
fn windows(hot: &Hot) -> impl Iterator<Item = (Region, &'static Window, u64)> + '_ {
    let process = hot.store.process();
    hot.store.windows().filter_map(move |window| {
        let process = process?;
        let index = window.index.get();
        let table = |count: u64, size: usize| count.saturating_sub(index).saturating_mul(size as u64);
        let (region, used) = match WindowKind::from_number(window.kind.get())? {
            WindowKind::Nodes => (hot.nodes.region(index)?, table(process.node_count.get(), size_of::<Node>())),
            WindowKind::Sites => (hot.sites.region(index)?, table(process.site_count.get(), size_of::<Site>())),
            WindowKind::Modules => (hot.modules.region(index)?, u64::MAX),
            WindowKind::Text => (hot.text.region(index)?, u64::MAX),
            WindowKind::Threads => (hot.threads.region(index)?, table(process.thread_count.get(), 256)),
            WindowKind::Faults => (hot.faults.region(index)?, u64::MAX),
            WindowKind::Markers => (hot.markers.region(index)?, u64::MAX),
            WindowKind::Points => (hot.points.region(index)?, u64::MAX),
            WindowKind::Directory => (hot.store.directory(index)?, u64::MAX),
            WindowKind::Checks => (hot.checks.rows.region(index)?, u64::MAX),
            WindowKind::Lost => (hot.checks.lost.region(index)?, table(process.lost_count.get(), size_of::<Lost>())),
            WindowKind::Edges => (hot.checks.edges.region(index)?, table(process.edge_count.get(), size_of::<Edge>())),
            WindowKind::Held => (hot.checks.held.region(index)?, table(process.held_count.get(), size_of::<Held>())),
            WindowKind::Steps => (hot.checks.steps.region(index)?, table(process.step_count.get(), size_of::<Step>())),
            WindowKind::HeapErrors => (hot.errors.region(index)?, u64::MAX),
            WindowKind::Live16 | WindowKind::Live32 | WindowKind::Sides | WindowKind::Frees => return None,
        };
        Some((region, window, used))
    })
}
