//! Modules by generation: what was loaded where, and until when.
//!
//! A module is noticed when code of it is first met on a stack. It is gone when the loader frees its link map,
//! which is a block of the target's heap like any other, so no dlclose is missed, libc's own included. From then
//! on no stack finds the nodes that lie in it, and every thread's kept stack is out of date.

use core::sync::atomic::Ordering;
use memtrace_wire::layout::{frame, module_flags};
use memtrace_wire::loss::Loss;
use memtrace_wire::map::{Record, U64};
use memtrace_wire::point::{frame_key, module_key};
use memtrace_wire::sys;

use crate::Hot;
use crate::lock::Lock;
use crate::maps::{Path, path_at};
use crate::text::Buffer;
use crate::unwind::object::{LinkMap, Object};

/// Loaded modules that are known: `link_map` of each, by its number in the recording.
pub struct Loaded {
    first: core::sync::atomic::AtomicPtr<u8>,
    pub(crate) lock: Lock,
    /// Address inside our own library; set by the door.
    pub own: U64,
}

/// Modules that a process may meet, gone ones included.
const MODULES_MAX: usize = 16_384;

/// A known module, private.
#[repr(C)]
struct Known {
    link_map: U64,
    start: U64,
    end: U64,
    eh_frame_hdr: U64,
    bias: U64,
    /// Its part in the names of points; 0: its frames have none.
    key: U64,
}

// SAFETY: repr(C), integers, no padding.
unsafe impl Record for Known {}

impl Loaded {
    /// None.
    pub const fn new() -> Self {
        Self { first: core::sync::atomic::AtomicPtr::new(core::ptr::null_mut()), lock: Lock::new(), own: U64::new(0) }
    }

    /// Forgets all, in a fork child.
    pub fn forget(&self) {
        self.lock.reset();
        let table = self.first.swap(core::ptr::null_mut(), Ordering::AcqRel);
        if !table.is_null() {
            // SAFETY: the child has one thread, and it is here.
            unsafe { crate::own::unmap(table, MODULES_MAX * size_of::<Known>()) };
        }
    }

    fn get(&self, number: u64) -> Option<&'static Known> {
        let base = self.first.load(Ordering::Acquire);
        if base.is_null() {
            return None;
        }
        // SAFETY: mapped by `notice` with this length, unmapped by `forget` only.
        unsafe { memtrace_wire::map::Region::new(base, MODULES_MAX * size_of::<Known>()) }
            .at(usize::try_from(number).ok()?.checked_mul(size_of::<Known>())?)
    }
}

impl Default for Loaded {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    /// Enters a module that code on a stack belongs to, unless it is known.
    #[cold]
    #[inline(never)]
    pub fn notice(&self, object: &Object) {
        let Some(process) = self.store.process() else { return };
        if self.is_known(object, process.module_count.acquire()) {
            return;
        }
        let _guard = self.loaded.lock.enter();
        let count = process.module_count.get();
        if self.is_known(object, count) {
            return;
        }
        if self.loaded.first.load(Ordering::Acquire).is_null() {
            let Some(table) = crate::map::map(MODULES_MAX * size_of::<Known>()) else {
                return self.store.lose(Loss::ModuleDropped);
            };
            self.loaded.first.store(table.base(), Ordering::Release);
        }
        // A module in its place is gone, though its link map's free was not seen.
        for number in 0..count {
            let overlaps = self.loaded.get(number).is_some_and(|known| {
                known.link_map.get() != 0 && known.start.get() < object.end && object.start < known.end.get()
            });
            if overlaps {
                self.gone(number);
            }
        }
        let (Some(known), Some(module)) = (self.loaded.get(count), self.modules.make(&self.store, count)) else {
            return self.store.lose(Loss::ModuleDropped);
        };
        known.link_map.set(object.link_map);
        known.start.set(object.start);
        known.end.set(object.end);
        known.eh_frame_hdr.set(object.eh_frame_hdr);
        module.start.set(object.start);
        module.end.set(object.end);
        module.node_first.set(process.node_count.get());
        if let Some(map) = LinkMap::at(object.link_map) {
            module.bias.set(map.bias);
            known.bias.set(map.bias);
            self.describe(map, object, module);
            known.key.set(self.key_of(module));
            self.enter_symbols(map, object, module);
            self.python.look_into(map, object);
        }
        process.module_count.publish(count + 1);
    }

