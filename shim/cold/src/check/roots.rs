//! The roots: every piece of memory that may hold a pointer to a block and is not a block itself.
//!
//! ```text
//!   mappings that can be written (and what is read-only since relocation)
//!     − heaps, and blocks with a mapping of their own
//!     − memtrace's own memory
//!     − stacks below their stack pointers, and stacks of threads that are gone
//!     = pieces, each with a name: a module's data, a stack, a thread's control block, a mapping
//!   + registers, announced memory, chunks of the heap that nobody knows
//! ```

use core::ffi::CStr;
use memtrace_hot::announced::Announced;
use memtrace_hot::maps;
use memtrace_hot::own;
use memtrace_hot::unwind::object::{LinkMap, describe, link_maps};
use memtrace_wire::dead::REGISTERS;
use memtrace_wire::layout::Holder;

use super::heuristics::Code;
use super::mark::Piece;
use super::memory::Memory;
use super::ranges::Ranges;
use super::space::List;
use super::stacks;
use crate::threads::Threads;

/// The mappings of the process, as far as they matter.
pub struct Mappings {
    /// Those that may hold pointers: `number` is `READ_ONLY`, `SHARED`, `ANONYMOUS` or 0.
    pub rows: Ranges,
    /// Code and read-only data of modules: `number` is `EXECUTABLE` or 0.
    pub files: Ranges,
    /// brk(2)'s heap; (0, 0): there is none.
    pub heap: (u64, u64),
    /// The main thread's stack.
    pub stack: (u64, u64),
}

const READ_ONLY: u32 = 1;
/// `Piece::number` of a mapping that others see.
pub const SHARED: u32 = 2;
const ANONYMOUS: u32 = 4;
const EXECUTABLE: u32 = 1;
/// `Piece::number` of libc's data and of the header of a thread's heap: they hold malloc's pointers to chunks, some of
/// which (`last_remainder`) are out of date.
pub const LIBC: u32 = 1;
/// Mappings that a process may have (vm.max_map_count is 65,530 by default).
const MAPPINGS_MAX: usize = 1 << 24;
/// Modules and their segments.
const SEGMENTS_MAX: usize = 1 << 16;
/// Bytes below the stack pointer that a function may use without moving it (System V ABI, 3.2.2).
pub const RED_ZONE: u64 = 128;

impl Mappings {
    /// Those of a list of the process's. `None`: it cannot be read.
    pub fn read(list: &CStr) -> Option<Self> {
        let mut count = 0;
        maps::rows(list, |_| {
            count += 1;
            count < MAPPINGS_MAX
        });
        // These two come on top, and whatever was split by them.
        let mut all =
            Self { rows: Ranges::new(count + 16)?, files: Ranges::new(count + 16)?, heap: (0, 0), stack: (0, 0) };
        let found = maps::rows(list, |row| {
            let is_file = row.name.starts_with(b"/");
            if row.name == b"[heap]" {
                all.heap = (row.start, row.end);
            } else if row.name == b"[stack]" {
                all.stack = (row.start, row.end);
            }
            if is_file && row.is_readable && !row.is_shared {
                all.files.add(row.start, row.end, Holder::Block, if row.is_executable { EXECUTABLE } else { 0 });
            }
            let kept = if !row.is_readable || row.name.starts_with(b"[v") || is_device(row.name) {
                None
            } else if row.is_shared {
                (row.is_writable && is_memory(row.name)).then_some(SHARED)
            } else if row.name.is_empty() {
                // It may have been written before it became read-only.
                Some(ANONYMOUS)
            } else if row.is_writable {
                Some(0)
            } else {
                is_file.then_some(READ_ONLY)
            };
            kept.is_none_or(|kind| all.rows.add(row.start, row.end, Holder::Mapping, kind))
        });
        all.files.settle();
        found.then_some(all)
    }
}

impl Code for Mappings {
    fn is_code(&self, address: u64) -> bool {
        self.files.at(address).is_some_and(|row| row.number == EXECUTABLE)
    }

    fn is_module(&self, address: u64) -> bool {
        self.files.at(address).is_some()
    }
}

/// What a driver maps may not be read.
fn is_device(name: &[u8]) -> bool {
    name.starts_with(b"/dev/") && !is_memory(name)
}

/// Shared memory without a file of its own.
fn is_memory(name: &[u8]) -> bool {
    [&b"/dev/zero"[..], b"/SYSV", b"/memfd:", b"/dev/shm/"].iter().any(|start| name.starts_with(start))
}

/// Everything that is read as a root, and nothing twice.
pub struct Roots {
    /// See there.
    pub pieces: List<Piece>,
    /// Stack pointers that lie in no stack of a thread: its coroutine runs there.
    pub strays: List<[u64; 2]>,
    /// Their bytes.
    pub bytes: u64,
}

/// Where root memory may not be read, and what has a name.
pub struct Plan {
    cut: Ranges,
    named: Ranges,
    strays: List<[u64; 2]>,
}

