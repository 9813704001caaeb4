//! Allocators that are linked into a program under names that the loader never resolves: with MEMTRACE_BUNDLED the first
//! instructions of their functions become a jump to `entry`.
//!
//! A module is hooked whole or not at all: of a block whose free goes past us a leak would be reported. So everything is
//! planned first; then the code near the module is written and made executable, never both at once; and the last step,
//! the jumps, is a write to /proc/self/mem, for which no page has to become writable.
//! This is done at the start, by the only thread.

pub mod entry;

use core::cell::UnsafeCell;
use core::ffi::CStr;
use memtrace_hot::patch::names::{self, Act, Family};
use memtrace_hot::patch::plan::{JUMP_BYTES, Plan, Refusal, STUB_BYTES, TRAMPOLINE_BYTES, jump, stub};
use memtrace_hot::symbols::{Symbol, each_function};
use memtrace_hot::text::Buffer;
use memtrace_hot::unwind::object::{LinkMap, Object, describe, link_maps};
use memtrace_wire::sys;

use crate::real;

/// One function that comes to `entry`, or is about to.
#[derive(Clone, Copy)]
struct Hooked {
    /// Where it begins, and its length in bytes.
    address: u64,
    bytes: u64,
    plan: Plan,
    /// What stands where the jump is to be.
    before: [u8; JUMP_BYTES],
    /// Where its first instructions are now.
    real: u64,
    act: Act,
    throws: bool,
    name: &'static [u8],
}

impl Hooked {
    const NONE: Hooked = Hooked {
        address: 0,
        bytes: 0,
        plan: Plan { start: 0, end: 0 },
        before: [0; JUMP_BYTES],
        real: 0,
        act: Act::Release(0),
        throws: false,
        name: b"",
    };
}

/// Functions of all modules together: jemalloc has 18, mimalloc 60.
const HOOKED_MAX: usize = 192;

/// The functions, by number.
struct Table(UnsafeCell<[Hooked; HOOKED_MAX]>);

// SAFETY: written by `hook` at the start, by the only thread, and read only from then on: a function comes to `entry` with
// its number when its row is whole.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([Hooked::NONE; HOOKED_MAX]));

/// The function of this number. A stub has no other.
fn hooked(number: u64) -> &'static Hooked {
    // SAFETY: see `Table`.
    let table = unsafe { &*TABLE.0.get() };
    table.get(number as usize).unwrap_or(&Hooked::NONE)
}

/// Why a module is not hooked: a function of it, or nothing, and what is with it.
struct Why(&'static [u8], &'static str);

/// What came of all modules.
#[derive(Default)]
pub struct Outcome {
    /// Functions that are hooked, of any module.
    pub count: usize,
    /// The executable's own are.
    pub has_program: bool,
}

/// What the report says of it: see `ProcessHeader::bundled`.
struct Texts(UnsafeCell<Buffer<4096>>);

// SAFETY: as `Table`.
unsafe impl Sync for Texts {}

static TEXTS: Texts = Texts(UnsafeCell::new(Buffer::new()));

/// The same; a fork child has what its parent had.
pub fn texts() -> &'static [u8] {
    // SAFETY: see `Texts`.
    unsafe { &*TEXTS.0.get() }.as_bytes()
}

/// Hooks what is linked into the executable, and into libraries other than the one that has the real malloc.
pub fn hook(executable: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    // SAFETY: see `Texts`.
    let texts = unsafe { &mut *TEXTS.0.get() };
    let allocator = real::next(c"malloc").map(|(_, map)| core::ptr::from_ref(map));
    for (place, map) in link_maps().enumerate() {
        let is_program = place == 0;
        let path = if is_program { c"/proc/self/exe" } else { map.path() };
        if real::is_own(map) || path.is_empty() || allocator == Some(core::ptr::from_ref(map)) {
            continue;
        }
        let Some(object) = describe(map) else { continue };
        // SAFETY: the only thread is here, and rows from `count` on are nobody's yet.
        let table = unsafe { &mut *TABLE.0.get() };
        let rows = table.get_mut(outcome.count..).unwrap_or_default();
        let Some((family, found)) = find(map, &object, path, is_program, rows) else { continue };
        let hooked = found.and_then(|count| {
            let rows = rows.get_mut(..count).unwrap_or_default();
            patch(map, &object, rows, outcome.count).map(|()| count)
        });
        let shown = if is_program { executable } else { path.to_bytes() };
        let mut count = Buffer::<24>::new();
        let (name, why) = match hooked {
            Ok(hooked) => {
                count.push_number(hooked as u64);
                outcome.count += hooked;
                outcome.has_program |= is_program;
                (&b""[..], "")
            }
            Err(Why(name, why)) => {
                count.push_number(0);
                (name, why)
            }
        };
        let mut reason = Buffer::<256>::new();
        if !name.is_empty() {
            [b"`", name, b"` "].iter().for_each(|text| reason.push(text));
        }
        reason.push(why.as_bytes());
        for text in [shown, family.name().as_bytes(), count.as_bytes(), reason.as_bytes()] {
            texts.push(text);
            texts.push(&[0]);
        }
    }
    outcome
}

