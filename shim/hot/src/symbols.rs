//! Where the functions and modules lie that MALLOC_FAIL_* names: ranges of addresses, entered when a module is seen.
//!
//! A module's file is mapped for as long as its symbol table is read, so that a stack is judged by comparing addresses.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::sync::atomic::{AtomicPtr, Ordering};
use memtrace_wire::layout::Module;
use memtrace_wire::loss::Loss;
use memtrace_wire::map::{Record, Region, U32, U64};
use memtrace_wire::scope::{Scope, Since, Until, has_module};
use memtrace_wire::sys;

use crate::Hot;
use crate::function::Function;
use crate::maps::Path;
use crate::unwind::object::{LinkMap, Object};

/// What an address is to a scope.
pub mod part {
    /// In one of `Scope::callers`.
    pub const CALLER: u64 = 1;
    /// In one of `Scope::inside`.
    pub const INSIDE: u64 = 2;
    /// In one of `Scope::modules`.
    pub const MODULE: u64 = 4;
    /// In one of `Scope::not`.
    pub const NOT: u64 = 8;
    /// In the function of `Since::Call`.
    pub const SINCE: u64 = 16;
    /// In the function of `Until::Call`.
    pub const UNTIL: u64 = 32;
    /// In one of the modules for which the program itself has armed a failure.
    pub const ASKED: u64 = 64;
    /// A source site in one of `Scope::files`.
    pub const FILE: u64 = 128;
}

/// Addresses of one function or module.
#[repr(C)]
struct Range {
    start: U64,
    end: U64,
    parts: U64,
}

// SAFETY: repr(C), integers, no padding.
unsafe impl Record for Range {}

/// Functions that a plan may name: `*` in the largest programs. 3 MiB, touched as they come.
const RANGES_MAX: usize = 1 << 17;

/// The ranges, in private memory.
pub struct Symbols {
    table: AtomicPtr<u8>,
    /// Ranges in use; changed by whoever holds the lock of `Loaded`.
    count: U32,
    /// Room for the path of a module, for the same: hooks run on small stacks.
    path: UnsafeCell<Path>,
}

// SAFETY: the path is used by whoever holds the lock of `Loaded` only.
unsafe impl Sync for Symbols {}

impl Symbols {
    /// Without memory.
    pub const fn new() -> Self {
        Self { table: AtomicPtr::new(core::ptr::null_mut()), count: U32::new(0), path: UnsafeCell::new(Path::new()) }
    }

    /// Forgets all, in a fork child.
    pub fn forget(&self) {
        self.count.set(0);
        let table = self.table.swap(core::ptr::null_mut(), Ordering::AcqRel);
        if !table.is_null() {
            // SAFETY: the child has one thread, and it is here.
            unsafe { crate::own::unmap(table, RANGES_MAX * size_of::<Range>()) };
        }
    }

    /// What an address is to the scope: `part` bits.
    pub fn parts_at(&self, address: u64) -> u64 {
        let is_inside = |range: &&Range| range.start.get() <= address && address < range.end.get();
        self.ranges().filter(is_inside).fold(0, |parts, range| parts | range.parts.get())
    }

    fn ranges(&self) -> impl Iterator<Item = &'static Range> + '_ {
        (0..self.count.acquire() as usize).map_while(|place| self.at(place))
    }

    fn at(&self, place: usize) -> Option<&'static Range> {
        let base = self.table.load(Ordering::Acquire);
        if base.is_null() {
            return None;
        }
        // SAFETY: mapped by `add` with this length, unmapped by `forget` only.
        unsafe { Region::new(base, RANGES_MAX * size_of::<Range>()) }.at(place.checked_mul(size_of::<Range>())?)
    }

    fn add(&self, start: u64, end: u64, parts: u64) -> Option<()> {
        if self.table.load(Ordering::Acquire).is_null() {
            let table = crate::map::map(RANGES_MAX * size_of::<Range>())?;
            self.table.store(table.base(), Ordering::Release);
        }
        let count = self.count.get();
        let range = self.at(count as usize)?;
        range.start.set(start);
        range.end.set(end);
        range.parts.set(parts);
        self.count.publish(count + 1);
        Some(())
    }

    /// A module went; the lock of `Loaded` is held.
    pub fn gone(&self, start: u64, end: u64) {
        let inside = self.ranges().filter(|range| (start..end).contains(&range.start.get()));
        inside.for_each(|range| range.end.set(0));
        self.shorten();
    }

    /// The modules that the program asked for are others now; the lock of `Loaded` is held.
    fn forget_asked(&self) {
        self.ranges().filter(|range| range.parts.get() == part::ASKED).for_each(|range| range.end.set(0));
        self.shorten();
    }

    fn shorten(&self) {
        // A plug-in that comes and goes takes the same places each time.
        let is_used = |place: &u32| self.at(*place as usize).is_some_and(|range| range.end.get() != 0);
        let last = (0..self.count.get()).rev().find(is_used);
        self.count.publish(last.map_or(0, |last| last + 1));
    }
}

