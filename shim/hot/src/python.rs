//! Python functions on the stacks of allocations, where CPython 3.11 to 3.14 is in the process.
//!
//! ```text
//!   native stack ─▶ node ──┐
//!                          ├─▶ node of both ─▶ site
//!   Python frames ─▶ node ─┘   (`frame::WITH_PYTHON`, its address bits are the Python stack's node)
//!     f (app.py:3) ◀─ main (app.py:9)
//! ```
//!
//! The frames are read by the thread that allocates, and only while it holds the interpreter's lock and the interpreter
//! does not end: then nobody else changes them. The native stack is taken as ever; a report puts the Python frames
//! between its frames, where the interpreter's own function runs them (`place`). Where failures are counted, a stack is
//! the native one alone.

pub mod code;
pub mod frames;
pub mod layout;
pub mod place;
pub mod read;
pub mod tables;

use core::arch::asm;
use core::ffi::{CStr, c_char};

use memtrace_wire::layout::{Op, frame, python_flags};
use memtrace_wire::map::{U32, U64};

use crate::Hot;
use crate::site::Known;
use crate::thread::Body;
use crate::trie::roll;
use crate::unwind::Entry;
use crate::unwind::elf;
use crate::unwind::object::{LinkMap, Object};
use crate::unwind::steps::Steps;
use code::Types;
use frames::Own;
use layout::{COOKIE, DESCRIBED_FROM, LAYOUTS, Layout, Lock, Top, WITHOUT_LOCK};
use read::Pages;
use tables::Pair;

/// Begins the hash of a child that stands for a native stack and a Python stack.
const CHILD_SEED: u64 = 0x9712;

const _: () = assert!(LAYOUTS.len() == 4, "`python_now` knows each version");

/// Of `Python::on`.
const THERE: u32 = 1;
const GONE: u32 = 2;

/// CPython in this process.
pub struct Python {
    /// `THERE`: there is one, and Python functions are wanted; `GONE`: there was.
    pub on: U32,
    /// MEMTRACE_PYTHON.
    pub wanted: U32,
    /// Its version is read: place in `LAYOUTS` plus one; 0: it is not.
    layout: U32,
    /// `python_flags`: that it is not read, and why.
    unread: U32,
    /// 1: the process's header says what is to be said of it.
    is_told: U32,
    /// `Py_Version`; 0: it has none, being older than 3.11.
    version: U32,
    /// Addresses of what it exports: `_PyRuntime`, two functions, three types.
    runtime: U64,
    state_of_thread: U64,
    allocator: U64,
    types: [U64; 3],
    /// Attempts that are left to find the code of the interpreter's function.
    pub(crate) tries: U32,
}

impl Python {
    /// The word of a frame that nothing is known of.
    pub const NAMELESS: u64 = frame::PYTHON << frame::KIND_SHIFT;

    /// None.
    pub const fn new() -> Self {
        Self {
            on: U32::new(0),
            wanted: U32::new(0),
            layout: U32::new(0),
            unread: U32::new(0),
            is_told: U32::new(0),
            version: U32::new(0),
            runtime: U64::new(0),
            state_of_thread: U64::new(0),
            allocator: U64::new(0),
            types: [const { U64::new(0) }; 3],
            tries: U32::new(0),
        }
    }

    /// A fork child has a header of its own.
    pub fn forget(&self) {
        self.is_told.set(0);
        self.tries.set(place::TRIES_MAX);
    }

    /// A module went: if CPython was in it, there is none.
    pub fn gone(&self, start: u64, end: u64) {
        if (start..end).contains(&self.runtime.get()) {
            self.on.set(GONE);
            self.layout.set(0);
            self.runtime.set(0);
        }
    }

    /// Looks for CPython in a module that was loaded.
    pub fn look_into(&self, map: &LinkMap, object: &Object) {
        if self.wanted.get() == 0 || self.runtime.get() != 0 {
            return;
        }
        let Some((runtime, _)) = elf::data(map, c"_PyRuntime") else { return };
        let Some(state) = elf::function(map, c"PyGILState_GetThisThreadState") else { return };
        let types = [c"PyCode_Type", c"PyUnicode_Type", c"PyBytes_Type"].map(|name| elf::data(map, name));
        let [Some((code, _)), Some((text, _)), Some((bytes, _))] = types else { return };
        for (to, from) in self.types.iter().zip([code, text, bytes]) {
            to.set(from as u64);
        }
        let version = elf::data(map, c"Py_Version").map_or(0, |(at, _)| word(at as u64) as u32);
        self.version.set(version);
        self.state_of_thread.set(state as u64);
        self.allocator.set(elf::function(map, c"_PyMem_GetCurrentAllocatorName").unwrap_or(0) as u64);
        self.runtime.set(runtime as u64);
        let (layout, unread) = match layout_of(version, runtime as u64) {
            Ok(place) => (place as u32 + 1, 0),
            Err(why) => (0, python_flags::UNREAD | why),
        };
        self.layout.set(layout);
        self.unread.set(unread);
        self.tries.set(place::TRIES_MAX);
        // A module of the size of an object that is looked for is no module.
        if object.start < object.end {
            self.on.publish(THERE);
        }
    }