/// Fills rows with the functions of a module's allocator; `None`: it has none.
fn find(
    map: &LinkMap,
    object: &Object,
    path: &CStr,
    is_program: bool,
    rows: &mut [Hooked],
) -> Option<(Family, Result<usize, Why>)> {
    // C's names are looked at where they stand before the C library's, if they are jemalloc's.
    let mut is_libc = false;
    each_function(map, object, path, |symbol| is_libc |= is_program && names::is_mark(symbol.name));
    let (mut family, mut count, mut gives, mut takes, mut has_room) = (None, 0, false, false, true);
    each_function(map, object, path, |Symbol { name, address, bytes, is_indirect }| {
        let Some(function) = names::function(name).filter(|_| !is_indirect) else { return };
        let is_wanted = is_libc || function.family != Family::JemallocAsLibc;
        let is_known = rows.iter().take(count).any(|row| row.address == address);
        if !is_wanted || is_known {
            return;
        }
        gives |= !matches!(function.act, Act::Release(_));
        takes |= matches!(function.act, Act::Release(_));
        family = family.or(Some(function.family));
        match rows.get_mut(count) {
            Some(row) => {
                let names::Function { act, throws, name, .. } = function;
                *row = Hooked { address, bytes, act, throws, name, ..Hooked::NONE };
                count += 1;
            }
            None => has_room = false,
        }
    });
    // One function of such a name is somebody's own.
    if !gives || !takes {
        return None;
    }
    Some((family?, if has_room { Ok(count) } else { Err(Why(b"", "it has more functions than are kept")) }))
}

/// Makes the functions of one module come to `entry`, all or none. `first`: the number of the first.
fn patch(map: &LinkMap, object: &Object, rows: &mut [Hooked], first: usize) -> Result<(), Why> {
    const RELOCATED: i64 = 22;
    if !is_alone() {
        return Err(Why(b"", "another thread runs already"));
    }
    if map.dynamic(RELOCATED).is_some() {
        return Err(Why(b"", "the loader changes its code"));
    }
    let code = Code::of(map, object);
    for row in rows.iter_mut() {
        let text = code.bytes(row.address, row.bytes).ok_or(Why(row.name, "is no code of its module"))?;
        row.plan = Plan::of(text, row.address).map_err(|refusal| Why(row.name, refusal.text()))?;
    }
    if let Some(row) = code.entered(rows) {
        return Err(Why(row.name, Refusal::Entered.text()));
    }
    let bytes = (rows.len() * (STUB_BYTES + TRAMPOLINE_BYTES)).next_multiple_of(4096);
    let room = Room::near(object.start, bytes).ok_or(Why(b"", Refusal::Far.text()))?;
    let written = write_code(&code, rows, first, &room).and_then(|()| {
        if room.is_made_executable() { Ok(()) } else { Err(Why(b"", "no memory may be made executable")) }
    });
    let jumped = written.and_then(|()| write_jumps(rows, &room));
    if jumped.is_err() {
        room.give_back();
    }
    jumped
}

/// Whether this is the process's only thread: the links of its folder of threads are two, and one for each.
fn is_alone() -> bool {
    let Ok(fd @ 0..) = i32::try_from(sys::open(c"/proc/self/task", libc::O_RDONLY | libc::O_DIRECTORY, 0)) else {
        return false;
    };
    let status = sys::status(fd);
    sys::close(fd);
    status.is_some_and(|status| status.st_nlink == 3)
}

/// A module's code, where it is loaded.
struct Code<'a> {
    map: &'a LinkMap,
    headers: &'static [libc::Elf64_Phdr],
}

impl Code<'_> {
    fn of<'a>(map: &'a LinkMap, object: &Object) -> Code<'a> {
        Code { map, headers: map.program_headers(map.header_page(object.start)) }
    }

    /// Address and bytes of each segment that can be run and read.
    fn segments(&self) -> impl Iterator<Item = (u64, &'static [u8])> + '_ {
        const RIGHTS: u32 = libc::PF_R | libc::PF_X;
        let is_code = |header: &&libc::Elf64_Phdr| {
            header.p_type == libc::PT_LOAD && header.p_flags & (RIGHTS | libc::PF_W) == RIGHTS
        };
        self.headers.iter().filter(is_code).map(|header| {
            let start = self.map.bias.wrapping_add(header.p_vaddr);
            // SAFETY: the loader has mapped this segment with the right to be read, and this is its only thread.
            (start, unsafe { core::slice::from_raw_parts(start as *const u8, header.p_filesz as usize) })
        })
    }

    fn bytes(&self, address: u64, length: u64) -> Option<&'static [u8]> {
        self.segments().find_map(|(start, bytes)| {
            let from = usize::try_from(address.checked_sub(start)?).ok()?;
            bytes.get(from..from.checked_add(usize::try_from(length).ok()?)?)
        })
    }

    /// A row into whose first instructions any bytes of the module would lead, if they were a jump.
    fn entered<'r>(&self, rows: &'r [Hooked]) -> Option<&'r Hooked> {
        let low = rows.iter().map(|row| row.plan.start).min()?;
        let high = rows.iter().map(|row| row.plan.end).max()?;
        self.segments().find_map(|(start, bytes)| {
            bytes.windows(5).enumerate().find_map(|(place, window)| {
                let (first, distance) = window.split_first()?;
                // jmp and call have one byte before the distance; the second byte of a conditional jump is 0x8*.
                if !matches!(first, 0xe8 | 0xe9 | 0x80..=0x8f) {
                    return None;
                }
                let distance = i32::from_le_bytes(*distance.first_chunk()?);
                let end = start + place as u64 + 5;
                let to = end.wrapping_add_signed(distance.into());
                if to <= low || high <= to {
                    return None;
                }
                rows.iter().find(|row| row.plan.is_entered(end, distance))
            })
        })
    }
}