impl Default for Symbols {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    /// Enters what the scope names of a module that was just seen; the lock of `Loaded` is held.
    #[inline(never)]
    pub fn enter_symbols(&self, map: &LinkMap, object: &Object, module: &Module) {
        let scope = &self.fault.plan().scope;
        let asked = &self.fault.choice.asked;
        if !scope.has_names() && !asked.has_modules() {
            return;
        }
        let path = self.path_of(module);
        let mut has_room = true;
        if asked.names_module(path.as_bytes()) {
            has_room &= self.symbols.add(object.start, object.end, part::ASKED).is_some();
        }
        if has_module(scope.modules, path.as_bytes()) {
            has_room &= self.symbols.add(object.start, object.end, part::MODULE).is_some();
        }
        let has_functions = *scope != (Scope { modules: scope.modules, ..Scope::ALL });
        let is_read = !has_functions
            || path.as_c_str().is_some_and(|path| {
                each_function(map, object, path, |Symbol { name, address, bytes, .. }| {
                    let parts = parts_of(scope, name);
                    if parts != 0 {
                        has_room &= self.symbols.add(address, address.wrapping_add(bytes), parts).is_some();
                    }
                })
            });
        if !is_read || !has_room {
            self.store.lose(Loss::SymbolsUnread);
        }
    }
}

impl Hot {
    /// Enters the modules that the program has just armed a failure for; those that are met later come by
    /// `enter_symbols`. The lock of `Loaded` is held.
    pub(crate) fn enter_asked(&self) {
        let asked = &self.fault.choice.asked;
        self.symbols.forget_asked();
        let count = self.store.process().map_or(0, |process| process.module_count.get());
        for module in (0..count).filter_map(|number| self.modules.get(number)) {
            let is_loaded = module.node_end.acquire() == 0;
            if is_loaded
                && asked.names_module(self.path_of(module).as_bytes())
                && self.symbols.add(module.start.get(), module.end.get(), part::ASKED).is_none()
            {
                self.store.lose(Loss::SymbolsUnread);
            }
        }
    }

    /// A module's path, in the room for it; the lock of `Loaded` is held.
    #[expect(clippy::mut_from_ref, reason = "the room is one's own while the lock is held")]
    fn path_of(&self, module: &Module) -> &mut Path {
        // SAFETY: the lock of `Loaded` is held, so nobody else uses it.
        let path = unsafe { &mut *self.symbols.path.get() };
        path.clear();
        self.text_bytes(&module.path).for_each(|byte| path.push(&[byte]));
        path
    }
}

/// What a function of this name is to the scope.
pub(crate) fn parts_of(scope: &Scope<'_>, name: &[u8]) -> u64 {
    let function = Function::of(name);
    let since = if let Since::Call(name) = scope.since { name } else { b"" };
    let until = if let Until::Call(name) = scope.until { name } else { b"" };
    let lists = [
        (part::CALLER, scope.callers),
        (part::INSIDE, scope.inside),
        (part::NOT, scope.not),
        (part::SINCE, since),
        (part::UNTIL, until),
    ];
    lists.iter().filter(|(_, list)| function.is_named(list)).fold(0, |parts, (part, _)| parts | part)
}

/// A function in a module's symbol table.
#[derive(Clone, Copy)]
pub struct Symbol<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Where it is.
    pub address: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// It tells the loader the address of the function that is meant.
    pub is_indirect: bool,
}

