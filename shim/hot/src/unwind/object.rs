//! Which module an address belongs to, and where its unwind data is.
//!
//! `_dl_find_object` (glibc 2.35) answers without a lock. Before it, the loader's list of link maps is walked:
//! also without a lock, because the code that asks is running in a module that is loaded.

use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicUsize, Ordering};
use memtrace_wire::map::U64;

/// A loaded module, as far as unwinding needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object {
    /// First address.
    pub start: u64,
    /// Last address + 1 of its code.
    pub end: u64,
    /// Last address + 1 of everything it has loaded; glibc gives less as `end` where there is a gap.
    pub bound: u64,
    /// Address of the loader's link map: the module's identity while it is loaded.
    pub link_map: u64,
    /// Address of `.eh_frame_hdr`; 0: none.
    pub eh_frame_hdr: u64,
}

/// glibc's `struct link_map`, its public part (link.h).
#[repr(C)]
pub struct LinkMap {
    /// What is added to the file's addresses.
    pub bias: u64,
    /// Path as it was opened; empty for the executable.
    pub name: *const c_char,
    /// The dynamic section.
    pub dynamic: *const Dynamic,
    /// The next module.
    pub next: *const LinkMap,
    previous: *const LinkMap,
}

/// An entry of a dynamic section (elf.h).
#[repr(C)]
pub struct Dynamic {
    /// DT_*.
    pub tag: i64,
    /// Value or address.
    pub value: u64,
}

/// glibc's `struct r_debug` (link.h).
#[repr(C)]
struct Debug {
    version: i32,
    first: *const LinkMap,
}

/// glibc's `struct dl_find_object` (dlfcn.h).
#[repr(C)]
struct Found {
    flags: u64,
    start: u64,
    end: u64,
    link_map: u64,
    eh_frame: u64,
    reserved: [u64; 7],
}

type FindObject = unsafe extern "C" fn(*const u8, *mut Found) -> i32;

unsafe extern "C" {
    /// The loader's list of modules, for debuggers; in ld.so since glibc 2.2.5.
    static _r_debug: Debug;
}

/// Modules that are walked at the most: a bound for a list that changes under us.
const MODULES_MAX: usize = 65_536;

/// The loader, as we see it.
pub struct Objects {
    find: AtomicUsize,
    loader_start: U64,
    loader_bytes: U64,
}

impl Objects {
    /// Nothing known.
    pub const fn new() -> Self {
        Self { find: AtomicUsize::new(0), loader_start: U64::new(0), loader_bytes: U64::new(0) }
    }

    /// Looks up what the other functions need; `find` is the address of `_dl_find_object`, 0 if there is none.
    pub fn start(&self, find: usize) {
        self.find.store(find, Ordering::Relaxed);
        // The list of modules is data of the loader's own.
        if let Some(loader) = self.find(&raw const _r_debug as u64) {
            self.loader_start.set(loader.start);
            self.loader_bytes.set(loader.end - loader.start);
        }
    }

    /// Whether an address is in the dynamic loader.
    #[inline(always)]
    pub fn is_loader(&self, address: u64) -> bool {
        address.wrapping_sub(self.loader_start.get()) < self.loader_bytes.get()
    }

    /// The module that holds an address.
    pub fn find(&self, address: u64) -> Option<Object> {
        let find = self.find.load(Ordering::Relaxed);
        if find == 0 {
            return walk(address);
        }
        // SAFETY: `start` was given the address of glibc's function of this type.
        let find: FindObject = unsafe { core::mem::transmute::<usize, FindObject>(find) };
        let mut found = Found { flags: 0, start: 0, end: 0, link_map: 0, eh_frame: 0, reserved: [0; 7] };
        // SAFETY: any address may be asked for; glibc writes one `dl_find_object`.
        if unsafe { find(address as *const u8, &raw mut found) } != 0 {
            return None;
        }
        let Found { start, end, link_map, eh_frame, .. } = found;
        // With a gap, `start` is where the code begins, not the file.
        let bound = LinkMap::at(link_map)
            .and_then(|map| extent(map, map.header_page(start)))
            .map_or(end, |(_, bound)| bound.max(end));
        Some(Object { start, end, bound, link_map, eh_frame_hdr: eh_frame })
    }
}

impl Default for Objects {
    fn default() -> Self {
        Self::new()
    }
}

/// All link maps, in the order of symbol search for what was there at the start.
pub fn link_maps() -> impl Iterator<Item = &'static LinkMap> {
    // SAFETY: the loader's own variable, set before the first instruction of any library runs.
    let mut next = unsafe { _r_debug.first };
    core::iter::from_fn(move || {
        // SAFETY: the loader links only whole entries into the list.
        let map = unsafe { next.as_ref()? };
        next = map.next;
        Some(map)
    })
    .take(MODULES_MAX)
}