/// Memory for stubs and trampolines, below the module: what lies above may be where the heap grows to.
struct Room {
    base: *mut u8,
    bytes: usize,
}

impl Room {
    fn near(start: u64, bytes: usize) -> Option<Room> {
        const STEP: u64 = 64 << 10;
        // Far less than a jump can reach, as the module may be large.
        const STEPS_MAX: u64 = (512 << 20) / STEP;
        (1..STEPS_MAX).find_map(|step| {
            let wanted = (start & !(STEP - 1)).checked_sub(step * STEP).filter(|&at| at >= STEP)?;
            let base = sys::map_at(wanted as usize, bytes);
            (!base.is_null()).then_some(Room { base, bytes })
        })
    }

    fn stub_at(&self, place: usize) -> usize {
        place * STUB_BYTES
    }

    fn write(&self, at: usize, text: &[u8]) {
        if at.checked_add(text.len()).is_some_and(|end| end <= self.bytes) {
            // SAFETY: inside the mapping, which is writable until `is_made_executable`, and nobody else's.
            unsafe { core::ptr::copy_nonoverlapping(text.as_ptr(), self.base.add(at), text.len()) };
        }
    }

    fn is_made_executable(&self) -> bool {
        let rights = (libc::PROT_READ | libc::PROT_EXEC) as usize;
        // SAFETY: our own mapping, which nobody writes to any more.
        unsafe { sys::call(libc::SYS_mprotect, self.base as usize, self.bytes, rights, 0) == 0 }
    }

    fn give_back(self) {
        // SAFETY: no jump leads here.
        unsafe { sys::unmap(self.base, self.bytes) };
    }
}

fn write_code(code: &Code<'_>, rows: &mut [Hooked], first: usize, room: &Room) -> Result<(), Why> {
    let stubs = rows.len() * STUB_BYTES;
    for (place, row) in rows.iter_mut().enumerate() {
        let at = stubs + place * TRAMPOLINE_BYTES;
        let mut text = [0xcc; TRAMPOLINE_BYTES];
        let moved = code.bytes(row.plan.start, row.plan.end - row.plan.start).unwrap_or_default();
        row.before = *moved.first_chunk().ok_or(Why(row.name, Refusal::Short.text()))?;
        row.real = room.base as u64 + at as u64;
        row.plan.trampoline(moved, row.real, &mut text).map_err(|refusal| Why(row.name, refusal.text()))?;
        room.write(at, &text);
        room.write(room.stub_at(place), &stub((first + place) as u32, entry::arrive as *const () as u64));
    }
    Ok(())
}

/// Writes the jumps. What stands there is written once more before: if that works everywhere, the jumps can be written,
/// as the pages are the process's own then.
fn write_jumps(rows: &[Hooked], room: &Room) -> Result<(), Why> {
    const REFUSED: Why = Why(b"", "/proc/self/mem cannot be written to");
    let Ok(fd @ 0..) = i32::try_from(sys::open(c"/proc/self/mem", libc::O_RDWR, 0)) else {
        return Err(REFUSED);
    };
    let write = |at: u64, text: &[u8; JUMP_BYTES]| {
        let (from, to) = (text.as_ptr() as usize, at as usize);
        // SAFETY: the bytes are code of the target's that no thread is in: see `Plan`.
        unsafe { sys::call(libc::SYS_pwrite64, fd as usize, from, JUMP_BYTES, to) == JUMP_BYTES as isize }
    };
    let mut is_done = rows.iter().all(|row| write(row.plan.start, &row.before));
    if is_done {
        is_done = rows.iter().enumerate().all(|(place, row)| {
            let stub = room.base as u64 + room.stub_at(place) as u64;
            jump(row.plan.start, stub).is_ok_and(|jump| write(row.plan.start, &jump))
        });
        if !is_done {
            rows.iter().for_each(|row| _ = write(row.plan.start, &row.before));
        }
    }
    sys::close(fd);
    if is_done { Ok(()) } else { Err(REFUSED) }
}