/// Gives each function in a module's symbol table to `each`. False: its file cannot be read, or is not what was loaded.
pub fn each_function(map: &LinkMap, object: &Object, path: &CStr, mut each: impl FnMut(Symbol<'_>)) -> bool {
    with_file(path, |file| {
        // Another file may have taken the place of the one that was loaded.
        // SAFETY: the module's first page begins with its header, and stays as long as it is loaded.
        let loaded = unsafe { *(map.header_page(object.start) as *const [u8; HEADER_BYTES]) };
        file.get(..HEADER_BYTES) == Some(&loaded)
            && functions(file, |symbol| {
                each(Symbol { address: symbol.address.wrapping_add(map.bias), ..symbol });
            })
            .is_some()
    })
}

/// Has somebody look at a file. False: it cannot be read, or is not what was looked for.
fn with_file(path: &CStr, look: impl FnOnce(&[u8]) -> bool) -> bool {
    if sys::is_sealed() {
        return false;
    }
    let Ok(fd @ 0..) = i32::try_from(sys::open(path, libc::O_RDONLY, 0)) else { return false };
    let bytes = sys::length(fd).unwrap_or(0);
    let base = if bytes == 0 { core::ptr::null_mut() } else { sys::map_file(fd, bytes) };
    sys::close(fd);
    if base.is_null() {
        return false;
    }
    // SAFETY: mapped in the line above with this length. Programs are not cut short while they run.
    let found = look(unsafe { core::slice::from_raw_parts(base, bytes) });
    // SAFETY: nobody looks at it any more.
    unsafe { sys::unmap(base, bytes) };
    found
}

/// Bytes of an ELF file's header.
const HEADER_BYTES: usize = 64;
/// Bytes of a section header, and of a symbol.
const SECTION_BYTES: usize = 64;
/// As above.
const SYMBOL_BYTES: usize = 24;

/// Gives each function of an ELF file to `each`, with the file's addresses. `None`: it has no symbols.
fn functions(file: &[u8], mut each: impl FnMut(Symbol<'_>)) -> Option<()> {
    const SYMBOLS: u32 = 2;
    const DYNAMIC_SYMBOLS: u32 = 11;
    const FUNCTION: u8 = 2;
    const INDIRECT: u8 = 10;
    let table = usize::try_from(long(file, 0x28)?).ok()?;
    let header = |number: usize| file.get(table.checked_add(number.checked_mul(SECTION_BYTES)?)?..);
    let count = match usize::from(half(file, 0x3c)?) {
        0 => usize::try_from(long(header(0)?, 0x20)?).ok()?,
        count => count,
    };
    let content = |header: &[u8]| {
        let at = usize::try_from(long(header, 0x18)?).ok()?;
        file.get(at..at.checked_add(usize::try_from(long(header, 0x20)?).ok()?)?)
    };
    let find = |kind: u32| (0..count).map_while(header).find(|header| word(header, 4) == Some(kind));
    let section = find(SYMBOLS).or_else(|| find(DYNAMIC_SYMBOLS))?;
    let names = content(header(word(section, 0x28)? as usize)?)?;
    for symbol in content(section)?.chunks_exact(SYMBOL_BYTES) {
        let (address, bytes) = (long(symbol, 8)?, long(symbol, 16)?);
        let kind = symbol.get(4)? & 15;
        if matches!(kind, FUNCTION | INDIRECT) && half(symbol, 6)? != 0 && bytes != 0 {
            let rest = names.get(word(symbol, 0)? as usize..)?;
            let name = rest.split(|&byte| byte == 0).next()?;
            each(Symbol { name, address, bytes, is_indirect: kind == INDIRECT });
        }
    }
    Some(())
}

fn half(text: &[u8], at: usize) -> Option<u16> {
    text.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn word(text: &[u8], at: usize) -> Option<u32> {
    text.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn long(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[unsafe(no_mangle)]
    extern "C" fn memtrace_found_by_its_name() -> u64 {
        std::hint::black_box(7)
    }

    #[test]
    fn functions_lie_where_their_files_symbols_say() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let mut found = std::vec::Vec::new();
        functions(&file, |symbol| {
            if symbol.name == b"memtrace_found_by_its_name" {
                found.push((symbol.address, symbol.bytes));
            }
        })
        .unwrap();
        let [(start, bytes)] = found[..] else { panic!("{found:?}") };
        let map = crate::unwind::object::link_maps().next().unwrap();
        assert_eq!(start + map.bias, memtrace_found_by_its_name as *const () as u64);
        assert!(bytes > 0 && memtrace_found_by_its_name() == 7);
    }

    #[test]
    fn no_broken_file_is_believed() {
        let file = std::fs::read("/proc/self/exe").unwrap();
        let sections = long(&file, 0x28).unwrap() as usize;
        for end in (0..200).chain(sections..sections + 300) {
            let _ = functions(&file[..end.min(file.len())], |_| {});
        }
        let mut broken = file[..4096].to_vec();
        for place in 0..64 {
            for value in [0, 0x7f, 0xff] {
                let kept = std::mem::replace(&mut broken[place], value);
                let _ = functions(&broken, |_| {});
                broken[place] = kept;
            }
        }
    }
}