    fn layout(&self) -> Option<&'static Layout> {
        LAYOUTS.get((self.layout.get() as usize).checked_sub(1)?)
    }

    /// Address of `type`, which is what makes an object a type; 0: there is no CPython.
    pub fn type_of_types(&self) -> u64 {
        match self.types().code {
            0 => 0,
            // A static object, which has its type behind the count of references.
            _ if self.runtime.get() == 0 => 0,
            code => word(code + 8),
        }
    }

    fn types(&self) -> Types {
        let [code, text, bytes] = self.types.each_ref().map(U64::get);
        Types { code, text, bytes }
    }

    /// The state of this thread, if it has one and the interpreter does not end.
    #[inline(always)]
    fn state(&self, finalizing: u64) -> Option<u64> {
        if self.ends(finalizing) { None } else { self.state_if_any() }
    }

    #[inline(always)]
    fn ends(&self, finalizing: u64) -> bool {
        word(self.runtime.get() + finalizing) != 0
    }

    /// The same, without a look at whether the interpreter ends.
    #[inline(always)]
    fn state_if_any(&self) -> Option<u64> {
        type Get = extern "C" fn() -> u64;
        // SAFETY: the address of this function, which CPython exports in all versions: it looks up a word that is the
        // thread's own, and does nothing else.
        let get = unsafe { core::mem::transmute::<usize, Get>(self.state_of_thread.get() as usize) };
        Some(get()).filter(|&state| state != 0)
    }

    /// The innermost frame of this thread, if it holds the interpreter's lock.
    #[inline(always)]
    fn top(&self, own: &mut Own, layout: &Layout) -> Option<u64> {
        if self.ends(layout.finalizing) {
            return None;
        }
        let state = match layout.lock {
            // It was this thread's when it was asked for; that it still is, its thread's number says below.
            Lock::Holder(at) if own.state != 0 && word(self.runtime.get() + at) == own.state => own.state,
            _ => self.state_if_any()?,
        };
        let (lock, first) = (layout.lock.at(), layout.top.at());
        let [active, thread, top] = own.pages.words(state, [lock, layout.thread_id, first])?;
        let holds = match layout.lock {
            Lock::Holder(at) => word(self.runtime.get() + at) == state,
            Lock::Active(_) => active & 1 << 4 != 0,
        };
        if !holds || thread != this_thread() {
            return None;
        }
        own.state = state;
        let top = match layout.top {
            Top::Record(_, top_of, _) => own.pages.word(top.wrapping_add(top_of))?,
            Top::Direct(_) => top,
        };
        (top != 0).then_some(top)
    }

    /// Address of the first record on the C stack, where there are such.
    fn record(&self, pages: &mut Pages, layout: &Layout) -> Option<u64> {
        let Top::Record(at, ..) = layout.top else { return None };
        pages.word(self.state(layout.finalizing)? + at)
    }
}

impl Default for Python {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    /// The node of this thread's Python stack now; 0: it has none, or it cannot be told.
    #[inline(always)]
    fn python_now(&self, own: &mut Own, steps: &mut Steps) -> u32 {
        // Near the limit of memory stacks are short.
        if self.budget.level.get() != 0 {
            return 0;
        }
        // Each version has code of its own, in which its offsets are constants.
        match self.python.layout.get() {
            1 => self.python_of::<0>(own, steps),
            2 => self.python_of::<1>(own, steps),
            3 => self.python_of::<2>(own, steps),
            4 => self.python_of::<3>(own, steps),
            _ => 0,
        }
    }

    #[inline(always)]
    fn python_of<const VERSION: usize>(&self, own: &mut Own, steps: &mut Steps) -> u32 {
        match self.python.top(own, const { &LAYOUTS[VERSION] }) {
            Some(top) => self.python_stack::<VERSION>(own, steps, top),
            None => 0,
        }
    }

    /// The site of a native stack with the Python functions on it, if there are any.
    #[inline(never)]
    pub(crate) fn with_python(&self, body: &mut Body, entry: Entry, op: Op, known: Known) -> Known {
        if self.python.on.get() == GONE {
            return self.without_python(body, op, known);
        }
        if self.python.is_told.get() == 0 {
            self.tell_of_python();
        }
        let python = self.python_now(&mut body.python, &mut body.known);
        let native = known.node();
        if python == 0 || native == 0 {
            return self.settled(body, known, op);
        }
        body.sites.puts_off = true;
        let pair = body.python.tables.pair(native, python);
        if pair.is(native, python, op) {
            return pair.site;
        }
        let site = self.site_of_pair(body, entry, op, known, python);
        *body.python.tables.pair(native, python) = Pair { native, python, site };
        site
    }