impl Plan {
    /// Without heaps yet.
    pub fn new(
        memory: &impl Memory,
        mappings: &Mappings,
        threads: &Threads,
        announced: &'static Announced,
        library: u64,
    ) -> Option<Self> {
        let lists = &[&announced.roots, &announced.ignored, &announced.signal_stacks];
        let room = own::pieces(lists).count() + 4 * threads.count() + threads.known_count() + SEGMENTS_MAX;
        let mut plan =
            Self { cut: Ranges::new(room)?, named: Ranges::new(room)?, strays: List::new(threads.count() + 1)? };
        own::pieces(lists).for_each(|piece| _ = plan.cut.add(piece.start, piece.end, Holder::Block, 0));
        plan.modules(library);
        let is_threaded = announced.threaded.get() != 0 || threads.count() > 1 || threads.known_count() > 1;
        plan.stacks(memory, mappings, threads, is_threaded);
        plan.named.settle();
        Some(plan)
    }

    fn modules(&mut self, library: u64) {
        for map in link_maps() {
            let Some(object) = describe(map) else { continue };
            let is_own = (object.start..object.bound).contains(&library);
            segments(map, object.start, |start, end| {
                if is_own {
                    self.cut.add(start, end.next_multiple_of(4096), Holder::Block, 0);
                } else {
                    let number = if is_libc(map.path().to_bytes()) { LIBC } else { 0 };
                    self.named.add(start, end.next_multiple_of(4096), Holder::Global, number);
                }
            });
        }
    }

    fn stacks(&mut self, memory: &impl Memory, mappings: &Mappings, threads: &Threads, is_threaded: bool) {
        // Threads that never allocated are known to the kernel alone, and when they are gone to glibc alone.
        let rows = mappings.rows.iter().filter(|row| row.number == ANONYMOUS);
        if is_threaded {
            stacks::control_blocks(memory, rows, threads, |stack| _ = self.cut.add(stack.0, stack.1, Holder::Block, 0));
        }
        for (place, thread) in threads.iter().enumerate() {
            let is_first = place == 0;
            let own = stacks::of_thread(memory, &thread, mappings.stack);
            let (low, high) = own;
            if low == high {
                // Its stack is where its stack pointer is, as far as that mapping goes; what lies below is read too.
                continue;
            }
            if thread.is_gone {
                self.cut.add(low, high, Holder::Block, 0);
                continue;
            }
            let tls = thread.tls & !0xfff;
            let top = if (low..high).contains(&tls) { tls } else { high };
            if (low..high).contains(&thread.sp) {
                // The thread that checks is inside a call; one that was stopped anywhere may use the red zone.
                let red = if is_first && thread.pc == 0 { 0 } else { RED_ZONE };
                self.cut.add(low, thread.sp - red, Holder::Block, 0);
                self.named.add(thread.sp - red, top, Holder::Stack, thread.tid);
            } else {
                if thread.sp != 0 {
                    self.strays.push([thread.sp, u64::from(thread.tid)]);
                }
                self.named.add(low, top, Holder::Stack, thread.tid);
            }
            self.named.add(top, high, Holder::Tls, thread.tid);
        }
    }

    /// The pieces: everything but the heaps.
    pub fn pieces(mut self, mappings: &Mappings, heaps: &Ranges, room: usize) -> Option<Roots> {
        let cut = Ranges::new(heaps.iter().count() + self.cut.iter().count())?;
        heaps.iter().chain(self.cut.iter()).for_each(|row| _ = cut.add(row.start, row.end, Holder::Block, 0));
        cut.settle();
        self.cut = cut;
        let rows = mappings.rows.iter().count() + self.cut.iter().count() + self.named.iter().count();
        let pieces = List::new(2 * rows + room)?;
        let mut bytes = 0;
        for mapping in mappings.rows.iter() {
            self.cut.parts(mapping.start, mapping.end, |start, end, cut| {
                if cut.is_some() {
                    return;
                }
                self.named.parts(start, end, |start, end, name| {
                    let piece = match name {
                        Some(name) => Piece { start, end, ..name },
                        // Read-only, and no module's: never was written.
                        None if mapping.number == READ_ONLY => return,
                        None => Piece { start, end, holder: Holder::Mapping, number: mapping.number },
                    };
                    bytes += end - start;
                    pieces.push(piece);
                });
            });
        }
        Some(Roots { pieces, strays: self.strays, bytes })
    }
}

impl Roots {
    /// The registers of threads: words of the table of threads itself.
    pub fn registers(&self, threads: &Threads) {
        for (thread, at) in threads.iter().zip(threads.registers()) {
            if thread.has_registers != 0 {
                let end = at + REGISTERS as u64 * 8;
                self.pieces.push(Piece { start: at, end, holder: Holder::Register, number: thread.tid });
            }
        }
    }

    /// One more piece; its number.
    pub fn add(&self, start: u64, end: u64, holder: Holder, number: u32) -> u32 {
        self.pieces.push(Piece { start, end, holder, number });
        self.pieces.count() as u32 - 1
    }
}

/// Whether a module is glibc's libc.so, by the names that it has had.
fn is_libc(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    name == b"libc.so.6" || name.starts_with(b"libc-2.")
}

/// Segments of a module that are written, relocation included.
fn segments(map: &'static LinkMap, start: u64, mut each: impl FnMut(u64, u64)) {
    const WRITE: u32 = 2;
    let headers = map.program_headers(map.header_page(start));
    let low = headers.iter().filter(|header| header.p_type == libc::PT_LOAD).map(|header| header.p_vaddr).min();
    let Some(low) = low else { return };
    let bias = map.header_page(start).wrapping_sub(low & !0xfff);
    for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & WRITE != 0) {
        let from = bias.wrapping_add(header.p_vaddr) & !0xfff;
        each(from, bias.wrapping_add(header.p_vaddr).wrapping_add(header.p_memsz));
    }
}