    fn is_known(&self, object: &Object, count: u64) -> bool {
        (0..count).any(|number| {
            self.loaded.get(number).is_some_and(|known| {
                known.link_map.get() == object.link_map
                    && known.start.get() == object.start
                    && known.end.get() == object.end
                    && known.eh_frame_hdr.get() == object.eh_frame_hdr
            })
        })
    }

    fn describe(&self, map: &'static LinkMap, object: &Object, module: &memtrace_wire::layout::Module) {
        let path = map.path().to_bytes();
        let flags = if self.objects.is_loader(object.start) {
            module_flags::LOADER
        } else if path.is_empty() && core::ptr::eq(map, crate::unwind::object::link_maps().next().unwrap_or(map)) {
            module_flags::EXE
        } else if (object.start..object.end).contains(&self.loaded.own.get()) {
            module_flags::SHIM
        } else if path.starts_with(b"linux-vdso") || path.starts_with(b"linux-gate") {
            module_flags::VDSO
        } else {
            0
        };
        module.flags.set(flags);
        if let (module_flags::EXE, Some(process)) = (flags, self.store.process()) {
            // Kept at the start: after a chroot or behind a filter it cannot be asked for.
            module.path.at.set(process.exe.at.get());
            module.path.bytes.set(process.exe.bytes.get());
        } else {
            let mut text = Path::new();
            let relative = flags != module_flags::VDSO && !path.starts_with(b"/");
            if !relative || !path_at(object.start, &mut text) {
                text.push(path);
            }
            self.keep_text(text.as_bytes(), &module.path);
        }
        for header in
            map.program_headers(map.header_page(object.start)).iter().filter(|header| header.p_type == libc::PT_NOTE)
        {
            let at = map.bias.wrapping_add(header.p_vaddr);
            if at >= map.header_page(object.start) && at.saturating_add(header.p_memsz) <= object.bound {
                build_id(at, header.p_memsz, module);
            }
        }
    }

    /// A module's part in the names of points. The vdso is the kernel's, and memtrace's own frames are no part of a
    /// stack's identity.
    #[inline(never)]
    fn key_of(&self, module: &memtrace_wire::layout::Module) -> u64 {
        if module.flags.get() & (module_flags::VDSO | module_flags::SHIM) != 0 {
            return 0;
        }
        let mut id = [0u8; 32];
        for (to, word) in id.chunks_exact_mut(8).zip(&module.build_id) {
            to.copy_from_slice(&word.get().to_le_bytes());
        }
        match id.get(..module.build_id_bytes.get() as usize) {
            Some(id) if !id.is_empty() => module_key(id, b""),
            _ => {
                // The last part of the path alone: hooks run on small stacks.
                let mut name = Buffer::<256>::new();
                for byte in self.text_bytes(&module.path) {
                    match byte {
                        b'/' => name.clear(),
                        _ => name.push(&[byte]),
                    }
                }
                module_key(b"", name.as_bytes())
            }
        }
    }