impl LinkMap {
    /// The link map at an address that the loader gave us.
    pub fn at(address: u64) -> Option<&'static LinkMap> {
        // SAFETY: `address` is 0 or came from `_dl_find_object` or the list, and its module is loaded.
        unsafe { (address as *const LinkMap).as_ref() }
    }

    /// Its path.
    pub fn path(&self) -> &CStr {
        if self.name.is_null() {
            return c"";
        }
        // SAFETY: the loader keeps a C string here.
        unsafe { CStr::from_ptr(self.name) }
    }

    /// The value of a dynamic tag, as it stands: glibc has made addresses absolute, but for the vdso's.
    pub fn dynamic(&self, tag: i64) -> Option<u64> {
        let mut entry = self.dynamic;
        for _ in 0..512 {
            // SAFETY: a dynamic section ends with DT_NULL, and the loader has read this one.
            let Dynamic { tag: found, value } = unsafe { entry.as_ref()? };
            match *found {
                0 => return None,
                _ if *found == tag => return Some(*value),
                _ => entry = entry.wrapping_add(1),
            }
        }
        None
    }

    /// Where the module's ELF header is; `start` is the lowest address that the loader gives for it.
    pub fn header_page(&self, start: u64) -> u64 {
        if self.bias != 0 {
            return self.bias;
        }
        // SAFETY: the loader has mapped a page there.
        if unsafe { (start as *const [u8; 4]).read() } == *b"\x7fELF" {
            return start;
        }
        // An executable with gaps between its segments, of which the loader gives one: its program headers follow the ELF
        // header (getauxval(3)).
        // SAFETY: it reads what the kernel has put above the first stack frame.
        unsafe { libc::getauxval(libc::AT_PHDR) & !0xfff }
    }

    /// The module's program headers, found through the ELF header at its first page.
    pub fn program_headers(&self, start: u64) -> &'static [libc::Elf64_Phdr] {
        // SAFETY: a module's first page is mapped as long as it is loaded.
        let header = unsafe { &*(start as *const libc::Elf64_Ehdr) };
        if header.e_ident.first_chunk() != Some(b"\x7fELF") || header.e_phoff > 4096 - 56 * 4 {
            return &[];
        }
        let count = usize::from(header.e_phnum).min((4096 - header.e_phoff as usize) / size_of::<libc::Elf64_Phdr>());
        // SAFETY: inside the first page.
        unsafe { core::slice::from_raw_parts((start + header.e_phoff) as *const libc::Elf64_Phdr, count) }
    }
}

fn walk(address: u64) -> Option<Object> {
    link_maps().find_map(|map| {
        let object = describe(map)?;
        (object.start..object.end).contains(&address).then_some(object)
    })
}

/// The extent of a module by its program headers. The first page of a module is where its dynamic section says
/// its first segment is; for executables without a bias it is the page of the lowest segment.
pub fn describe(map: &'static LinkMap) -> Option<Object> {
    let start = first_page(map)?;
    let headers = map.program_headers(start);
    let (bias, end) = extent(map, start)?;
    let eh = headers.iter().find(|header| header.p_type == libc::PT_GNU_EH_FRAME);
    let eh_frame_hdr = eh.map_or(0, |header| bias.wrapping_add(header.p_vaddr));
    Some(Object { start, end, bound: end, link_map: core::ptr::from_ref(map) as u64, eh_frame_hdr })
}

/// What is added to the file's addresses, and the end of the last loaded segment.
fn extent(map: &'static LinkMap, start: u64) -> Option<(u64, u64)> {
    let loads = || map.program_headers(start).iter().filter(|header| header.p_type == libc::PT_LOAD);
    let low = loads().map(|header| header.p_vaddr).min()?;
    let bias = start.wrapping_sub(low & !0xfff);
    let end = loads().map(|header| bias.wrapping_add(header.p_vaddr).wrapping_add(header.p_memsz)).max()?;
    Some((bias, end))
}

fn first_page(map: &LinkMap) -> Option<u64> {
    if map.bias != 0 {
        return Some(map.bias);
    }
    // An executable that is not position-independent: its lowest segment is below its dynamic section, on a
    // page that begins with the ELF header.
    let mut page = map.dynamic as u64 & !0xfff;
    for _ in 0..65_536 {
        if !memtrace_wire::sys::is_readable(page as usize) {
            return None;
        }
        // SAFETY: shown to be readable.
        if unsafe { (page as *const [u8; 4]).read() } == *b"\x7fELF" {
            return Some(page);
        }
        page = page.checked_sub(4096)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_finds_what_the_loader_finds() {
        unsafe extern "C" {
            fn _dl_find_object(pc: *const u8, found: *mut Found) -> i32;
        }
        let objects = Objects::new();
        objects.start(_dl_find_object as *const () as usize);
        for address in [libc::malloc as *const () as u64, the_walk_finds_what_the_loader_finds as *const () as u64] {
            let (ours, theirs) = (walk(address).unwrap(), objects.find(address).unwrap());
            assert_eq!(
                (ours.start, ours.link_map, ours.eh_frame_hdr),
                (theirs.start, theirs.link_map, theirs.eh_frame_hdr)
            );
        }
        assert!(objects.find(0x10).is_none() && walk(0x10).is_none());
        assert!(objects.is_loader(&raw const _r_debug as u64));
    }
}