    /// The node of a native stack with the Python functions on it; of the stack itself, if there are none.
    #[cold]
    #[inline(never)]
    pub(crate) fn node_with_python(&self, body: &mut Body, native: u32) -> u32 {
        if self.python.on.get() == 0 || native == 0 {
            return native;
        }
        match self.python_now(&mut body.python, &mut body.known) {
            0 => native,
            python => {
                let (word, hash) = step_to_both(native, python);
                match self.child(native, word, hash, &[]) {
                    0 => native,
                    both => both,
                }
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn site_of_pair(&self, body: &mut Body, entry: Entry, op: Op, known: Known, python: u32) -> Known {
        let (node, own_op) = self.made_at(known, op);
        let Some(innermost) = self.nodes.get(u64::from(node)) else { return self.settled(body, known, op) };
        let (word, hash) = step_to_both(node, python);
        let both = match self.known_child(node, word, hash) {
            Some(both) => both,
            // The loader's own blocks are known by the frame that stands innermost.
            None if self.objects.is_loader(innermost.frame.get()) => return self.settled(body, known, op),
            None => {
                if let Some(layout) = self.python.layout() {
                    let runs = body.python.runs();
                    self.look_for_interpreter(body, entry, layout, (node, runs));
                }
                self.child(node, word, hash, &[])
            }
        };
        match both {
            0 => self.settled(body, known, op),
            both => self.site_now(&mut body.sites, body.slot, both, own_op).answering(op),
        }
    }

    /// CPython's module went: stacks have their own sites again.
    #[cold]
    #[inline(never)]
    fn without_python(&self, body: &mut Body, op: Op, known: Known) -> Known {
        let known = self.settled(body, known, op);
        if body.sites.puts_off {
            body.sites.puts_off = false;
            body.forget_stacks();
        }
        known
    }

    /// Once, when the interpreter has begun: which it is, and where its objects are.
    #[cold]
    #[inline(never)]
    fn tell_of_python(&self) {
        let Some(process) = self.store.process() else { return };
        let layout = self.python.layout();
        let has_layout = layout.is_some();
        let state = layout.map_or_else(|| self.python.state_if_any(), |layout| self.python.state(layout.finalizing));
        if state.is_none() {
            return;
        }
        let mut flags = self.python.unread.get();
        let allocator = self.python.allocator.get() as usize;
        if allocator != 0 {
            // SAFETY: the address of this function: it compares tables of functions, and gives a constant text or null.
            let name = unsafe { core::mem::transmute::<usize, extern "C" fn() -> *const c_char>(allocator)() };
            if !name.is_null() {
                // SAFETY: a constant text of CPython's.
                let name = unsafe { CStr::from_ptr(name) }.to_bytes();
                flags |= if name.starts_with(b"malloc") { 0 } else { python_flags::ARENAS };
            }
        }
        process.python.set(u64::from(flags) << 32 | u64::from(self.python.version.get()));
        self.python.is_told.set(1);
        if !has_layout {
            // As if it had gone: threads may have put sites off for one that had.
            self.python.on.set(GONE);
        }
    }
}

/// The frame below a native stack that stands for both, and the hash of that node.
fn step_to_both(native: u32, python: u32) -> (u64, u64) {
    let word = frame::WITH_PYTHON << frame::KIND_SHIFT | u64::from(python);
    (word, roll(roll(CHILD_SEED, native.into()), word))
}

/// The place in `LAYOUTS` of a version that says of itself what is known of it, or why there is none (`python_flags`).
fn layout_of(version: u32, runtime: u64) -> Result<usize, u32> {
    // 0x030b02f0: 3.11.2, as it was released.
    let (major, minor) = (version >> 24, (version >> 16) as u8);
    let describes_itself = major == 3 && minor >= DESCRIBED_FROM && word(runtime) == COOKIE;
    if describes_itself && word(runtime + WITHOUT_LOCK) != 0 {
        return Err(python_flags::FREE_THREADED);
    }
    let is_of = |layout: &Layout| major == 3 && layout.minor == minor && version & 0xf0 == 0xf0;
    let place = LAYOUTS.iter().position(is_of).ok_or(0u32)?;
    let is_as_known = |layout: &Layout| {
        layout.minor < DESCRIBED_FROM
            || describes_itself && layout.described().all(|(at, expected)| word(runtime + at) == expected)
    };
    if LAYOUTS.get(place).is_some_and(is_as_known) { Ok(place) } else { Err(python_flags::DESCRIBED_OTHERWISE) }
}

/// `pthread_self()`.
#[inline(always)]
fn this_thread() -> u64 {
    let value: u64;
    // SAFETY: the word of the thread's control block that holds its own address, as the ABI of x86-64 has it.
    unsafe { asm!("mov {}, qword ptr fs:[0x0]", out(reg) value, options(pure, readonly, nostack, preserves_flags)) };
    value
}

/// A word of CPython's own data, which is there as long as it is loaded.
#[inline(always)]
fn word(address: u64) -> u64 {
    // SAFETY: callers add offsets inside `_PyRuntime` to its address.
    unsafe { (address as *const u64).read() }
}