    /// A frame's part in the names of points.
    pub fn frame_key(&self, word: u64) -> u64 {
        if matches!(frame::kind(word), frame::SOURCE | frame::TAG) {
            return frame_key(self.source_key(word), 0);
        }
        if frame::kind(word) != frame::NATIVE {
            return frame_key(word & !frame::RETIRED, 0);
        }
        let address = frame::address(word);
        // A return address may be one past its module.
        let inside = if word & frame::EXACT != 0 { address } else { address.wrapping_sub(1) };
        let count = self.store.process().map_or(0, |process| process.module_count.acquire());
        let holds = |known: &&Known| {
            known.link_map.get() != 0 && (known.start.get()..known.end.get()).contains(&inside) && known.key.get() != 0
        };
        match (0..count).map_while(|number| self.loaded.get(number)).find(holds) {
            Some(known) => frame_key(known.key.get(), address.wrapping_sub(known.bias.get())),
            None => frame_key(0, 0),
        }
    }

    /// A block of the loader's was freed: if it was a link map, its module is gone.
    #[cold]
    #[inline(never)]
    pub fn loader_freed(&self, address: u64) {
        let count = self.store.process().map_or(0, |process| process.module_count.acquire());
        for number in 0..count {
            if self.loaded.get(number).is_some_and(|known| known.link_map.get() == address) {
                let _guard = self.loaded.lock.enter();
                self.gone(number);
            }
        }
    }

    /// Looks at every known module again: a dlclose has returned, or code was generated.
    #[cold]
    pub fn look_again(&self) {
        let count = self.store.process().map_or(0, |process| process.module_count.acquire());
        for number in 0..count {
            let Some(known) = self.loaded.get(number) else { return };
            if known.link_map.get() == 0 {
                continue;
            }
            let now = self.objects.find(known.start.get());
            if now.is_none_or(|now| now.link_map != known.link_map.get() || now.end != known.end.get()) {
                let _guard = self.loaded.lock.enter();
                self.gone(number);
            }
        }
    }

    fn gone(&self, number: u64) {
        let (Some(known), Some(module), Some(process)) =
            (self.loaded.get(number), self.modules.get(number), self.store.process())
        else {
            return;
        };
        if known.link_map.swap(0) == 0 {
            return;
        }
        self.retire(module.node_first.get(), module.start.get(), module.end.get());
        module.node_end.publish(process.node_count.get());
        self.symbols.gone(module.start.get(), module.end.get());
        self.rules.clear();
        self.operator.forget();
        self.python.gone(module.start.get(), module.end.get());
        self.generation.raise();
    }
}

/// The executable's path, as the kernel has it.
pub fn executable<const N: usize>(text: &mut Buffer<N>) {
    let mut target = [0u8; 2048];
    let length = sys::read_link(c"/proc/thread-self/exe", &mut target);
    if let Some(target) = usize::try_from(length).ok().and_then(|length| target.get(..length)) {
        text.push(target);
    }
}

/// Reads NT_GNU_BUILD_ID (3) of owner GNU from a note segment.
fn build_id(at: u64, bytes: u64, module: &memtrace_wire::layout::Module) {
    let mut place = at;
    let end = at + bytes;
    while place + 16 <= end {
        // SAFETY: inside a note segment, which is loaded with its module.
        let [name_bytes, data_bytes, kind] = unsafe { (place as *const [u32; 3]).read_unaligned() };
        let data = place + 12 + u64::from(name_bytes).next_multiple_of(4);
        let next = data + u64::from(data_bytes).next_multiple_of(4);
        if next > end {
            return;
        }
        // SAFETY: as above; the name is at least four bytes long.
        if kind == 3 && name_bytes == 4 && unsafe { (place as *const [u8; 16]).read_unaligned() }.ends_with(b"GNU\0") {
            let kept = data_bytes.min(32);
            for (index, word) in module.build_id.iter().enumerate() {
                let mut text = [0u8; 8];
                for (step, byte) in text.iter_mut().enumerate() {
                    let offset = index * 8 + step;
                    if offset < kept as usize {
                        // SAFETY: inside the note's data.
                        *byte = unsafe { ((data + offset as u64) as *const u8).read() };
                    }
                }
                word.set(u64::from_le_bytes(text));
            }
            module.build_id_bytes.set(kept);
            return;
        }
        place = next;
    }
}
